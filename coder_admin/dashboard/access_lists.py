"""Access lists as pages show and change them: the same piece for templates and workspaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations import selectors as people
from coder_admin.organizations.models import Group, Organization, OrganizationMember
from rbac.model import Subject

MAX_SUGGESTIONS = 100


@dataclass(frozen=True)
class RoleChoice:
    """A role that can be given, and what it means in words."""

    value: str
    label: str
    meaning: str


TEMPLATE_ROLES = (
    RoleChoice("use", "Use", "See it and create workspaces from it."),
    RoleChoice("admin", "Admin", "Do everything with it, this list included."),
)
WORKSPACE_ROLES = (
    RoleChoice("use", "Use", "See it, start and stop it, connect to it."),
    RoleChoice("admin", "Admin", "Do everything with it but delete it, sharing included."),
)


@dataclass(frozen=True)
class AccessRow:
    """One entry. `kind` is user or group."""

    kind: str
    id: str
    name: str
    hint: str
    role: str


def rows_of(listed: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[AccessRow]:
    """Groups first: they reach further."""
    groups = [
        AccessRow(
            "group",
            row["id"],
            row["display_name"] or row["name"],
            "all members of the organization" if row["id"] == row["organization_id"] else row["name"],
            row["role"],
        )
        for row in listed["group"]
    ]
    users = [
        AccessRow("user", row["id"], row["name"] or row["username"], row["username"], row["role"])
        for row in listed["users"]
    ]
    return groups + users


@dataclass(frozen=True)
class Change:
    """What a posted form asks for: id to role ("" takes it away)."""

    users: dict[str, str]
    groups: dict[str, str]
    name: str
    role: str


def read_change(form: QueryDict, organization: Organization) -> Change:
    """A row's own form names an id, the form below the list a name. Raises Invalid when nobody has it."""
    kind = "group" if form.get("kind") == "group" else "user"
    role = "" if "remove" in form else form.get("role", "")
    id_, name = form.get("id", ""), form.get("name", "").strip()
    if not id_:
        id_ = _group(organization, name) if kind == "group" else _member(organization, name)
    return Change(
        users={id_: role} if kind == "user" else {},
        groups={id_: role} if kind == "group" else {},
        name=name or form.get("shown", ""),
        role=role,
    )


def _member(organization: Organization, name: str) -> str:
    rows = OrganizationMember.objects.people().filter(organization=organization, user__username__iexact=name)
    found = rows.values_list("user_id", flat=True).first() if name else None
    if found is None:
        raise _unknown(f'"{name}" is no member of {organization.name}.', "Write a username as it is listed.")
    return str(found)


def _group(organization: Organization, name: str) -> str:
    rows = Group.objects.filter(organization=organization, name__iexact=name)
    found = rows.values_list("pk", flat=True).first() if name else None
    if found is None:
        raise _unknown(f'"{name}" is no group of {organization.name}.', "Write the group's name.")
    return str(found)


def _unknown(message: str, detail: str) -> Invalid:
    return Invalid(message, detail=detail, validations=[Validation("name", message)])


@dataclass(frozen=True)
class Suggestions:
    """Names that the viewer may see anyway, offered while they type."""

    users: list[str]
    groups: list[str]


def suggestions(viewer: Subject, organization: Organization) -> Suggestions:
    """At most a hundred of each."""
    users = people.members(viewer, organization).values_list("user__username", flat=True)
    groups = people.groups(viewer, organization).values_list("name", flat=True)
    return Suggestions(list(users[:MAX_SUGGESTIONS]), list(groups[:MAX_SUGGESTIONS]))
