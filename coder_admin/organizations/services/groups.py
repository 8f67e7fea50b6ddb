"""Groups of an organization: made, changed, filled, deleted. Django's group of each is kept in step."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group as AuthGroup
from django.db import IntegrityError, transaction

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.diffs import Diff, Tracked
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, Validation
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject

from ..access_news import access_changed, access_changed_for, people_changed
from ..choices import GroupSource
from ..models import EVERYONE_GROUP_NAME, Group, GroupMember, Organization, User
from ..names import display_problem, group_name_problem, refuse_problems

_TRACKED = Tracked(track=("name", "display_name", "avatar_url", "quota_allowance", "source"))
MAXIMUM_QUOTA = 2**31 - 1


@transaction.atomic
def group_create(
    actor: Subject,
    *,
    organization: Organization,
    name: str,
    display_name: str = "",
    avatar_url: str = "",
    quota_allowance: int = 0,
    source: str = GroupSource.USER,
) -> Group:
    """A new, empty group. Forbidden without `group: create`; Conflict when the name is taken."""
    if not may(actor, Action.CREATE, RbacObject(ResourceType.GROUP, org=str(organization.id))):
        raise Forbidden("You may not create groups in this organization.")
    _check(name=name, display_name=display_name, quota_allowance=quota_allowance)
    id_ = uuid.uuid4()
    try:
        with transaction.atomic():
            group = Group.objects.create(
                id=id_,
                organization=organization,
                auth_group=AuthGroup.objects.create(name=str(id_)),
                name=name,
                display_name=display_name,
                avatar_url=avatar_url,
                quota_allowance=quota_allowance,
                source=source,
            )
    except IntegrityError as error:
        raise _taken(name) from error
    _audit(actor, AuditedAction.CREATE, group, _TRACKED.changes(None, _TRACKED.snapshot(group)))
    return group


@transaction.atomic
def group_update(
    actor: Subject,
    *,
    group: Group,
    add_users: Collection[User] = (),
    remove_users: Collection[User] = (),
    **changes: Any,
) -> Group:
    """Change `name`, `display_name`, `avatar_url`, `quota_allowance` and who belongs to it.

    Of Everyone only the allowance and the picture can change: its members are the organization's.
    """
    require(actor, Action.UPDATE, group)
    if group.is_everyone and (add_users or remove_users or "name" in changes):
        raise Invalid(f"The members and the name of {EVERYONE_GROUP_NAME} follow the organization's.")
    _check(**changes)
    before = _TRACKED.snapshot(group)
    for field, value in changes.items():
        setattr(group, field, value)
    if changes:
        try:
            with transaction.atomic():
                group.save(update_fields=list(changes))
        except IntegrityError as error:
            raise _taken(group.name) from error
    diff = _TRACKED.changes(before, _TRACKED.snapshot(group))
    diff |= _change_members(group, add_users, remove_users)
    if diff:
        _audit(actor, AuditedAction.WRITE, group, diff)
    return group


def _change_members(group: Group, add: Collection[User], remove: Collection[User]) -> Diff:
    outsiders = {user.pk for user in add} - set(
        group.organization.members.filter(user__in=add).values_list("user_id", flat=True)
    )
    if outsiders:
        raise Invalid(
            "Only members of the organization can join its groups.",
            validations=[
                Validation("add_users", f"{id_} is no member.") for id_ in sorted(map(str, outsiders))
            ],
        )
    rows = GroupMember.objects.filter(group=group, user__in=[*add, *remove])
    present = set(rows.values_list("user_id", flat=True))
    joining = [user for user in add if user.pk not in present]
    leaving = [user for user in remove if user.pk in present]
    # Somebody else may add the same person at the same moment: then they are in it, as wanted.
    GroupMember.objects.bulk_create(
        [GroupMember(group=group, user=user) for user in joining], ignore_conflicts=True
    )
    GroupMember.objects.filter(group=group, user__in=leaving).delete()
    group.auth_group.user_set.add(*joining)
    group.auth_group.user_set.remove(*leaving)
    if not joining and not leaving:
        return {}
    access_changed(user.pk for user in (*joining, *leaving))
    left, joined = sorted(u.username for u in leaving), sorted(u.username for u in joining)
    return {"members": {"old": left, "new": joined, "secret": False}}


@transaction.atomic
def group_delete(actor: Subject, *, group: Group) -> None:
    """Delete a group with all that was granted to it."""
    require(actor, Action.DELETE, group)
    if group.is_everyone:
        raise Invalid(f"The group {EVERYONE_GROUP_NAME} cannot be deleted.")
    _audit(actor, AuditedAction.DELETE, group, _TRACKED.changes(_TRACKED.snapshot(group), None))
    access_changed_for(groups=[group.id])
    auth_group = group.auth_group
    group.delete()
    auth_group.delete()


def _check(**fields: Any) -> None:
    problems = []
    if "name" in fields:
        problems.append(("name", group_name_problem(fields["name"])))
    if "display_name" in fields:
        problems.append(("display_name", display_problem(fields["display_name"], maximum=128)))
    if not 0 <= fields.get("quota_allowance", 0) <= MAXIMUM_QUOTA:
        problems.append(("quota_allowance", f"must be between 0 and {MAXIMUM_QUOTA}"))
    refuse_problems(problems)


def _taken(name: str) -> Conflict:
    return Conflict(
        f"A group named {name} already exists.",
        validations=[Validation("name", "This value is already in use and should be unique.")],
    )


def _audit(actor: Subject, action: AuditedAction, group: Group, diff: Diff) -> None:
    """The entry of the trail, and word to open pages: every change comes by here."""
    record(
        actor=actor,
        action=action,
        resource_type=AuditedType.GROUP,
        resource_id=group.id,
        resource_target=group.name,
        organization_id=group.organization_id,
        diff=diff,
    )
    people_changed(group.organization_id)
