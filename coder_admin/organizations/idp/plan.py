"""From claims, settings and what is stored now to the changes that a login makes. Pure.

Two logins with the same claims change nothing the second time: the plan for the world after a plan is
empty (a property test shows it), so no mapping can make groups or roles go round in circles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import re2

from rbac.roles import IMPLIED_ROLES, ORG_ROLES, OWNER, SITE_ROLES

from ..names import group_name_problem
from .claims import ClaimError, Claims, list_claim
from .config import GroupSync, OrganizationSync, RoleSync, SiteRoleSync

_NO_GROUPS, _NO_ROLES, _NO_SYNC, _NO_SITE_ROLES = GroupSync(), RoleSync(), OrganizationSync(), SiteRoleSync()


@dataclass(frozen=True)
class Place:
    """One organization as the sync needs to know it: its groups (without Everyone), the names of its custom
    roles, and its own settings."""

    id: UUID
    name: str
    is_default: bool = False
    deleted: bool = False
    groups: Mapping[UUID, str] = field(default_factory=dict)
    custom_roles: frozenset[str] = frozenset()
    group_sync: GroupSync = _NO_GROUPS
    role_sync: RoleSync = _NO_ROLES


@dataclass(frozen=True)
class Membership:
    """What a person holds in one organization now; groups without Everyone."""

    roles: tuple[str, ...] = ()
    groups: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class World:
    """What is stored now about one person (`memberships` by organization, deleted ones included), and the
    settings. `places` holds every organization that the settings or the memberships name."""

    places: Mapping[UUID, Place]
    memberships: Mapping[UUID, Membership] = field(default_factory=dict)
    site_roles: tuple[str, ...] = ()
    is_last_owner: bool = False
    organization_sync: OrganizationSync = _NO_SYNC
    site_role_sync: SiteRoleSync = _NO_SITE_ROLES
    is_new: bool = False


@dataclass(frozen=True)
class GroupChange:
    """Groups of one organization to join and leave; `create` are names to make first, then join."""

    organization_id: UUID
    join: tuple[UUID, ...] = ()
    leave: tuple[UUID, ...] = ()
    create: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoleChange:
    """The roles of one organization (None: of the site) before and after."""

    organization_id: UUID | None
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """Something in the claims that changes nothing, and why."""

    organization_id: UUID | None
    text: str


KEPT_OWNER = Note(
    None,
    "The claims take the role owner away, but nobody else holds it: it stays, so that somebody can still"
    " administer the deployment.",
)


@dataclass(frozen=True)
class Plan:
    """The changes that a login with these claims makes, in the order in which they are made."""

    join: tuple[UUID, ...] = ()
    leave: tuple[UUID, ...] = ()
    groups: tuple[GroupChange, ...] = ()
    roles: tuple[RoleChange, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.join or self.leave or self.groups or self.roles)

    @property
    def keeps_owner(self) -> bool:
        """Whether the last owner stays one against the claims."""
        return KEPT_OWNER in self.notes


def make_plan(claims: Claims, world: World) -> Plan:
    """The whole plan. Raises ClaimError when the organization or site-role claim cannot be read: guessing
    there could lock everybody out or let everybody in. A claim of one organization's own sync that cannot
    be read concerns that organization only."""
    notes: list[Note] = []
    wanted = _organizations(claims, world, notes)
    join = tuple(id_ for id_ in wanted if id_ not in world.memberships)
    leave = tuple(sorted((id_ for id_ in world.memberships if id_ not in wanted), key=str))
    groups, roles = [], []
    site = _site_roles(claims, world, notes)
    if site is not None:
        roles.append(site)
    for id_ in sorted(wanted, key=str):
        place = world.places[id_]
        if place.deleted:
            continue
        held = world.memberships.get(id_, Membership())
        group_change = _groups(claims, place, held, notes)
        role_change = _roles(claims, place, held, notes)
        groups += [group_change] if group_change else []
        roles += [role_change] if role_change else []
    return Plan(join, leave, tuple(groups), tuple(roles), tuple(notes))


def _organizations(claims: Claims, world: World, notes: list[Note]) -> dict[UUID, None]:
    """The organizations the person shall be in, in a stable order."""
    sync = world.organization_sync
    default = [place.id for place in world.places.values() if place.is_default]
    if not sync.field:
        kept = dict.fromkeys(world.memberships)
        return kept | (dict.fromkeys(default) if world.is_new and sync.assign_default else {})
    wanted: dict[UUID, None] = {}
    for value in list_claim(claims, sync.field):
        if value not in sync.mapping:
            notes.append(Note(None, f'"{value}" in "{sync.field}" is not mapped to an organization.'))
        for id_ in sync.mapping.get(value, ()):
            place = world.places.get(id_)
            if place is None or place.deleted:
                gone = f"{place.name} is deleted" if place else f"{id_} does not exist"
                notes.append(Note(None, f'"{value}" is mapped to an organization that is skipped: {gone}.'))
            else:
                wanted[id_] = None
    if sync.assign_default:
        wanted |= dict.fromkeys(default)
    return wanted


def _groups(claims: Claims, place: Place, held: Membership, notes: list[Note]) -> GroupChange | None:
    sync = place.group_sync
    if not sync.field:
        return None
    try:
        values = list_claim(claims, sync.field)
    except ClaimError as error:
        notes.append(Note(place.id, f"Groups of {place.name} stay as they are. {error}"))
        return None
    wanted, missing = _wanted_groups(values, place, notes)
    create = tuple(missing) if sync.auto_create else ()
    join = tuple(id_ for id_ in wanted if id_ not in held.groups)
    leave = tuple(sorted((id_ for id_ in held.groups if id_ not in wanted), key=str))
    if not (join or leave or create):
        return None
    return GroupChange(place.id, join, leave, create)


def _wanted_groups(
    values: tuple[str, ...], place: Place, notes: list[Note]
) -> tuple[dict[UUID, None], dict[str, None]]:
    """Existing groups by id, and the names of missing ones that may be made: legacy name mapping, then the
    filter, then the mapping by id, else the name (reference 4.4)."""
    sync = place.group_sync
    by_name = {name.lower(): id_ for id_, name in place.groups.items()}
    accepts = re2.compile(sync.regex_filter).search if sync.regex_filter else None
    wanted: dict[UUID, None] = {}
    missing: dict[str, None] = {}
    for value in dict.fromkeys(sync.legacy_names.get(value, value) for value in values):
        if accepts is not None and accepts(value) is None:
            notes.append(Note(place.id, f'"{value}" does not pass the filter of {place.name}.'))
        elif value in sync.mapping:
            ids = [id_ for id_ in sync.mapping[value] if id_ in place.groups]
            if len(ids) < len([id_ for id_ in sync.mapping[value] if id_ != place.id]):
                notes.append(Note(place.id, f'"{value}" is mapped to a group that is not in {place.name}.'))
            wanted |= dict.fromkeys(ids)
        elif value.lower() in by_name:
            wanted[by_name[value.lower()]] = None
        elif problem := group_name_problem(value):
            if value.lower() != "everyone":  # held by every member anyway
                notes.append(
                    Note(place.id, f"A group of {place.name} cannot have the name {value!r}: it {problem}.")
                )
        else:
            if not sync.auto_create:
                notes.append(Note(place.id, f'{place.name} has no group "{value}".'))
            if value.lower() not in {name.lower() for name in missing}:
                missing[value] = None
    return wanted, missing


def _roles(claims: Claims, place: Place, held: Membership, notes: list[Note]) -> RoleChange | None:
    sync = place.role_sync
    if not sync.field:
        return None
    try:
        values = list_claim(claims, sync.field)
    except ClaimError as error:
        # Rights are never kept on the word of a claim that nobody can read.
        notes.append(Note(place.id, f"All roles in {place.name} are taken away. {error}"))
        values = ()
    known = (set(ORG_ROLES) | place.custom_roles) - IMPLIED_ROLES
    after = _known_roles(values, sync.mapping, known, place, notes)
    if set(after) == set(held.roles) - IMPLIED_ROLES:
        return None
    return RoleChange(place.id, held.roles, after)


def _site_roles(claims: Claims, world: World, notes: list[Note]) -> RoleChange | None:
    sync = world.site_role_sync
    if not sync.field:
        return None
    values = (*sync.default, *list_claim(claims, sync.field))
    known = set(SITE_ROLES) - IMPLIED_ROLES
    after = _known_roles(values, sync.mapping, known, None, notes)
    if world.is_last_owner and OWNER not in after:
        after = (*after, OWNER)
        notes.append(KEPT_OWNER)
    if set(after) == set(world.site_roles) - IMPLIED_ROLES:
        return None
    return RoleChange(None, world.site_roles, after)


def _known_roles(
    values: tuple[str, ...],
    mapping: Mapping[str, tuple[str, ...]],
    known: set[str],
    place: Place | None,
    notes: list[Note],
) -> tuple[str, ...]:
    """The roles (of the place, or of the site) that the values name, mapped or as they are; unknown ones are
    dropped with a note."""
    where, organization_id = (place.name, place.id) if place else ("the deployment", None)
    names = dict.fromkeys(name for value in values for name in mapping.get(value, (value,)))
    for name in names:
        if name not in known and name not in IMPLIED_ROLES:
            notes.append(Note(organization_id, f'"{name}" is no role of {where}.'))
    return tuple(name for name in names if name in known)
