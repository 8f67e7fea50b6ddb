"""One build: its state, its log as it is written, and how to end it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from coder_admin.dashboard.builds import took_seconds
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.logs import Log, excerpt
from coder_admin.dashboard.selectors import workspaces as selectors
from coder_admin.dashboard.statuses import look_of
from coder_admin.dashboard.templatetags.ui import draw_badge, short_duration
from coder_admin.dashboard.timeline import timeline
from coder_admin.dashboard.workspace_view import build_sentence, workspace_view
from coder_admin.foundation.errors import NotFound
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.selectors import job_queue_positions
from coder_admin.workspaces import selectors as rooms
from coder_admin.workspaces import services
from coder_admin.workspaces.models import WorkspaceBuild
from coder_admin.workspaces.replacements import replaced
from rbac.django import may
from rbac.model import Action

PARTS = {
    "actions": "workspaces/_build_actions.html",
    "error": "workspaces/_build_error.html",
    "timings": "workspaces/_build_timings.html",
}


@page
def detail(request: ViewerRequest, owner: str, name: str, number: int) -> HttpResponse:
    """A build; `?part=` is one live part of it."""
    workspace = selectors.workspace_of(request.viewer, owner, name)
    build = selectors.build_of(workspace, number)
    part = request.GET.get("part", "")
    if part == "badge":
        return HttpResponse(draw_badge(look_of("job", build.job.job_status)))
    if part == "sentence":
        return HttpResponse(_sentence(build))
    now = timezone.now()
    context: dict[str, object] = {
        "workspace": workspace_view(request.viewer, workspace),
        "build": build,
        "may_cancel": _may_cancel(request, build),
        "waiting": job_queue_positions([build.job])[build.job_id],
    }
    if (
        not part
        and build.job.completed_at is not None
        and may(request.viewer, Action.UPDATE, workspace.template)
    ):
        # As the API gives the state: to those who manage the template, here without what is sensitive.
        context["state"] = selectors.state_shown(build)
    if part in ("", "timings"):
        context["timeline"] = timeline(selectors.build_spans(build), now=now)
    if part:
        if part not in PARTS:
            raise NotFound
        return render(request, PARTS[part], context)
    log = Log(
        label=f"Log of build {number}",
        url=reverse("dashboard:job-logs", args=(build.job_id,)),
        topic=f"job:{build.job_id}",
        download=reverse("dashboard:job-download", args=(build.job_id,)),
        done=build.job.completed_at is not None,
    )
    context["replaced"] = replaced(build.resource_replacements)
    context |= {"log": excerpt(request, rooms.build_logs(build), log), "sentence": _sentence(build)}
    return draw(request, "workspaces/build.html", context)


def _sentence(build: WorkspaceBuild) -> str:
    now = timezone.now()
    text = build_sentence(build, now, short_duration(took_seconds(build.job, now) or 0))
    place = job_queue_positions([build.job])[build.job_id]
    return f"{text} It is number {place.position} of {place.size} in the queue." if place.position else text


def _may_cancel(request: ViewerRequest, build: WorkspaceBuild) -> bool:
    if build.job.job_status not in (JobStatus.PENDING, JobStatus.RUNNING):
        return False
    if not may(request.viewer, Action.UPDATE, build.workspace):
        return False
    free = build.workspace.template.allow_user_cancel_workspace_jobs or request.viewer.has_role("owner")
    return free or build.job.job_status == JobStatus.PENDING


@command
def cancel(request: ViewerRequest, owner: str, name: str, number: int) -> HttpResponse:
    """Ask a build to end. Who may only cancel waiting builds says that it expects one."""
    build = selectors.build_of(selectors.workspace_of(request.viewer, owner, name), number)
    waiting = build.job.job_status == JobStatus.PENDING
    services.build_cancel(actor=request.viewer, build_=build, expect_status="pending" if waiting else "")
    messages.success(request, "The build is canceled." if waiting else "The build is being canceled.")
    return HttpResponseRedirect(reverse("dashboard:build", args=(owner, name, number)))
