"""How a user row becomes the Subject that the policy judges (reference section 1.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from rbac.model import Action, Permission, ResourceType, Role, Subject
from rbac.roles import MEMBER, ORG_MEMBER, ORG_ROLES, SITE_ROLES, org_role, site_role

from .models import CustomRole, GroupMember, OrganizationMember, User


def load_subject(user: User) -> Subject:
    """The user's site roles, roles in live organizations and groups. Everybody is a `member`, and an
    `organization-member` where they belong. Two queries; one more for who holds a custom role.

    A stored name that is no role (any more) gives nothing.
    """
    memberships = list(
        OrganizationMember.objects.filter(user=user, organization__deleted=False).values_list(
            "organization_id", "roles"
        )
    )
    roles = [site_role(MEMBER)]
    roles += [site_role(name) for name in user.rbac_roles if name in SITE_ROLES and name != MEMBER]
    custom = _custom_roles(memberships)
    for organization_id, names in memberships:
        org = str(organization_id)
        roles.append(org_role(ORG_MEMBER, org))
        for name in names:
            if name in ORG_ROLES and name != ORG_MEMBER:
                roles.append(org_role(name, org))
            elif (org, name.lower()) in custom:
                roles.append(custom[org, name.lower()])
    groups = GroupMember.objects.filter(user=user, group__organization__deleted=False)
    return Subject(
        id=str(user.id),
        username=user.username,
        roles=tuple(roles),
        groups=frozenset(str(id_) for id_ in groups.values_list("group_id", flat=True)),
    )


def _custom_roles(memberships: Sequence[tuple[Any, list[str]]]) -> dict[tuple[str, str], Role]:
    wanted = [
        Q(organization_id=organization_id, name__in=unknown)
        for organization_id, names in memberships
        if (unknown := [name for name in names if name not in ORG_ROLES])
    ]
    if not wanted:
        return {}
    return {
        (str(row.organization_id), row.name.lower()): custom_role(row)
        for row in CustomRole.objects.filter(reduce(or_, wanted))
    }


def custom_role(row: CustomRole) -> Role:
    """The policy's view of a stored custom role: organization permissions only (section 2.3)."""
    org = str(row.organization_id)
    return Role(row.name, row.display_name, org={org: parse_permissions(row.organization_permissions)})


def parse_permissions(stored: Iterable[Mapping[str, Any]]) -> tuple[Permission, ...]:
    """Stored `{negate, resource_type, action}` rows; pairs that are not legal any more are left out."""
    permissions = []
    for row in stored:
        try:
            permissions.append(
                Permission(
                    ResourceType(row["resource_type"]), Action(row["action"]), negate=bool(row.get("negate"))
                )
            )
        except ValueError:
            continue
    return tuple(permissions)
