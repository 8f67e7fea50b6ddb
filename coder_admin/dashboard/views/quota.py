"""Quota: what each person's workspaces cost and may cost a day, and what each group allows."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.selectors.people import members
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.foundation.pagination import Page, page_of
from coder_admin.organizations import selectors as people
from coder_admin.organizations.models import Group, OrganizationMember
from coder_admin.organizations.services import group_update
from coder_admin.workspaces.quota import Quota, quotas
from rbac.django import may
from rbac.model import Action

MAX_GROUPS = 100


@dataclass(frozen=True)
class QuotaRow:
    """One membership with its numbers; `percent` is for the bar, at most 100."""

    member: OrganizationMember
    quota: Quota

    @property
    def percent(self) -> int:
        if self.quota.unlimited:
            return 0
        if not self.quota.allowance:
            return 100 if self.quota.consumed else 0
        return min(100, round(100 * self.quota.consumed / self.quota.allowance))

    @property
    def tone(self) -> str:
        """How close to the limit: a key of the `quota` looks."""
        if self.quota.unlimited:
            return "unlimited"
        if self.quota.consumed > self.quota.allowance:
            return "over"
        return "tight" if self.percent >= 80 else "fits"


@dataclass(frozen=True)
class Allowance:
    """A group with what it allows; `editable` for who may change the group."""

    group: Group
    editable: bool


@page
def usage(request: ViewerRequest) -> HttpResponse:
    """Members that the viewer may see, the prebuilds user among them: pools cost too."""
    chosen = request.GET.get("organization", "")
    groups = people.groups(request.viewer)
    if chosen:
        groups = groups.filter(organization__name=chosen)
    found = page_of(request.GET, members(request.viewer, chosen, include_system=True))
    numbers = quotas([(row.organization_id, row.user_id) for row in found.items])
    items = [QuotaRow(row, numbers[row.organization_id, row.user_id]) for row in found.items]
    context: dict[str, object] = {
        "page": Page(items=items, count=found.count, limit=found.limit, offset=found.offset),
        "groups": [
            Allowance(group, may(request.viewer, Action.UPDATE, group)) for group in groups[:MAX_GROUPS]
        ],
        "limited": any(not row.quota.unlimited for row in items),
    }
    return draw(request, "people/quota.html", context)


@command
def allow(request: ViewerRequest, group: UUID) -> HttpResponse:
    """Set what a group allows each of its members."""
    text = request.POST.get("quota_allowance", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Invalid(
            "The allowance was not changed.",
            validations=[Validation("quota_allowance", "Write a whole number of credits a day, from 0 on.")],
        )
    row = people.group(request.viewer, group)
    group_update(request.viewer, group=row, quota_allowance=int(text))
    messages.success(request, f"{row.display_name or row.name} allows {int(text)} credits a day.")
    return HttpResponseRedirect(reverse("dashboard:quota"))
