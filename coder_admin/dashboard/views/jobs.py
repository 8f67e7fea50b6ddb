"""Provisioner jobs and workers, and the logs of jobs."""

from __future__ import annotations

import uuid

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone

from coder_admin.dashboard.builds import took_seconds
from coder_admin.dashboard.filters import Option, Picker, address, filter_bar, merged
from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.dashboard.live import topics_of_lists
from coder_admin.dashboard.logs import further, whole
from coder_admin.dashboard.selectors import jobs as selectors
from coder_admin.dashboard.statuses import LOOKS
from coder_admin.foundation.errors import Invalid, NotFound
from coder_admin.foundation.pagination import Page, page_of

PICKERS = ("status", "type")
TYPES = (
    Option("template_version_import", "Import"),
    Option("workspace_build", "Build"),
    Option("template_version_dry_run", "Dry run"),
)


@page
def jobs(request: ViewerRequest) -> HttpResponse:
    """Jobs, newest first, with their place in the queue, and the workers."""
    if not selectors.may_see_jobs(request.viewer):
        raise NotFound
    kept = {"organization": request.GET.get("organization", "")}
    canonical = merged(request.GET, PICKERS)
    if canonical is not None:
        return HttpResponseRedirect(address(request.path, canonical, kept))
    text = request.GET.get("filter", "")
    errors: list[str] = []
    rows = selectors.job_list(request.viewer, kept["organization"])
    try:
        rows = selectors.matching(rows, text)
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = rows.none()
    found = page_of(request.GET, rows)
    now = timezone.now()
    items = [
        {
            "job": row.job,
            "url": row.url,
            "subject": row.subject,
            "position": row.position,
            "queue": row.queue,
            "reason": row.reason,
            "took": took_seconds(row.job, now),
        }
        for row in selectors.job_rows(found.items)
    ]
    waiting, running = selectors.queue_counts(request.viewer, kept["organization"])
    context: dict[str, object] = {
        "page": Page(items=items, count=found.count, limit=found.limit, offset=found.offset),
        "daemons": selectors.daemons(request.viewer, now),
        "topics": topics_of_lists(request.viewer, "workspaces"),
        "sentence": f"{waiting} waiting, {running} running.",
        "filters": filter_bar(
            path=request.path,
            text=text,
            kept=kept,
            placeholder="status:failed initiator:…",
            hint="Keys: status, type, initiator.",
            errors=errors,
            pickers=(
                Picker(
                    "status", "Status", tuple(Option(key, look.label) for key, look in LOOKS["job"].items())
                ),
                Picker("type", "Type", TYPES),
            ),
        ),
    }
    return draw(request, "provisioning/jobs.html", context)


@page
def logs(request: ViewerRequest, job: uuid.UUID) -> HttpResponse:
    """Further lines of a job's log, for those who may read what the job builds."""
    row = selectors.job_of(request.viewer, job)
    return further(request, selectors.job_lines(row), done=row.completed_at is not None)


@page
def download(request: ViewerRequest, job: uuid.UUID) -> HttpResponse:
    """A job's log as a file."""
    row = selectors.job_of(request.viewer, job)
    return whole(selectors.job_lines(row), f"job-{row.pk}")
