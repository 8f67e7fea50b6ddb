"""Workspaces: list, detail, history, parameters, and the commands on one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from coder_admin.dashboard.builds import took_seconds
from coder_admin.dashboard.clock_view import clock_view
from coder_admin.dashboard.filters import FilterBar, Option, Picker, address, filter_bar, merged
from coder_admin.dashboard.http import ViewerRequest, back, command, draw, page
from coder_admin.dashboard.live import topics_of_lists
from coder_admin.dashboard.logs import Log, excerpt, further, whole
from coder_admin.dashboard.selectors import workspaces as selectors
from coder_admin.dashboard.statuses import LOOKS
from coder_admin.dashboard.views import bulk
from coder_admin.dashboard.workspace_view import (
    AgentView,
    WorkspaceView,
    agent_view,
    sentence,
    workspace_view,
)
from coder_admin.foundation.errors import Invalid, NotFound
from coder_admin.foundation.pagination import Page, page_of
from coder_admin.workspaces import selectors as rooms
from coder_admin.workspaces import services
from coder_admin.workspaces.models import WORKSPACE_ACL, Workspace, WorkspaceAgent, WorkspaceBuild
from coder_admin.workspaces.search import KEYS
from rbac.django import may
from rbac.model import Action

PICKERS = ("owner", "status", "template")
PLACEHOLDER = "owner:me status:running template:…"
HINT = "Words look in the name; key:value narrows. Keys: " + ", ".join(KEYS) + "."


@page
def workspaces(request: ViewerRequest) -> HttpResponse:
    """The list; its filter text is the whole of its state."""
    kept = {"organization": request.GET.get("organization", "")}
    canonical = merged(request.GET, PICKERS)
    if canonical is not None:
        return HttpResponseRedirect(address(request.path, canonical, kept))
    text = request.GET.get("filter", "")
    errors: list[str] = []
    try:
        rows = selectors.workspace_list(request.viewer, text, kept["organization"], timezone.now())
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = selectors.workspace_list(request.viewer, "", kept["organization"], timezone.now()).none()
    found = page_of(request.GET, rows)
    WORKSPACE_ACL.attach(found.items)  # each row asks what its menu may offer
    items = [workspace_view(request.viewer, row) for row in found.items]
    context: dict[str, object] = {
        "page": Page(items=items, count=found.count, limit=found.limit, offset=found.offset),
        "filters": _filters(request, text, kept, errors),
        "topics": topics_of_lists(request.viewer, "workspaces"),
        "bulk_limit": bulk.LIMIT,
        "bulk_actions": tuple(bulk.ACTIONS.values()),
    }
    return draw(request, "workspaces/list.html", context)


def _filters(request: ViewerRequest, text: str, kept: dict[str, str], errors: list[str]) -> FilterBar:
    statuses = tuple(Option(key, look.label) for key, look in LOOKS["workspace"].items())
    owners = (Option("me", "Me"), Option("prebuilds", "Prebuilds"))
    templates = tuple(Option(name, label) for name, label in selectors.template_choices(request.viewer))
    return filter_bar(
        path=request.path,
        text=text,
        kept=kept,
        placeholder=PLACEHOLDER,
        hint=HINT,
        errors=errors,
        pickers=(
            Picker("owner", "Owner", owners),
            Picker("status", "Status", statuses),
            Picker("template", "Template", templates),
        ),
    )


PARTS = {
    "badge": "workspaces/_badge.html",
    "actions": "workspaces/_actions.html",
    "body": "workspaces/_body.html",
    "clock": "workspaces/_clock.html",
}


@page
def detail(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """One workspace; `?part=` is one live part of it."""
    workspace = selectors.workspace_of(request.viewer, owner, name)
    view = workspace_view(request.viewer, workspace)
    part = request.GET.get("part", "")
    now = timezone.now()
    context: dict[str, object] = {"workspace": view, "actions": view.offers}
    if part in ("", "clock"):
        context["clock"] = clock_view(
            workspace, view.status, now, may_edit=may(request.viewer, Action.UPDATE, workspace)
        )
        context["is_owner"] = str(workspace.owner_id) == request.viewer.id
    if part == "sentence":
        return HttpResponse(sentence(view, now))
    if part in ("", "body"):
        rows = selectors.agents(workspace.latest_build)
        context |= {
            "agents": [_agent(request, view, agent) for agent in rows],
            "resources": selectors.resources(workspace.latest_build),
            "failure": _failure(view),
        }
    if part:
        if part not in PARTS:
            raise NotFound
        return render(request, PARTS[part], context)
    build_count, parameter_count = selectors.counts(workspace)
    context |= {
        "workspace": workspace_view(
            request.viewer, workspace, build_count=build_count, parameter_count=parameter_count
        ),
        "sentence": sentence(view, now),
        "build": workspace.latest_build,
        "version_url": _version_url(workspace),
    }
    return draw(request, "workspaces/detail.html", context)


def _version_url(workspace: Workspace) -> str:
    if workspace.latest_build is None:
        return ""
    version = workspace.latest_build.template_version
    return reverse(
        "dashboard:version", args=(workspace.organization.name, workspace.template.name, version.name)
    )


def _failure(view: WorkspaceView) -> dict[str, str] | None:
    build = view.row.latest_build
    if build is None or not build.job.error:
        return None
    return {
        "title": f"Build {build.build_number} failed to {build.transition}",
        "text": build.job.error,
        "url": reverse("dashboard:build", args=(view.owner.username, view.name, build.build_number)),
    }


def _agent(request: ViewerRequest, view: WorkspaceView, agent: WorkspaceAgent) -> AgentView:
    place = (view.owner.username, view.name, agent.pk)
    log = Log(
        label=f"Log of agent {agent.name}",
        url=reverse("dashboard:agent-logs", args=place),
        topic=f"agent-logs:{agent.pk}",
        download=reverse("dashboard:agent-download", args=place),
        done=False,
    )
    return agent_view(agent, timezone.now(), excerpt(request, rooms.agent_logs(agent), log))


@page
def agent_logs(request: ViewerRequest, owner: str, name: str, agent: uuid.UUID) -> HttpResponse:
    """Further lines of an agent's log."""
    row = selectors.agent_of(selectors.workspace_of(request.viewer, owner, name), agent)
    return further(request, rooms.agent_logs(row), done=False)


