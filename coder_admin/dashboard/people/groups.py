"""Groups of one organization: list, creation, settings with quota allowance, people, deletion."""

from __future__ import annotations

from typing import Any
from uuid import UUID

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
    member_of,
    organization_of,
    require_in,
)
from coder_admin.dashboard.people.organizations import tabs_of, trail_of
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.foundation.errors import NotFound
from coder_admin.foundation.pagination import page_of
from coder_admin.organizations import services
from coder_admin.organizations.models import Group, Organization
from coder_admin.organizations.selectors import group as group_by_id
from coder_admin.organizations.selectors import group_people
from coder_admin.organizations.services.groups import MAXIMUM_QUOTA
from rbac.django import may, require
from rbac.model import Action, ResourceType


class GroupForm(forms.Form):
    """A group's names, picture and daily workspace allowance."""

    name = text_field("Name", longest=64, hint="Access lists of templates show it.")
    display_name = text_field("Display name", longest=128, required=False)
    avatar_url = text_field("Picture", longest=512, required=False, hint="The address of a picture.")
    quota_allowance = forms.IntegerField(
        label="Quota allowance",
        min_value=0,
        max_value=MAXIMUM_QUOTA,
        initial=0,
        help_text="Daily cost of workspaces that each member may run; allowances of several groups add up.",
        widget=forms.NumberInput(attrs={"class": "input", "inputmode": "numeric"}),
    )


def group_of(request: ViewerRequest, organization: Organization, id_: UUID) -> Group:
    """The group an address names, in that organization."""
    found = group_by_id(request.viewer, id_)
    if found.organization_id != organization.id:
        raise NotFound
    return found


@page
def groups(request: ViewerRequest, organization: str) -> HttpResponse:
    """The list."""
    row = organization_of(request, organization)
    context: dict[str, object] = {
        "organization": row,
        "trail": trail_of(row),
        "tabs": tabs_of(request.viewer, row, "groups"),
        "page": page_of(request.GET, selectors.groups(request.viewer, row.name)),
        "may_create": may_in(request.viewer, Action.CREATE, ResourceType.GROUP, row),
    }
    return draw(request, "people/organization_groups.html", context)


@page
def new(request: ViewerRequest, organization: str) -> HttpResponse:
    """Make an empty group."""
    row = organization_of(request, organization)
    require_in(
        request.viewer,
        Action.CREATE,
        ResourceType.GROUP,
        row,
        "You may not create groups in this organization.",
    )

    def save(data: dict[str, Any]) -> tuple[str, str]:
        group = services.group_create(request.viewer, organization=row, **data)
        return f"{group.name} was created. Add its members.", _url(group)

    shown = FormPage(
        "Create a group",
        "A group gives a template's access list, or a quota allowance, to many people at once.",
        "Create group",
        (*trail_of(row), ("Groups", reverse("dashboard:organization-groups", args=(row.name,)))),
    )
    return answer_form(request, GroupForm(request.POST or None), shown, save)


@page
def detail(request: ViewerRequest, organization: str, group: UUID) -> HttpResponse:
    """Settings and people of one group."""
    row = organization_of(request, organization)
    found = group_of(request, row, group)
    may_update = may(request.viewer, Action.UPDATE, found)
    if request.method == "POST":
        require(request.viewer, Action.UPDATE, found, message="You may not change this group.")
    names = ("name", "display_name", "avatar_url", "quota_allowance")
    form = GroupForm(request.POST or None, initial={name: getattr(found, name) for name in names})
    if found.is_everyone:
        form.fields["name"].disabled = True
    if not may_update:
        for field in form.fields.values():
            field.disabled = True

    def save(data: dict[str, Any]) -> tuple[str, str]:
        if found.is_everyone:
            data.pop("name")
        services.group_update(request.viewer, group=found, **data)
        return "The group is saved.", _url(found)

    shown = FormPage(
        found.display_name or found.name,
        _sentence(found),
        "Save group",
        (*trail_of(row), ("Groups", reverse("dashboard:organization-groups", args=(row.name,)))),
    )
    extra = {
        "organization": row,
        "group": found,
        "page": page_of(request.GET, group_people(request.viewer, found)),
        "may_update": may_update,
        "may_fill": may_update and not found.is_everyone,
        "may_delete": may(request.viewer, Action.DELETE, found) and not found.is_everyone,
        "candidates": selectors.group_candidates(request.viewer, found) if may_update else (),
    }
    return answer_form(request, form, shown, save, template="people/group.html", extra=extra)


def _sentence(group: Group) -> str:
    if group.is_everyone:
        return "Holds every member of the organization, always."
    if group.source == "oidc":
        return "Made by the identity provider's sync; who belongs to it follows its claims at each login."
    return f"A group of {group.organization.display_name or group.organization.name}."


@command
def add(request: ViewerRequest, organization: str, group: UUID) -> HttpResponse:
    """Put a member of the organization into the group."""
    row = organization_of(request, organization)
    found = group_of(request, row, group)
    member = member_of(request, row, request.POST.get("user", "").strip() or "-")
    services.group_update(request.viewer, group=found, add_users=[member.user])
    messages.success(request, f"{member.user.username} belongs to {found.name} now.")
    return HttpResponseRedirect(_url(found))


@command
def remove(request: ViewerRequest, organization: str, group: UUID) -> HttpResponse:
    """Take somebody out of the group."""
    row = organization_of(request, organization)
    found = group_of(request, row, group)
    member = member_of(request, row, request.POST.get("user", "").strip() or "-")
    services.group_update(request.viewer, group=found, remove_users=[member.user])
    messages.success(request, f"{member.user.username} was taken out of {found.name}.")
    return HttpResponseRedirect(_url(found))


@command
def delete(request: ViewerRequest, organization: str, group: UUID) -> HttpResponse:
    """Delete a group with what was granted to it."""
    row = organization_of(request, organization)
    found = group_of(request, row, group)
    services.group_delete(request.viewer, group=found)
    messages.success(request, f"{found.name} was deleted.")
    return HttpResponseRedirect(reverse("dashboard:organization-groups", args=(row.name,)))


def _url(group: Group) -> str:
    return reverse("dashboard:group", args=(group.organization.name, group.id))
