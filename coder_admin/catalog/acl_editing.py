"""Reading and changing the access list of one object: the rules that templates and workspaces share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model, Q

from coder_admin.audit.diffs import Diff
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations.access_news import access_changed_for
from coder_admin.organizations.models import Group, User
from rbac.grants import Acl, AclTables

from .representations import group_body, user_body

MAXIMUM_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class AclForm:
    """What a kind of object's list takes: the tables, `role → codename` (narrowest first), the names of the
    two fields in a request, and whether only members of the object's organization may be listed."""

    tables: AclTables
    codenames: Mapping[str, str]
    user_field: str
    group_field: str
    members_only: bool = False

    def role_of(self, actions: Collection[str]) -> str:
        """The API's role that a set of actions amounts to: the last (widest) one that lies in it."""
        held = [r for r, name in self.codenames.items() if self.tables.actions[name] <= set(actions)]
        return held[-1] if held else ""


def listed(form: AclForm, obj: Model) -> dict[str, list[dict[str, Any]]]:
    """``{users: [{…, role}], group: [{…, role}]}`` in order of names; the deleted are left out."""
    acl = form.tables.of(obj)
    users = User.objects.live().filter(pk__in=acl.users).order_by("username")
    groups = Group.objects.filter(pk__in=acl.groups).order_by("name")
    return {
        "users": [{**user_body(u), "role": form.role_of(acl.users[str(u.id)])} for u in users],
        "group": [{**group_body(g), "role": form.role_of(acl.groups[str(g.id)])} for g in groups],
    }


def change(
    form: AclForm,
    obj: Model,
    *,
    organization_id: UUID,
    users: Mapping[str, str],
    groups: Mapping[str, str],
) -> Diff:
    """Give users and groups (by id) a role, or with "" take it away, inside the caller's transaction.

    All or nothing: Invalid with one entry for each bad id or role. The answer is the audit diff, empty
    when nothing changed.
    """
    problems = _problems(form, form.user_field, users) + _problems(form, form.group_field, groups)
    if not problems:
        problems = _unknown_users(form, users, organization_id) + _unknown_groups(
            form, groups, organization_id
        )
    if problems:
        raise Invalid("The access list cannot be changed.", validations=problems)
    before = form.tables.of(obj)
    for user_id, role in users.items():
        form.tables.set_user(obj, UUID(user_id), form.codenames[role] if role else None)
    for group_id, role in groups.items():
        form.tables.set_group(obj, UUID(group_id), form.codenames[role] if role else None)
    access_changed_for(users=users, groups=groups)
    return _diff(form, before, form.tables.of(obj))


def _diff(form: AclForm, before: Acl, after: Acl) -> Diff:
    """Names instead of actions, and only who changed: what a reader of the trail wants to know."""
    diff: Diff = {}
    for name, old, new in (
        ("user_acl", before.users, after.users),
        ("group_acl", before.groups, after.groups),
    ):
        if old != new:
            diff[name] = {"old": _roles(form, old), "new": _roles(form, new), "secret": False}
    return diff


def _roles(form: AclForm, acl: Mapping[str, frozenset[str]]) -> dict[str, str]:
    return {holder: form.role_of(actions) for holder, actions in sorted(acl.items())}


def _problems(form: AclForm, field: str, perms: Mapping[str, str]) -> list[Validation]:
    if len(perms) > MAXIMUM_ENTRIES:
        return [Validation(field, f"At most {MAXIMUM_ENTRIES} entries fit in one request.")]
    problems = []
    known = ", ".join(f'"{role}"' for role in form.codenames)
    for key, role in perms.items():
        try:
            UUID(key)
        except ValueError:
            problems.append(Validation(field, f'"{key[:60]}" is not a UUID.'))
        if role not in ("", *form.codenames):
            problems.append(Validation(field, f'"{role[:60]}" is not a role: use {known}, or "" to remove.'))
    return problems


def _unknown_users(form: AclForm, perms: Mapping[str, str], organization_id: UUID) -> list[Validation]:
    """Taking away is always possible: who was listed once may be gone now."""
    wanted = {UUID(key) for key, role in perms.items() if role}
    if not wanted:
        return []
    where = Q(memberships__organization_id=organization_id) if form.members_only else Q()
    known = set(User.objects.people().filter(where, pk__in=wanted).values_list("pk", flat=True))
    place = " among the members of the organization" if form.members_only else ""
    return [Validation(form.user_field, f"There is no user {key}{place}.") for key in sorted(wanted - known)]


def _unknown_groups(form: AclForm, perms: Mapping[str, str], organization_id: UUID) -> list[Validation]:
    wanted = {UUID(key) for key, role in perms.items() if role}
    if not wanted:
        return []
    groups = Group.objects.filter(pk__in=wanted, organization_id=organization_id)
    missing = sorted(wanted - set(groups.values_list("pk", flat=True)))
    return [Validation(form.group_field, f"There is no group {key} in the organization.") for key in missing]
