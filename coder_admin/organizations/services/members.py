"""Memberships: who belongs to an organization, with which roles."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.diffs import Tracked
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Forbidden, Invalid, NotFound
from rbac.django import may, require
from rbac.grants import drop_user_grants
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.roles import ORG_MEMBER

from ..access_news import access_changed, people_changed
from ..choices import LoginType
from ..idp.store import organization_sync, role_sync
from ..models import Group, GroupMember, Organization, OrganizationMember, User
from .roles import check_hand_out, checked_roles

_TRACKED = Tracked(track=("user_id", "organization_id", "roles"))


@transaction.atomic
def member_add(
    actor: Subject, *, organization: Organization, user: User, roles: Iterable[str] = ()
) -> OrganizationMember:
    """Make `user` a member, with `roles` there. Invalid when already one, and when the identity provider
    decides where this user belongs."""
    if user.login_type == LoginType.OIDC and organization_sync().field:
        raise Invalid(
            f"The organizations of {user.username} follow the identity provider.",
            detail="Add them there; they become a member at their next login.",
        )
    if OrganizationMember.objects.filter(organization=organization, user=user).exists():
        _require_create(actor, organization, user)
        raise Invalid(f"{user.username} is already a member of {organization.name}.")
    return member_enter(actor, organization=organization, user=user, roles=roles)


@transaction.atomic
def member_enter(
    actor: Subject, *, organization: Organization, user: User, roles: Iterable[str] = ()
) -> OrganizationMember:
    """The membership with its audit row; by hand through `member_add`, by sync directly."""
    _require_create(actor, organization, user)
    check_hand_out(actor, added=[ORG_MEMBER], organization=organization)
    names = checked_roles(actor, before=(), after=roles, organization=organization)
    # Held to the end, so that nobody enters an organization while it is being deleted.
    locked = Organization.objects.select_for_update().get(pk=organization.pk)
    if user.deleted or locked.deleted:
        raise NotFound
    member = insert_membership(organization, user, names)
    _audit(actor, AuditedAction.CREATE, member, diff=_TRACKED.changes(None, _TRACKED.snapshot(member)))
    access_changed([user.pk])
    return member


def _require_create(actor: Subject, organization: Organization, user: User) -> None:
    obj = RbacObject(
        ResourceType.ORGANIZATION_MEMBER, id=str(user.id), org=str(organization.id), owner=str(user.id)
    )
    if not may(actor, Action.CREATE, obj):
        raise Forbidden("You may not add members to this organization.")


def insert_membership(
    organization: Organization, user: User, roles: Iterable[str] = ()
) -> OrganizationMember:
    """The rows of a membership: itself, and Everyone as Django and guardian know that group. Checks and
    audits nothing; inside the caller's transaction."""
    member, _ = OrganizationMember.objects.get_or_create(
        organization=organization, user=user, defaults={"roles": list(roles)}
    )
    everyone = Group.objects.select_related("auth_group").get(id=organization.id)
    user.groups.add(everyone.auth_group)
    return member


@transaction.atomic
def member_remove(actor: Subject, *, member: OrganizationMember) -> None:
    """End a membership, and with it the user's place in the organization's groups. Nobody ends their own."""
    if str(member.user_id) == actor.id:
        raise Invalid("cannot remove self from an organization", detail="Ask another administrator to do it.")
    member_leave(actor, member=member)


@transaction.atomic
def member_leave(actor: Subject, *, member: OrganizationMember) -> None:
    """The end of a membership with its audit row; by hand through `member_remove`, by sync directly."""
    require(actor, Action.DELETE, member)
    before = _TRACKED.snapshot(member)
    _leave_groups(member)
    _audit(actor, AuditedAction.DELETE, member, diff=_TRACKED.changes(before, None))
    member.delete()
    access_changed([member.user_id])


def _leave_groups(member: OrganizationMember) -> None:
    groups = Group.objects.filter(organization_id=member.organization_id)
    GroupMember.objects.filter(user_id=member.user_id, group__in=groups).delete()
    member.user.groups.remove(*groups.values_list("auth_group_id", flat=True))
    drop_user_grants(member.user_id, member.organization_id)


@transaction.atomic
def member_roles_set(
    actor: Subject, *, member: OrganizationMember, roles: Iterable[str]
) -> OrganizationMember:
    """Give the member exactly `roles` in the organization. Nobody changes their own, nor those that the
    identity provider decides."""
    if str(member.user_id) == actor.id:
        raise Invalid("You cannot change your own organization roles.")
    if member.user.login_type == LoginType.OIDC and role_sync(member.organization).field:
        raise Invalid(
            f"The roles of {member.user.username} here follow the identity provider.",
            detail="Change them there; they are brought in line at the next login.",
        )
    return member_roles_store(actor, member=member, roles=roles)


@transaction.atomic
def member_roles_store(
    actor: Subject, *, member: OrganizationMember, roles: Iterable[str]
) -> OrganizationMember:
    """The roles with their audit row; by hand through `member_roles_set`, by sync directly."""
    row = OrganizationMember.objects.select_for_update().get(pk=member.pk)
    before = _TRACKED.snapshot(row)
    row.roles = checked_roles(actor, before=row.roles, after=roles, organization=member.organization)
    row.save(update_fields=["roles", "updated_at"])
    member.roles, member.updated_at = row.roles, row.updated_at
    diff = _TRACKED.changes(before, _TRACKED.snapshot(row))
    if diff:
        _audit(actor, AuditedAction.WRITE, member, diff=diff)
        access_changed([member.user_id])
    return member


def _audit(
    actor: Subject, action: AuditedAction, member: OrganizationMember, *, diff: dict[str, dict[str, object]]
) -> None:
    """The entry of the trail, and word to open pages: every change comes by here."""
    record(
        actor=actor,
        action=action,
        resource_type=AuditedType.ORGANIZATION_MEMBER,
        resource_id=member.user_id,
        resource_target=member.user.username,
        organization_id=member.organization_id,
        diff=diff,
    )
    people_changed(member.organization_id)
