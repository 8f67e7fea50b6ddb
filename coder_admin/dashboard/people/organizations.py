"""Organizations: list, creation, settings, deletion."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from coder_admin.dashboard.forms import text_field
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.people.common import FormPage, Tab, answer_form, may_in, organization_of
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.foundation.errors import Forbidden
from coder_admin.foundation.pagination import page_of
from coder_admin.organizations import services
from coder_admin.organizations.models import Organization
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject


class OrganizationForm(forms.Form):
    """What an organization is called."""

    name = text_field(
        "Name", longest=32, mono=True, hint="Letters, digits and single hyphens; part of addresses."
    )
    display_name = text_field(
        "Display name", longest=64, required=False, hint="Left empty, the name is shown."
    )
    description = forms.CharField(
        label="Description",
        required=False,
        max_length=1024,
        widget=forms.Textarea(attrs={"class": "textarea", "rows": 3}),
    )
    icon = text_field("Icon", longest=256, required=False, hint="The address of a picture.")


def may_create(viewer: Subject) -> bool:
    """Whether the viewer may make organizations."""
    return may(viewer, Action.CREATE, RbacObject(ResourceType.ORGANIZATION))


def tabs_of(viewer: Subject, organization: Organization, current: str) -> tuple[Tab, ...]:
    """The pages of one organization that the viewer is offered."""
    asked = (
        ("settings", "Settings", "dashboard:organization", None),
        ("members", "Members", "dashboard:organization-members", None),
        ("groups", "Groups", "dashboard:organization-groups", None),
        ("roles", "Roles", "dashboard:organization-roles", ResourceType.ASSIGN_ORG_ROLE),
        ("identity", "Identity provider", "dashboard:organization-identity", ResourceType.IDPSYNC_SETTINGS),
    )
    return tuple(
        Tab(label, reverse(name, args=(organization.name,)), key == current)
        for key, label, name, type_ in asked
        if type_ is None or may_in(viewer, Action.READ, type_, organization)
    )


def trail_of(organization: Organization | None = None) -> tuple[tuple[str, str], ...]:
    """The links above the pages of one organization, or of all."""
    links = (("Organizations", reverse("dashboard:organizations")),)
    if organization is None:
        return links
    label = organization.display_name or organization.name
    return (*links, (label, reverse("dashboard:organization", args=(organization.name,))))


@page
def organizations(request: ViewerRequest) -> HttpResponse:
    """Those that the viewer may see."""
    rows = selectors.organizations(request.viewer)
    context: dict[str, object] = {
        "page": page_of(request.GET, rows),
        "may_create": may_create(request.viewer),
    }
    return draw(request, "people/organizations.html", context)


@page
def new(request: ViewerRequest) -> HttpResponse:
    """Make one; its maker becomes a member."""
    if not may_create(request.viewer):
        raise Forbidden("You may not create organizations.", detail="It needs the role owner.")

    def save(data: dict[str, Any]) -> tuple[str, str]:
        row = services.organization_create(request.viewer, **data)
        return f"{row.name} was created.", reverse("dashboard:organization", args=(row.name,))

    shown = FormPage(
        "Create an organization",
        "Templates, members, groups and workspaces belong to one organization and are hidden from others.",
        "Create organization",
        trail_of(),
    )
    return answer_form(request, OrganizationForm(request.POST or None), shown, save)


@page
def detail(request: ViewerRequest, organization: str) -> HttpResponse:
    """Its settings; read-only for whoever may not change them."""
    row = organization_of(request, organization)
    may_update = may(request.viewer, Action.UPDATE, row)
    if request.method == "POST":
        require(request.viewer, Action.UPDATE, row, message="You may not change this organization.")
    fields = ("name", "display_name", "description", "icon")
    form = OrganizationForm(request.POST or None, initial={name: getattr(row, name) for name in fields})
    if not may_update:
        for field in form.fields.values():
            field.disabled = True

    def save(data: dict[str, Any]) -> tuple[str, str]:
        changed = services.organization_update(request.viewer, organization=row, **data)
        return "The settings are saved.", reverse("dashboard:organization", args=(changed.name,))

    shown = FormPage(
        row.display_name or row.name,
        _sentence(row, may_update),
        "Save settings",
        trail_of(),
        tabs_of(request.viewer, row, "settings"),
    )
    extra = {
        "may_update": may_update,
        "organization": row,
        "may_delete": not row.is_default and may(request.viewer, Action.DELETE, row),
    }
    return answer_form(request, form, shown, save, template="people/organization.html", extra=extra)


def _sentence(row: Organization, may_update: bool) -> str:
    default = "This is the default organization; new people join it. " if row.is_default else ""
    return (
        f"{default}{row.description}"
        if not may_update or default or row.description
        else ("What the organization is called; its id in templates and tokens never changes.")
    )


@command
def delete(request: ViewerRequest, organization: str) -> HttpResponse:
    """Delete one in which nothing lives any more."""
    row = organization_of(request, organization)
    services.organization_delete(request.viewer, organization=row)
    messages.success(request, f"{row.name} was deleted.")
    return HttpResponseRedirect(reverse("dashboard:organizations"))
