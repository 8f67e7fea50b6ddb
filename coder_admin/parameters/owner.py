"""The workspace's owner as a template sees it (reference dynamic-parameters 1.5).

Secrets of the owner (private key, tokens) are absent on purpose: what uses them cannot be previewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from coder_admin.terraform.types import STRING, object_type
from coder_admin.terraform.values import Value, list_of, object_, string

_ROLE = object_type({"name": STRING, "org_id": STRING})
_TEXTS = ("id", "name", "full_name", "email", "ssh_public_key", "login_type")


@dataclass(frozen=True)
class Owner:
    """Attributes of ``data.coder_workspace_owner``; groups and roles are the version's organization's."""

    id: str = ""
    name: str = ""
    full_name: str = ""
    email: str = ""
    ssh_public_key: str = ""
    groups: tuple[str, ...] = ()
    login_type: str = ""
    rbac_roles: tuple[tuple[str, str], ...] = ()
    """(role name, organization id or "")"""

    @cached_property
    def value(self) -> Value:
        """The data source's object."""
        texts: dict[str, Value] = {name: string(getattr(self, name)) for name in _TEXTS}
        roles = [object_({"name": string(name), "org_id": string(org)}) for name, org in self.rbac_roles]
        return object_(
            {
                **texts,
                "groups": list_of([string(group) for group in self.groups], STRING),
                "rbac_roles": list_of(roles, _ROLE),
            }
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Owner:
        """An owner from the attributes of section 1.5; null lists are empty. Raises ValueError."""
        unknown = sorted(set(data) - {*_TEXTS, "groups", "rbac_roles"})
        if unknown:
            raise ValueError(f"an owner has no attribute {unknown[0]}")
        groups, roles = data.get("groups") or [], data.get("rbac_roles") or []
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise ValueError("the owner's groups must be a list of names")
        if not isinstance(roles, list) or not all(isinstance(role, dict) for role in roles):
            raise ValueError('the owner\'s rbac_roles must be a list of {"name", "org_id"}')
        return cls(
            **{name: str(data.get(name) or "") for name in _TEXTS},
            groups=tuple(groups),
            rbac_roles=tuple((str(role.get("name", "")), str(role.get("org_id", ""))) for role in roles),
        )


#: What the provider answers outside of a build (10.3).
DEFAULT_OWNER = Owner(id=str(UUID(int=0)), name="default", full_name="default", email="default@example.com")
