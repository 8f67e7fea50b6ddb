"""Members of one organization: list, adding, roles, removal."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from coder_admin.dashboard.filters import filter_bar
from coder_admin.dashboard.forms import add_refusal
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.people.common import (
    FormPage,
    answer_form,
    may_in,
    member_of,
    organization_of,
)
from coder_admin.dashboard.people.organizations import tabs_of, trail_of
from coder_admin.dashboard.people.role_choice import RolesField, chosen_roles
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.foundation.errors import Invalid, ServiceError
from coder_admin.foundation.pagination import page_of
from coder_admin.organizations import services
from coder_admin.organizations.models import Organization
from coder_admin.organizations.resolution import resolve_user
from coder_admin.organizations.selectors import organization_roles
from rbac.model import Action, ResourceType


class AddMemberForm(forms.Form):
    """Whom to add; the list beside it suggests people who are not members yet."""

    user = forms.CharField(
        label="Username",
        max_length=64,
        widget=forms.TextInput(
            attrs={"class": "input", "list": "candidates", "autocomplete": "off", "spellcheck": "false"}
        ),
    )


@page
def members(request: ViewerRequest, organization: str) -> HttpResponse:
    """The list, with a field to add somebody."""
    row = organization_of(request, organization)
    may_add = may_in(request.viewer, Action.CREATE, ResourceType.ORGANIZATION_MEMBER, row)
    form = AddMemberForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                user = resolve_user(request.viewer, form.cleaned_data["user"], me=request.user)
                services.member_add(request.viewer, organization=row, user=user)
            except ServiceError as error:
                add_refusal(form, error)
                status = error.status
            else:
                messages.success(request, f"{user.username} is a member now.")
                return HttpResponseRedirect(request.get_full_path())
    text, errors = request.GET.get("filter", ""), []
    rows = selectors.members(request.viewer, row.name)
    try:
        rows = selectors.matching(rows, text)
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = rows.none()
    context: dict[str, object] = {
        "organization": row,
        "trail": trail_of(row),
        "tabs": tabs_of(request.viewer, row, "members"),
        "page": page_of(request.GET, rows),
        "form": form,
        "may_add": may_add,
        "may_remove": may_in(request.viewer, Action.DELETE, ResourceType.ORGANIZATION_MEMBER, row),
        "may_assign": may_in(request.viewer, Action.ASSIGN, ResourceType.ASSIGN_ORG_ROLE, row),
        "candidates": selectors.candidates(request.viewer, row) if may_add else (),
        "filters": filter_bar(
            path=request.path,
            text=text,
            kept={},
            placeholder="Part of a name, or role:organization-admin",
            hint="Words look in name, username and e-mail; keys: status, role.",
            errors=errors,
        ),
    }
    return draw(request, "people/organization_members.html", context, status=status)


@page
def detail(request: ViewerRequest, organization: str, user: str) -> HttpResponse:
    """The roles of one member there."""
    row = organization_of(request, organization)
    member = member_of(request, row, user)
    offered = organization_roles(request.viewer, row)

    class RolesForm(forms.Form):
        roles = RolesField(offered)

    def save(data: dict[str, Any]) -> tuple[str, str]:
        names = chosen_roles(data["roles"], member.roles, offered)
        services.member_roles_set(request.viewer, member=member, roles=names)
        return f"The roles of {member.user.username} are saved.", _list_url(row)

    shown = FormPage(
        member.user.display_name,
        f"Roles of {member.user.username} in {row.display_name or row.name}. Every member may use what is "
        "shared with everyone; roles add to that.",
        "Save roles",
        (*trail_of(row), ("Members", _list_url(row))),
    )
    form = RolesForm(request.POST if request.method == "POST" else None, initial={"roles": member.roles})
    return answer_form(request, form, shown, save)


@command
def remove(request: ViewerRequest, organization: str, user: str) -> HttpResponse:
    """End a membership."""
    row = organization_of(request, organization)
    member = member_of(request, row, user)
    services.member_remove(request.viewer, member=member)
    messages.success(request, f"{member.user.username} is no member of {row.name} any more.")
    return HttpResponseRedirect(_list_url(row))


def _list_url(organization: Organization) -> str:
    return reverse("dashboard:organization-members", args=(organization.name,))
