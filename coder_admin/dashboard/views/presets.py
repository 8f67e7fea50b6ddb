"""One preset with its pool, and the commands on pools of a template."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.dashboard.heat import HeatMap, heat_map
from coder_admin.dashboard.http import ViewerRequest, back, command, draw, page
from coder_admin.dashboard.selectors import pools as selectors
from coder_admin.dashboard.selectors import workspaces
from coder_admin.dashboard.selectors.templates import template_of
from coder_admin.dashboard.workspace_view import workspace_view
from coder_admin.foundation.errors import NotFound
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.replacements import summed
from prebuilds import services
from prebuilds.history import version_records
from prebuilds.selectors import preset_value_problems, preset_week, wanted_now

from .templates import shown

WINDOWS = {"24": "24 hours", "168": "7 days"}
PARTS = {
    "timeline": "prebuilds/_timeline.html",
    "badge": "prebuilds/_badge.html",
    "pool": "prebuilds/_pool.html",
    "prebuilds": "prebuilds/_prebuilds.html",
}


@page
def detail(request: ViewerRequest, organization: str, template: str, preset: uuid.UUID) -> HttpResponse:
    """One preset: how its pool is and why, its week, its prebuilds; `?part=` is one live part."""
    row = template_of(request.viewer, organization, template)
    found = selectors.preset_of(row, preset)
    if found is None:
        raise NotFound
    part = request.GET.get("part", "")
    if part and part != "sentence" and part not in PARTS:
        raise NotFound
    now = timezone.now()
    card = selectors.preset_card(request.viewer, found, now)
    if part == "sentence":
        return HttpResponse(card.sentence if card else "")
    context: dict[str, object] = {"pool": card}
    if part in ("", "prebuilds"):
        rows = workspaces.prebuilds_of(request.viewer, found.pk)
        context["prebuilds"] = [_prebuild(request, workspace) for workspace in rows]
    if part in ("", "timeline"):
        context |= _history(request, found, now)
    if part:
        return render(request, PARTS[part], context)
    version = found.template_version
    context |= shown(request, row)
    context |= {
        "preset": found,
        "is_active": row.active_version_id == version.pk,
        "replaced": summed(replacements := workspaces.replacements_by_claims(found.pk)),
        "replacing_claims": len(replacements),
        "version_url": reverse("dashboard:version", args=(organization, template, version.name)),
        "values": list(found.parameters.all()),
        "schedules": list(found.schedules.all()),
        "versions": version_records(row.pk, found.name),
    }
    context |= _week(found, now)
    return draw(request, "prebuilds/preset.html", context)


def _week(preset: TemplateVersionPreset, now: datetime) -> dict[str, object]:
    """The week of a pool with schedules, its next changes, and what is wrong with what is stored of it."""
    if preset.desired_instances is None:
        return {}
    odd_values = preset_value_problems(preset)
    if not preset.schedules.all():
        return {"odd_values": odd_values}
    week, changes, problems = preset_week(preset, now=now, limit=5)
    heat: HeatMap | None = None if problems else heat_map(week, now)
    return {"heat": heat, "changes": changes, "problems": problems, "odd_values": odd_values}


def _history(request: ViewerRequest, preset: TemplateVersionPreset, now: datetime) -> dict[str, object]:
    """The timeline of the pool, of the day or of the week."""
    hours = request.GET.get("hours", "24")
    if hours not in WINDOWS:
        raise NotFound
    template_id = preset.template_version.template_id
    if preset.desired_instances is None or template_id is None:
        return {}
    drawn = selectors.preset_timeline(
        template_id, preset.name, now, int(hours), timezone.get_current_timezone()
    )
    return {"timeline": drawn, "hours": hours, "windows": WINDOWS}


def _prebuild(request: ViewerRequest, workspace: Workspace) -> dict[str, object]:
    view = workspace_view(request.viewer, workspace)
    build = workspace.latest_build
    agents = [agent for resource in build.resources.all() for agent in resource.agents.all()] if build else []
    number = build.build_number if build else 1
    return {
        "pk": workspace.pk,
        "name": workspace.name,
        "url": view.url,
        "status": view.status,
        "created_at": workspace.created_at,
        "lifecycles": [agent.lifecycle_state for agent in agents if not agent.deleted],
        "error": build.job.error if build else "",
        "build_url": reverse("dashboard:build", args=(workspace.owner.username, workspace.name, number)),
    }


@command
def invalidate(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """Let all waiting prebuilds of the active version count as expired."""
    row = template_of(request.viewer, organization, template)
    services.template_invalidate(actor=request.viewer, template=row)
    messages.success(request, "The prebuilds are invalidated. The pools are made anew.")
    return HttpResponseRedirect(back(request, reverse("dashboard:template", args=(organization, template))))


@command
def preset_invalidate(
    request: ViewerRequest, organization: str, template: str, preset: uuid.UUID
) -> HttpResponse:
    """Let the waiting prebuilds of one preset count as expired."""
    found = _found(request, organization, template, preset)
    services.preset_invalidate(actor=request.viewer, preset=found)
    messages.success(request, f"The prebuilds of {found.name} are invalidated. The pool is made anew.")
    return HttpResponseRedirect(reverse("dashboard:preset", args=(organization, template, preset)))


@command
def build_one(request: ViewerRequest, organization: str, template: str, preset: uuid.UUID) -> HttpResponse:
    """Begin one prebuild now, whatever backoff, limit or pause say; its log is the answer."""
    found = _found(request, organization, template, preset)
    build = services.preset_build_one(actor=request.viewer, preset=found)
    text = f"A prebuild of {found.name} is on the way: {build.workspace.name}."
    if wanted_now(found, timezone.now()) == 0:
        text += " The pool wants none now, so it is deleted once it runs; the log of its build stays."
    messages.success(request, text)
    return HttpResponseRedirect(reverse("dashboard:preset", args=(organization, template, preset)))


@command
def reset(request: ViewerRequest, organization: str, template: str, preset: uuid.UUID) -> HttpResponse:
    """Clear the condition of a pool that was stopped after failures."""
    found = _found(request, organization, template, preset)
    services.preset_reset(actor=request.viewer, preset=found)
    messages.success(request, f"{found.name} is tried again.")
    return HttpResponseRedirect(reverse("dashboard:preset", args=(organization, template, preset)))


def _found(
    request: ViewerRequest, organization: str, template: str, preset: uuid.UUID
) -> TemplateVersionPreset:
    found = selectors.preset_of(template_of(request.viewer, organization, template), preset)
    if found is None:
        raise NotFound
    return found
