"""The three sync settings as values, read from and written to their JSON. Pure.

JSON keys are Coder's: `field`, `mapping`, `organization_assign_default` (older: `AssignDefault`),
`regex_filter`, `auto_create_missing_groups`, `legacy_group_name_mapping`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

Id = TypeVar("Id")
Mapped = Mapping[str, tuple[Id, ...]]


@dataclass(frozen=True)
class OrganizationSync:
    """Which claim names a person's organizations. An empty `field` switches the sync off; then
    `assign_default` still puts new people into the default organization."""

    field: str = ""
    mapping: Mapped[UUID] = dataclasses.field(default_factory=dict)
    assign_default: bool = True


@dataclass(frozen=True)
class GroupSync:
    """Which claim names a person's groups in one organization."""

    field: str = ""
    mapping: Mapped[UUID] = dataclasses.field(default_factory=dict)
    regex_filter: str = ""
    auto_create: bool = False
    legacy_names: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class RoleSync:
    """Which claim names a person's roles in one organization."""

    field: str = ""
    mapping: Mapped[str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class SiteRoleSync:
    """Which claim names a person's site roles; from the deployment's environment only."""

    field: str = ""
    mapping: Mapped[str] = dataclasses.field(default_factory=dict)
    default: tuple[str, ...] = ()


def organization_sync_from(stored: Mapping[str, Any]) -> OrganizationSync:
    """Read the stored JSON; the older key `AssignDefault` is understood too."""
    assign = stored.get("organization_assign_default", stored.get("AssignDefault", True))
    return OrganizationSync(str(stored.get("field") or ""), uuid_mapping(stored.get("mapping")), bool(assign))


def organization_sync_json(value: OrganizationSync) -> dict[str, Any]:
    """The JSON that is stored and shown."""
    return {
        "field": value.field,
        "mapping": mapping_json(value.mapping),
        "organization_assign_default": value.assign_default,
    }


def group_sync_from(stored: Mapping[str, Any]) -> GroupSync:
    """Read the stored JSON."""
    return GroupSync(
        field=str(stored.get("field") or ""),
        mapping=uuid_mapping(stored.get("mapping")),
        regex_filter=str(stored.get("regex_filter") or ""),
        auto_create=bool(stored.get("auto_create_missing_groups")),
        legacy_names={str(k): str(v) for k, v in (stored.get("legacy_group_name_mapping") or {}).items()},
    )


def group_sync_json(value: GroupSync) -> dict[str, Any]:
    """The JSON that is stored and shown; the legacy mapping only where there is one."""
    legacy = {"legacy_group_name_mapping": dict(value.legacy_names)} if value.legacy_names else {}
    return {
        "field": value.field,
        "mapping": mapping_json(value.mapping),
        "regex_filter": value.regex_filter or None,
        "auto_create_missing_groups": value.auto_create,
        **legacy,
    }


def role_sync_from(stored: Mapping[str, Any]) -> RoleSync:
    """Read the stored JSON."""
    return RoleSync(str(stored.get("field") or ""), text_mapping(stored.get("mapping")))


def role_sync_json(value: RoleSync) -> dict[str, Any]:
    """The JSON that is stored and shown."""
    return {"field": value.field, "mapping": mapping_json(value.mapping)}


def uuid_mapping(stored: Any) -> Mapped[UUID]:
    """Claim value → ids. Ids that are none are left out: a stored setting never breaks a login."""
    mapped: dict[str, tuple[UUID, ...]] = {}
    for given, ids in (stored or {}).items():
        mapped[str(given)] = tuple(id_ for id_ in map(_uuid, ids or ()) if id_ is not None)
    return mapped


def text_mapping(stored: Any) -> Mapped[str]:
    """Claim value → names."""
    return {str(given): tuple(str(name) for name in names or ()) for given, names in (stored or {}).items()}


def mapping_json(mapping: Mapping[str, Iterable[object]]) -> dict[str, list[str]]:
    """The JSON of a mapping."""
    return {given: [str(target) for target in targets] for given, targets in mapping.items()}


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def with_pairs(
    mapping: Mapped[Id], *, add: Iterable[tuple[str, Id]] = (), remove: Collection[tuple[str, Id]] = ()
) -> Mapped[Id]:
    """The mapping with pairs `(claim value, target)` taken away, then added; a claim value without any
    target is left out."""
    pairs = [(given, target) for given, targets in mapping.items() for target in targets]
    gone = set(remove)
    kept = dict.fromkeys([pair for pair in pairs if pair not in gone] + list(add))
    changed: dict[str, tuple[Id, ...]] = {}
    for given, target in kept:
        changed[given] = (*changed.get(given, ()), target)
    return changed


def new_targets(before: Mapping[str, Iterable[Id]], after: Mapping[str, Iterable[Id]]) -> set[Id]:
    """The targets that a change adds: only they must exist and be allowed, so that a setting that names
    something deleted since can still be edited."""
    old = {target for targets in before.values() for target in targets}
    return {target for targets in after.values() for target in targets} - old
