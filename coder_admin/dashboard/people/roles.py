"""Roles of one organization: built-in and its own; making, changing and deleting its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from coder_admin.dashboard.forms import text_field
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.people.common import (
    FormPage,
    answer_form,
    may_in,
    organization_of,
    require_in,
)
from coder_admin.dashboard.people.organizations import tabs_of, trail_of
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.organizations.models import Organization
from coder_admin.organizations.selectors import organization_roles
from coder_admin.organizations.services.custom_roles import (
    custom_role,
    custom_role_create,
    custom_role_delete,
    custom_role_update,
)
from rbac.model import LEGAL_ACTIONS, Action, ResourceType, Subject

OFFERED = (
    ResourceType.TEMPLATE,
    ResourceType.WORKSPACE,
    ResourceType.WORKSPACE_DORMANT,
    ResourceType.PREBUILT_WORKSPACE,
    ResourceType.PROVISIONER_DAEMON,
    ResourceType.PROVISIONER_JOBS,
    ResourceType.ORGANIZATION,
    ResourceType.ORGANIZATION_MEMBER,
    ResourceType.GROUP,
    ResourceType.GROUP_MEMBER,
    ResourceType.ASSIGN_ORG_ROLE,
    ResourceType.AUDIT_LOG,
    ResourceType.CONNECTION_LOG,
    ResourceType.IDPSYNC_SETTINGS,
)
"""The types whose rows lie in an organization; others would be without effect there."""
LABELS = {
    ResourceType.WORKSPACE_DORMANT: "Dormant workspace",
    ResourceType.PREBUILT_WORKSPACE: "Prebuilt workspace",
    ResourceType.ASSIGN_ORG_ROLE: "Roles of the organization",
    ResourceType.ORGANIZATION_MEMBER: "Members",
    ResourceType.GROUP_MEMBER: "Members of groups",
    ResourceType.IDPSYNC_SETTINGS: "Identity provider sync",
}


@dataclass(frozen=True)
class Box:
    """One permission of the form; `fixed` when the viewer does not hold it and so cannot grant it."""

    value: str
    label: str
    checked: bool
    fixed: bool


@dataclass(frozen=True)
class Row:
    """The permissions of one resource type."""

    label: str
    boxes: tuple[Box, ...]


class RoleForm(forms.Form):
    """What a role is called; its permissions are drawn as a table beside it."""

    name = text_field(
        "Name", longest=64, mono=True, hint="Letters, digits and single hyphens; it cannot change."
    )
    display_name = text_field("Display name", longest=128, required=False)


@page
def roles(request: ViewerRequest, organization: str) -> HttpResponse:
    """The list, with how many members hold each."""
    row = organization_of(request, organization)
    offered = organization_roles(request.viewer, row)
    counts = selectors.role_counts(request.viewer, row)
    context: dict[str, object] = {
        "organization": row,
        "trail": trail_of(row),
        "tabs": tabs_of(request.viewer, row, "roles"),
        "roles": [
            {
                "role": role,
                "holders": counts.get(role.name, 0),
                "permissions": len(role.organization_permissions),
            }
            for role in offered
        ],
        "custom": sum(not role.built_in for role in offered),
        "may_create": may_in(request.viewer, Action.CREATE, ResourceType.ASSIGN_ORG_ROLE, row),
    }
    return draw(request, "people/organization_roles.html", context)


@page
def new(request: ViewerRequest, organization: str) -> HttpResponse:
    """Define a role."""
    row = organization_of(request, organization)
    sentence = "You may not create roles in this organization."
    require_in(request.viewer, Action.CREATE, ResourceType.ASSIGN_ORG_ROLE, row, sentence)

    def save(data: dict[str, Any]) -> tuple[str, str]:
        role = custom_role_create(
            request.viewer, organization=row, organization_permissions=_sent(request), **data
        )
        return f"{role.name} was created. Give it to members.", _list_url(row)

    shown = FormPage(
        "Create a role",
        "What its holders may do in this organization, beside what every member may. You can grant what you "
        "hold yourself.",
        "Create role",
        (*trail_of(row), ("Roles", _list_url(row))),
    )
    extra = {"rows": rows_of(request.viewer, row, request.POST.getlist("permission"))}
    form = RoleForm(request.POST if request.method == "POST" else None)
    return answer_form(request, form, shown, save, template="people/role.html", extra=extra)


@page
def detail(request: ViewerRequest, organization: str, role: str) -> HttpResponse:
    """Change what a role of the organization grants."""
    row = organization_of(request, organization)
    sentence = "You may not change roles of this organization."
    require_in(request.viewer, Action.UPDATE, ResourceType.ASSIGN_ORG_ROLE, row, sentence)
    found = custom_role(row, role)
    held = [f"{one['resource_type']}:{one['action']}" for one in found.organization_permissions]

    def save(data: dict[str, Any]) -> tuple[str, str]:
        custom_role_update(
            request.viewer,
            organization=row,
            name=found.name,
            display_name=data["display_name"],
            organization_permissions=_sent(request),
        )
        return f"{found.name} is saved; it counts from the next request of its holders on.", _list_url(row)

    shown = FormPage(
        found.display_name or found.name,
        f"A role that {row.display_name or row.name} defined itself.",
        "Save role",
        (*trail_of(row), ("Roles", _list_url(row))),
    )
    form = RoleForm(
        request.POST if request.method == "POST" else None,
        initial={"name": found.name, "display_name": found.display_name},
    )
    form.fields["name"].disabled = True
    chosen = request.POST.getlist("permission") if request.method == "POST" else held
    extra = {
        "rows": rows_of(request.viewer, row, chosen),
        "role": found,
        "organization": row,
        "may_delete": may_in(request.viewer, Action.DELETE, ResourceType.ASSIGN_ORG_ROLE, row),
    }
    return answer_form(request, form, shown, save, template="people/role.html", extra=extra)


@command
def delete(request: ViewerRequest, organization: str, role: str) -> HttpResponse:
    """Delete a role; whoever holds it loses it."""
    row = organization_of(request, organization)
    custom_role_delete(request.viewer, organization=row, name=role)
    messages.success(request, f"{role} was deleted.")
    return HttpResponseRedirect(_list_url(row))


def rows_of(viewer: Subject, organization: Organization, chosen: Collection[str]) -> list[Row]:
    """The table of permissions. Types beyond the usual ones show when the role names them."""
    named = {value.partition(":")[0] for value in chosen}
    types: Sequence[ResourceType] = [
        *OFFERED,
        *(type_ for type_ in ResourceType if type_ in named and type_ not in OFFERED),
    ]
    return [
        Row(
            LABELS.get(type_) or type_.replace("_", " ").capitalize(),
            tuple(
                Box(
                    value=f"{type_}:{action}",
                    label=action.replace("_", " "),
                    checked=f"{type_}:{action}" in chosen,
                    fixed=not may_in(viewer, action, type_, organization),
                )
                for action in Action
                if action in LEGAL_ACTIONS[type_]
            ),
        )
        for type_ in types
    ]


def _sent(request: ViewerRequest) -> list[dict[str, object]]:
    pairs = [value.partition(":") for value in request.POST.getlist("permission")[:500]]
    return [{"negate": False, "resource_type": type_, "action": action} for type_, _, action in pairs]


def _list_url(organization: Organization) -> str:
    return reverse("dashboard:organization-roles", args=(organization.name,))
