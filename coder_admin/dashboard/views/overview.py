"""The landing page."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone

from coder_admin.dashboard.access import may_create_template
from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.dashboard.live import topics_of_lists
from coder_admin.dashboard.selectors import overview as selectors


@page
def overview(request: ViewerRequest) -> HttpResponse:
    """Pools worst first, what needs attention, what happened."""
    chosen = request.GET.get("organization", "")
    context: dict[str, object] = {
        "overview": selectors.overview(request.viewer, timezone.now(), organization=chosen),
        "may_upload": may_create_template(request.viewer),
        "topics": topics_of_lists(request.viewer, "pools", "workspaces"),
    }
    return draw(request, "dashboard/overview.html", context)
