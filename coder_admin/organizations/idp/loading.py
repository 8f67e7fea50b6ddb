"""What is stored now about one person, as the plan needs it: a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db.models import Q

from ..models import CustomRole, Group, GroupMember, Organization, OrganizationMember, User
from ..owners import is_last_owner
from .plan import Membership, Place, World
from .store import organization_settings, organization_sync, site_role_sync


def load_world(user: User | None, *, is_new: bool = False) -> World:
    """The world of `user`; None stands for a person who has no account yet."""
    sync = organization_sync()
    held = _memberships(user)
    mapped = {id_ for ids in sync.mapping.values() for id_ in ids}
    return World(
        places=_places(mapped | set(held)),
        memberships=held,
        site_roles=tuple(user.rbac_roles) if user else (),
        is_last_owner=user is not None and is_last_owner(user),
        organization_sync=sync,
        site_role_sync=site_role_sync(),
        is_new=is_new or user is None,
    )


def _memberships(user: User | None) -> dict[UUID, Membership]:
    if user is None:
        return {}
    groups: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for organization_id, group_id in GroupMember.objects.filter(user=user).values_list(
        "group__organization_id", "group_id"
    ):
        if group_id != organization_id:
            groups[organization_id].add(group_id)
    rows = OrganizationMember.objects.filter(user=user).values_list("organization_id", "roles")
    return {id_: Membership(tuple(roles), frozenset(groups[id_])) for id_, roles in rows}


def _places(ids: set[UUID]) -> dict[UUID, Place]:
    rows = list(Organization.objects.filter(Q(pk__in=ids) | Q(is_default=True)))
    syncs = organization_settings(rows)
    groups: defaultdict[UUID, dict[UUID, str]] = defaultdict(dict)
    for organization_id, group_id, name in Group.objects.filter(organization__in=rows).values_list(
        "organization_id", "id", "name"
    ):
        if group_id != organization_id:
            groups[organization_id][group_id] = name
    roles: defaultdict[UUID, set[str]] = defaultdict(set)
    for organization_id, name in CustomRole.objects.filter(organization__in=rows).values_list(
        "organization_id", "name"
    ):
        roles[organization_id].add(name)
    return {
        row.id: Place(
            id=row.id,
            name=row.name,
            is_default=row.is_default,
            deleted=row.deleted,
            groups=groups[row.id],
            custom_roles=frozenset(roles[row.id]),
            group_sync=syncs[row.id][0],
            role_sync=syncs[row.id][1],
        )
        for row in rows
    }
