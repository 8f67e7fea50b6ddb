"""Where the sync settings are kept: one JSON text per key at runtime, else the deployment's environment.

A runtime entry wins over the environment as a whole (reference 4.3). The group settings of the environment
are those of the default organization only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings

from coder_admin.foundation.models import SiteConfig

from ..models import Organization
from .config import (
    GroupSync,
    OrganizationSync,
    RoleSync,
    SiteRoleSync,
    group_sync_from,
    organization_sync_from,
    role_sync_from,
    text_mapping,
    uuid_mapping,
)

ORGANIZATION_KEY = "organization-sync-settings"
_GROUP_KEY = "group-sync-settings"
_ROLE_KEY = "role-sync-settings"


def group_key(organization_id: UUID) -> str:
    """The key of an organization's group sync."""
    return f"{organization_id}:{_GROUP_KEY}"


def role_key(organization_id: UUID) -> str:
    """The key of an organization's role sync."""
    return f"{organization_id}:{_ROLE_KEY}"


def organization_sync() -> OrganizationSync:
    """The organization sync in force."""
    stored = _read([ORGANIZATION_KEY]).get(ORGANIZATION_KEY)
    if stored is not None:
        return organization_sync_from(stored)
    return OrganizationSync(
        field=settings.OIDC_ORGANIZATION_FIELD,
        mapping=uuid_mapping(settings.OIDC_ORGANIZATION_MAPPING),
        assign_default=settings.OIDC_ORGANIZATION_ASSIGN_DEFAULT,
    )


def group_sync(organization: Organization) -> GroupSync:
    """The group sync in force in the organization."""
    return organization_settings([organization])[organization.id][0]


def role_sync(organization: Organization) -> RoleSync:
    """The role sync in force in the organization."""
    return organization_settings([organization])[organization.id][1]


def organization_settings(
    organizations: Iterable[Organization],
) -> dict[UUID, tuple[GroupSync, RoleSync]]:
    """The group and role sync of many organizations, by one query."""
    rows = list(organizations)
    stored = _read([key(row.id) for row in rows for key in (group_key, role_key)])
    found: dict[UUID, tuple[GroupSync, RoleSync]] = {}
    for row in rows:
        group, role = stored.get(group_key(row.id)), stored.get(role_key(row.id))
        if group is not None:
            groups = group_sync_from(group)
        else:
            groups = _environment_groups() if row.is_default else GroupSync()
        found[row.id] = groups, role_sync_from(role or {})
    return found


def site_role_sync() -> SiteRoleSync:
    """The site-role sync, which only the environment configures."""
    return SiteRoleSync(
        field=settings.OIDC_USER_ROLE_FIELD,
        mapping=text_mapping(settings.OIDC_USER_ROLE_MAPPING),
        default=tuple(settings.OIDC_USER_ROLE_DEFAULT),
    )


def save(key: str, value: Mapping[str, Any]) -> None:
    """Store a setting; the caller's transaction audits it."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    SiteConfig.objects.update_or_create(key=key, defaults={"value": text})


def lock(key: str) -> None:
    """Hold the stored setting to the end of the transaction, so that two edits at once add up."""
    SiteConfig.objects.select_for_update().filter(key=key).first()


def _environment_groups() -> GroupSync:
    return GroupSync(
        field=settings.OIDC_GROUP_FIELD,
        regex_filter=settings.OIDC_GROUP_REGEX_FILTER,
        auto_create=settings.OIDC_GROUP_AUTO_CREATE,
        legacy_names=settings.OIDC_GROUP_MAPPING,
    )


def _read(keys: list[str]) -> dict[str, Mapping[str, Any]]:
    """The stored values by key. An unreadable text counts as an empty setting: the sync is off."""
    found: dict[str, Mapping[str, Any]] = {}
    for key, text in SiteConfig.objects.filter(key__in=keys).values_list("key", "value"):
        try:
            value = json.loads(text)
        except ValueError:
            value = {}
        found[key] = value if isinstance(value, dict) else {}
    return found
