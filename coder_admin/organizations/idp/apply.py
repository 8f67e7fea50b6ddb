"""Carries a plan out: every change in one transaction, each audited, in the name of the program.

The person's row is locked first, so that two logins at once make their changes one after the other. What
somebody else made or removed in the meantime is as wanted: it is skipped and never fails a login.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.services import record
from coder_admin.foundation.errors import ServiceError
from rbac.django import forget_subject
from rbac.model import Subject

from ..models import Group, Organization, OrganizationMember, User
from ..services.groups import group_create, group_update
from ..services.members import member_enter, member_leave, member_roles_store
from ..services.users import user_roles_store
from .claims import Claims
from .loading import load_world
from .plan import KEPT_OWNER, GroupChange, Plan, RoleChange, make_plan

log = structlog.get_logger(__name__)


@transaction.atomic
def sync_user(actor: Subject, *, user: User, claims: Claims, is_new: bool = False) -> Plan:
    """Bring memberships, groups and roles of `user` in line with `claims`; returns what was changed.

    Raises ClaimError with nothing changed when the claims cannot be read.
    """
    locked = User.objects.select_for_update().get(pk=user.pk)
    plan = make_plan(claims, load_world(locked, is_new=is_new))
    for note in plan.notes:
        log.info("identity provider sync", user=user.username, note=note.text)
    if plan.keeps_owner:
        _record_kept_owner(actor, locked)
    if not plan.is_empty:
        apply_plan(actor, user=locked, plan=plan)
        forget_subject(user)
    return plan


def _record_kept_owner(actor: Subject, user: User) -> None:
    log.warning("the last owner stays owner against the claims", user=user.username)
    record(
        actor=actor,
        action=AuditedAction.WRITE,
        resource_type=AuditedType.USER,
        resource_id=user.id,
        resource_target=user.username,
        status_code=409,
        additional_fields={"reason": KEPT_OWNER.text},
    )


def apply_plan(actor: Subject, *, user: User, plan: Plan) -> None:
    """Make the changes of the plan, inside the caller's transaction."""
    organizations = Organization.objects.in_bulk(
        [*plan.join, *(group.organization_id for group in plan.groups)]
    )
    for id_ in plan.leave:
        member = _member(user, id_)
        if member is not None:
            member_leave(actor, member=member)
    for id_ in plan.join:
        if not organizations[id_].deleted:
            member_enter(actor, organization=organizations[id_], user=user)
    for change in plan.groups:
        _change_groups(actor, user, organizations[change.organization_id], change)
    for role_change in plan.roles:
        _change_roles(actor, user, role_change)


def _member(user: User, organization_id: UUID) -> OrganizationMember | None:
    return (
        OrganizationMember.objects.select_related("user", "organization")
        .filter(user=user, organization_id=organization_id)
        .first()
    )


def _change_groups(actor: Subject, user: User, organization: Organization, change: GroupChange) -> None:
    made = [_made(actor, organization, name) for name in change.create]
    joined = Group.objects.filter(organization=organization, id__in=change.join)
    for group in (*joined, *(group for group in made if group is not None)):
        group_update(actor, group=group, add_users=[user])
    for group in Group.objects.filter(organization=organization, id__in=change.leave):
        group_update(actor, group=group, remove_users=[user])


def _made(actor: Subject, organization: Organization, name: str) -> Group | None:
    try:
        return group_create(actor, organization=organization, name=name, source="oidc")
    except ServiceError as error:
        # Another login made it at the same moment, or the name cannot be one.
        log.info("group of a claim not made", organization=organization.name, group=name, reason=str(error))
        return Group.objects.filter(organization=organization, name__iexact=name).first()


def _change_roles(actor: Subject, user: User, change: RoleChange) -> None:
    if change.organization_id is None:
        user_roles_store(actor, user=user, roles=list(change.after))
        return
    member = _member(user, change.organization_id)
    if member is not None:
        member_roles_store(actor, member=member, roles=list(change.after))


def record_failed_login(actor: Subject, *, target: str, reason: str, status_code: int) -> None:
    """A login that the identity provider vouched for and that was refused here."""
    record(
        actor=actor,
        action=AuditedAction.LOGIN,
        resource_type=AuditedType.API_KEY,
        resource_target=target,
        status_code=status_code,
        additional_fields={"reason": reason},
    )
