"""Several workspaces at once: first a page that says what would happen to which, then it happens."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.http import HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from coder_admin.dashboard.http import ViewerRequest, page
from coder_admin.dashboard.selectors import workspaces as selectors
from coder_admin.dashboard.workspace_view import Offer, WorkspaceView, workspace_view
from coder_admin.foundation.errors import Invalid, NotFound, ServiceError
from coder_admin.workspaces import services
from coder_admin.workspaces.models import Workspace, WorkspaceBuild

LIMIT = 100


@dataclass(frozen=True)
class BulkAction:
    """What can be done to many; `key` is that of the offer that a single workspace makes."""

    key: str
    verb: str
    past: str
    consequence: str
    run: Callable[..., WorkspaceBuild]
    tone: str = "primary"


ACTIONS: Mapping[str, BulkAction] = {
    action.key: action
    for action in (
        BulkAction("start", "Start", "started", "Each begins a start build.", services.workspace_start),
        BulkAction("stop", "Stop", "stopped", "Whoever works in them is cut off.", services.workspace_stop),
        BulkAction(
            "update",
            "Update",
            "updated",
            "Each starts on its template's active version.",
            services.workspace_update,
        ),
        BulkAction(
            "delete",
            "Delete",
            "deleted",
            "Their resources are destroyed and their files are lost. This cannot be undone.",
            services.workspace_delete,
            tone="danger",
        ),
    )
}


@dataclass(frozen=True)
class Outcome:
    """One workspace and what became of it; `build_url` when a build has begun."""

    workspace: WorkspaceView
    text: str = ""
    build_url: str = ""
    tone: str = "idle"


@page
def bulk(request: ViewerRequest) -> HttpResponse:
    """POST with `action`, `ids` (or `all` and the list's `filter`); `confirmed` does it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    action = ACTIONS.get(request.POST.get("action", ""))
    if action is None:
        raise NotFound
    chosen = [workspace_view(request.viewer, row) for row in _chosen(request)]
    if not chosen:
        return HttpResponseRedirect(reverse("dashboard:workspaces"))
    able = [view for view in chosen if _offers(view, action)]
    context: dict[str, object] = {
        "action": action,
        "able": able,
        "unable": [view for view in chosen if view not in able],
        "limit": LIMIT,
    }
    if "confirmed" not in request.POST:
        return render(request, "workspaces/bulk.html", context)
    outcomes = [_do(request, action, view) for view in able]
    begun = sum(bool(outcome.build_url) for outcome in outcomes)
    context |= {"outcomes": outcomes, "begun": begun, "refused": len(outcomes) - begun}
    return render(request, "workspaces/bulk.html", context)


def _chosen(request: ViewerRequest) -> list[Workspace]:
    """The workspaces meant, as the viewer sees them now; never more than the limit."""
    if request.POST.get("all"):
        rows = selectors.workspace_list(
            request.viewer,
            request.POST.get("filter", ""),
            request.POST.get("organization", ""),
            timezone.now(),
        )
        return list(rows[:LIMIT])
    try:
        ids = [uuid.UUID(text) for text in request.POST.getlist("ids")[:LIMIT]]
    except ValueError:
        raise Invalid("The chosen workspaces cannot be read.") from None
    return selectors.workspaces_by_id(request.viewer, ids)


def _offers(view: WorkspaceView, action: BulkAction) -> Offer | None:
    return next((offer for offer in view.offers if offer.key == action.key), None)


def _do(request: ViewerRequest, action: BulkAction, view: WorkspaceView) -> Outcome:
    """One after the other, each in its own transaction: a refusal of one leaves the others alone."""
    try:
        build = action.run(actor=request.viewer, workspace=view.row)
    except ServiceError as error:
        return Outcome(view, str(error), tone="bad")
    url = reverse("dashboard:build", args=(view.owner.username, view.name, build.build_number))
    return Outcome(view, f"Build {build.build_number} has begun.", url, tone="ok")
