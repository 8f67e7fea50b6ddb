"""Who may see, use and manage a template (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from coder_admin.audit.services import record
from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations.models import Group, User
from rbac.django import require
from rbac.model import Action, Subject

from ..choices import TemplateRole
from ..grants import CODENAMES
from ..models import TEMPLATE_ACL, Template


@transaction.atomic
def acl_update(
    *,
    actor: Subject,
    template: Template,
    user_perms: Mapping[str, str] | None = None,
    group_perms: Mapping[str, str] | None = None,
) -> bool:
    """Give users and groups (by id) the role ``use`` or ``admin``, or with "" take it away.

    All or nothing; raises Invalid with one entry for each bad id or role. The answer says whether anything
    changed.
    """
    require(actor, Action.UPDATE, template)
    users, groups = dict(user_perms or {}), dict(group_perms or {})
    problems = _problems("user_perms", users) + _problems("group_perms", groups)
    if not problems:
        problems = _unknown_users(users) + _unknown_groups(template, groups)
    if problems:
        raise Invalid("The access list cannot be changed.", validations=problems)
    before = TEMPLATE_ACL.of(template)
    for user_id, role in users.items():
        TEMPLATE_ACL.set_user(template, UUID(user_id), CODENAMES[TemplateRole(role)] if role else None)
    for group_id, role in groups.items():
        TEMPLATE_ACL.set_group(template, UUID(group_id), CODENAMES[TemplateRole(role)] if role else None)
    after = TEMPLATE_ACL.of(template)
    if after == before:
        return False
    diff = {
        name: {"old": _listed(old), "new": _listed(new), "secret": False}
        for name, old, new in (
            ("user_acl", before.users, after.users),
            ("group_acl", before.groups, after.groups),
        )
        if old != new
    }
    record(
        actor=actor,
        action="write",
        resource_type="template",
        resource_id=template.id,
        resource_target=template.name,
        organization_id=template.organization_id,
        diff=diff,
    )
    events.publish(f"template:{template.id}", {"kind": "acl"})
    return True


def _listed(acl: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {holder: sorted(actions) for holder, actions in sorted(acl.items())}


def _problems(field: str, perms: Mapping[str, str]) -> list[Validation]:
    problems = []
    for key, role in perms.items():
        try:
            UUID(key)
        except ValueError:
            problems.append(Validation(field, f'"{key[:60]}" is not a UUID.'))
        if role not in ("", *TemplateRole.values):
            problems.append(Validation(field, f'"{role[:60]}" is not a role: use "use", "admin" or "".'))
    return problems


def _unknown_users(perms: Mapping[str, str]) -> list[Validation]:
    wanted = {UUID(key) for key, role in perms.items() if role}
    known = set(User.objects.people().filter(pk__in=wanted).values_list("pk", flat=True))
    return [Validation("user_perms", f"There is no user {key}.") for key in sorted(wanted - known)]


def _unknown_groups(template: Template, perms: Mapping[str, str]) -> list[Validation]:
    wanted = {UUID(key) for key, role in perms.items() if role}
    groups = Group.objects.filter(pk__in=wanted, organization_id=template.organization_id)
    missing = sorted(wanted - set(groups.values_list("pk", flat=True)))
    return [
        Validation("group_perms", f"There is no group {key} in the template's organization.")
        for key in missing
    ]
