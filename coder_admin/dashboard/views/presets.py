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
from prebuilds.selectors import preset_week

from .templates import shown

PARTS = {
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
        "heat": _heat(found, now),
    }
    return draw(request, "prebuilds/preset.html", context)


def _heat(preset: TemplateVersionPreset, now: datetime) -> HeatMap | None:
    if preset.desired_instances is None or not preset.schedules.all():
        return None
    week, _, problems = preset_week(preset, now=now, limit=0)
    return None if problems else heat_map(week, now)


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
def reset(request: ViewerRequest, organization: str, template: str, preset: uuid.UUID) -> HttpResponse:
    """Clear the condition of a pool that was stopped after failures."""
    row = template_of(request.viewer, organization, template)
    found = selectors.preset_of(row, preset)
    if found is None:
        raise NotFound
    services.preset_reset(actor=request.viewer, preset=found)
    messages.success(request, f"{found.name} is tried again.")
    return HttpResponseRedirect(reverse("dashboard:preset", args=(organization, template, preset)))
