"""Roles that an organization defines itself (reference section 2.3): positive permissions there, no more than
their maker holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.diffs import Diff, Tracked
from coder_admin.audit.services import record
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotFound, Validation
from rbac.django import may
from rbac.model import LEGAL_ACTIONS, WILDCARD, Action, Permission, RbacObject, ResourceType, Subject
from rbac.policy import allowed
from rbac.roles import ORG_ROLES, SITE_ROLES

from ..access_news import access_changed, people_changed
from ..models import CustomRole, Organization, OrganizationMember
from ..names import display_problem, refuse_problems
from ..subjects import parse_permissions

Stored = Mapping[str, Any]

_TRACKED = Tracked(track=("name", "display_name", "organization_permissions"))
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z", re.IGNORECASE)
NAME_LENGTH = 64


@transaction.atomic
def custom_role_create(
    actor: Subject,
    *,
    organization: Organization,
    name: str,
    display_name: str = "",
    organization_permissions: Iterable[Stored] = (),
    site_permissions: Iterable[Stored] = (),
    user_permissions: Iterable[Stored] = (),
) -> CustomRole:
    """A new role of the organization. Invalid for bad names, pairs that do not exist, wildcards, negatives
    and permissions beyond the organization; Forbidden for more than the actor holds; Conflict when taken."""
    _require(actor, Action.CREATE, organization)
    _check_name(name)
    refuse_problems((("display_name", display_problem(display_name, maximum=128)),))
    _refuse_other_levels(site_permissions, user_permissions)
    permissions = _checked(actor, organization, organization_permissions, drop_illegal=False)
    try:
        with transaction.atomic():
            role = CustomRole.objects.create(
                organization=organization,
                name=name,
                display_name=display_name,
                organization_permissions=permissions,
            )
    except IntegrityError as error:
        raise Conflict(
            f'A role named "{name}" already exists in {organization.name}.',
            validations=[Validation("name", "This value is already in use and should be unique.")],
        ) from error
    _audit(actor, AuditedAction.CREATE, role, _TRACKED.changes(None, _TRACKED.snapshot(role)))
    return role


@transaction.atomic
def custom_role_update(
    actor: Subject,
    *,
    organization: Organization,
    name: str,
    display_name: str = "",
    organization_permissions: Iterable[Stored] = (),
    site_permissions: Iterable[Stored] = (),
    user_permissions: Iterable[Stored] = (),
) -> CustomRole:
    """Replace what a role is called and grants; its name stays. Pairs that have become illegal since are
    dropped, so that an old role can still be edited."""
    _require(actor, Action.UPDATE, organization)
    _check_name(name)
    refuse_problems((("display_name", display_problem(display_name, maximum=128)),))
    _refuse_other_levels(site_permissions, user_permissions)
    role = custom_role(organization, name, lock=True)
    before = _TRACKED.snapshot(role)
    role.display_name = display_name
    role.organization_permissions = _checked(actor, organization, organization_permissions, drop_illegal=True)
    role.save(update_fields=["display_name", "organization_permissions", "updated_at"])
    diff = _TRACKED.changes(before, _TRACKED.snapshot(role))
    if diff:
        _audit(actor, AuditedAction.WRITE, role, diff)
        access_changed(_holders(role).values_list("user_id", flat=True))
    return role


@transaction.atomic
def custom_role_delete(actor: Subject, *, organization: Organization, name: str) -> None:
    """Delete a role, and take it from everybody who holds it."""
    _require(actor, Action.DELETE, organization)
    role = custom_role(organization, name, lock=True)
    holders = list(_holders(role).select_for_update())
    for member in holders:
        member.roles = [held for held in member.roles if held.lower() != role.name.lower()]
        member.save(update_fields=["roles", "updated_at"])
    access_changed(member.user_id for member in holders)
    if holders:
        people_changed(organization.id)
    _audit(actor, AuditedAction.DELETE, role, _TRACKED.changes(_TRACKED.snapshot(role), None))
    role.delete()


def _holders(role: CustomRole) -> QuerySet[OrganizationMember]:
    return OrganizationMember.objects.filter(
        organization=role.organization, roles__icontains=f'"{role.name}"'
    )


def custom_role(organization: Organization, name: str, *, lock: bool = False) -> CustomRole:
    """The role of that name, else NotFound."""
    rows = CustomRole.objects.select_for_update() if lock else CustomRole.objects.all()
    found = rows.filter(organization=organization, name__iexact=name).first()
    if found is None:
        raise NotFound
    return found


def _require(actor: Subject, action: Action, organization: Organization) -> None:
    if not may(actor, action, RbacObject(ResourceType.ASSIGN_ORG_ROLE, org=str(organization.id))):
        raise Forbidden(
            f"You may not {action} roles of {organization.name}.",
            detail="It needs the role organization admin there, or owner.",
        )


def _check_name(name: str) -> None:
    if name.lower() in {*SITE_ROLES, *ORG_ROLES}:
        raise Invalid("Reserved role name", validations=[Validation("name", f'"{name}" is a built-in role.')])
    problem = ""
    if not name:
        problem = "must not be empty"
    elif len(name) > NAME_LENGTH:
        problem = f"may have {NAME_LENGTH} characters at most"
    elif not _NAME.match(name):
        problem = "may hold only letters, digits and single hyphens between them"
    elif name.lower() in ("new", "roles"):
        problem = f'"{name}" is a reserved word'
    if problem:
        raise Invalid(f'"{name}" is not a valid role name.', validations=[Validation("name", problem)])


def _refuse_other_levels(site: Iterable[Stored], user: Iterable[Stored]) -> None:
    problems = [
        Validation(field, "must be empty: a role of an organization grants inside it only")
        for field, permissions in (("site_permissions", site), ("user_permissions", user))
        if list(permissions)
    ]
    if problems:
        raise Invalid("A custom role holds permissions of its organization only.", validations=problems)


def _checked(
    actor: Subject, organization: Organization, given: Iterable[Stored], *, drop_illegal: bool
) -> list[dict[str, Any]]:
    """The permissions to store, without repeats; Invalid or Forbidden names each that cannot be."""
    problems, legal = [], []
    for position, row in enumerate(given):
        problem = _problem(row)
        if problem and not (drop_illegal and _has_become_illegal(row)):
            problems.append(Validation(f"organization_permissions.{position}", problem))
        if not problem:
            legal.append(row)
    if problems:
        raise Invalid("The role cannot hold these permissions.", validations=problems)
    permissions = list(dict.fromkeys(parse_permissions(legal)))
    _refuse_escalation(actor, organization, permissions)
    return [
        {"negate": False, "resource_type": str(one.resource_type), "action": str(one.action)}
        for one in permissions
    ]


def _problem(row: Stored) -> str:
    type_, action = str(row.get("resource_type", "")), str(row.get("action", ""))
    if row.get("negate"):
        return "a custom role cannot forbid anything"
    if WILDCARD in (type_, action):
        return "name each action; wildcards are for built-in roles"
    if type_ not in set(ResourceType):
        return f'"{type_}" is no resource type'
    legal = LEGAL_ACTIONS[ResourceType(type_)]
    if action not in legal:
        return f'"{action}" is no action of {type_}; it has: {", ".join(sorted(legal))}'
    return ""


def _has_become_illegal(row: Stored) -> bool:
    """Whether only the pair itself is wrong; wildcards and negatives never were legal."""
    return not row.get("negate") and WILDCARD not in (row.get("resource_type"), row.get("action"))


def _refuse_escalation(actor: Subject, organization: Organization, permissions: Iterable[Permission]) -> None:
    org = str(organization.id)
    beyond = [
        one
        for one in permissions
        if not allowed(actor, Action(one.action), RbacObject(ResourceType(one.resource_type), org=org))
    ]
    if beyond:
        raise Forbidden(
            "You cannot grant what you do not hold in this organization.",
            validations=[
                Validation("organization_permissions", f"{one.resource_type}: {one.action}") for one in beyond
            ],
        )


def _audit(actor: Subject, action: AuditedAction, role: CustomRole, diff: Diff) -> None:
    record(
        actor=actor,
        action=action,
        resource_type=AuditedType.CUSTOM_ROLE,
        resource_id=str(role.pk or ""),
        resource_target=role.name,
        organization_id=role.organization_id,
        diff=diff,
    )
