"""Members and groups of the organizations that the viewer may see."""

from __future__ import annotations

from django.http import HttpResponse

from coder_admin.dashboard.filters import filter_bar
from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.dashboard.live import topics_of_lists
from coder_admin.dashboard.selectors import people as selectors
from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.pagination import page_of


@page
def members(request: ViewerRequest) -> HttpResponse:
    """Members, by organization and username."""
    kept = {"organization": request.GET.get("organization", "")}
    text = request.GET.get("filter", "")
    errors: list[str] = []
    rows = selectors.members(request.viewer, kept["organization"])
    try:
        rows = selectors.matching(rows, text)
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = rows.none()
    context: dict[str, object] = {
        "topics": topics_of_lists(request.viewer, "people"),
        "page": page_of(request.GET, rows),
        "filters": filter_bar(
            path=request.path,
            text=text,
            kept=kept,
            placeholder="Part of a name, or status:suspended",
            hint="Words look in name, username and e-mail; keys: status, role.",
            errors=errors,
        ),
    }
    return draw(request, "people/members.html", context)


@page
def groups(request: ViewerRequest) -> HttpResponse:
    """Groups, by organization and name."""
    rows = selectors.groups(request.viewer, request.GET.get("organization", ""))
    topics = topics_of_lists(request.viewer, "people")
    return draw(request, "people/groups.html", {"page": page_of(request.GET, rows), "topics": topics})
