"""Search or jump to: the palette's results, and the same as a page."""

from __future__ import annotations

from django.http import HttpResponse

from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.dashboard.selectors import search as selectors

LONGEST = 100


@page
def search(request: ViewerRequest) -> HttpResponse:
    """What has the words in its name, in groups."""
    query = request.GET.get("q", "").strip()[:LONGEST]
    context: dict[str, object] = {
        "groups": selectors.search(request.viewer, query, path=request.path),
        "query": query,
    }
    return draw(request, "dashboard/search.html", context, part="dashboard/_results.html")