@page
def agent_download(request: ViewerRequest, owner: str, name: str, agent: uuid.UUID) -> HttpResponse:
    """An agent's log as a file."""
    row = selectors.agent_of(selectors.workspace_of(request.viewer, owner, name), agent)
    return whole(rooms.agent_logs(row), f"{owner}-{name}-{row.name}")


@page
def history(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """The builds of one workspace."""
    workspace = selectors.workspace_of(request.viewer, owner, name)
    found = page_of(request.GET, selectors.build_history(workspace))
    now = timezone.now()
    rows = [{"build": build, "took": took_seconds(build.job, now)} for build in found.items]
    context: dict[str, object] = {
        "workspace": _with_counts(request, workspace),
        "page": Page(items=rows, count=found.count, limit=found.limit, offset=found.offset),
    }
    return draw(request, "workspaces/builds.html", context)


def _with_counts(request: ViewerRequest, workspace: Workspace) -> WorkspaceView:
    builds, values = selectors.counts(workspace)
    return workspace_view(request.viewer, workspace, build_count=builds, parameter_count=values)


COMMANDS: Mapping[str, Callable[..., WorkspaceBuild]] = {
    "start": services.workspace_start,
    "stop": services.workspace_stop,
    "delete": services.workspace_delete,
    "update": services.workspace_update,
}


@command
def transition(request: ViewerRequest, owner: str, name: str, transition: str) -> HttpResponse:
    """Begin a build and go to its log, or back to the list it was asked from."""
    run = COMMANDS.get(transition)
    if run is None:
        raise NotFound
    workspace = selectors.workspace_of(request.viewer, owner, name)
    build = run(actor=request.viewer, workspace=workspace)
    url = reverse("dashboard:build", args=(workspace.owner.username, workspace.name, build.build_number))
    if request.POST.get("next"):
        messages.success(request, f"Build {build.build_number} of {workspace.name} has begun.")
        return HttpResponseRedirect(back(request, url))
    return HttpResponseRedirect(url)
