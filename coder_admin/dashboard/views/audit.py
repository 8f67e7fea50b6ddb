"""The audit trail: a list with filters, and its export."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from coder_admin.audit import selectors
from coder_admin.audit.api import export_response
from coder_admin.audit.choices import AuditedAction, AuditedType
from coder_admin.audit.export import MAXIMUM_ROWS
from coder_admin.audit.resources import linked
from coder_admin.dashboard.audit_view import entry_view
from coder_admin.dashboard.filters import FilterBar, Option, Picker, address, filter_bar, merged
from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.pagination import Page, page_of

PICKERS = ("resource_type", "action")


@page
def entries(request: ViewerRequest) -> HttpResponse:
    """Entries, newest first; the filter text is the whole of the page's state."""
    canonical = merged(request.GET, PICKERS)
    if canonical is not None:
        return HttpResponseRedirect(address(request.path, canonical, {}))
    text = request.GET.get("filter", "")
    errors: list[str] = []
    try:
        rows = selectors.audit_logs(request.viewer, text)
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = selectors.audit_logs(request.viewer).none()
    found = page_of(request.GET, rows)
    where = linked(found.items)
    items = [entry_view(row, where, path=request.path) for row in found.items]
    context: dict[str, object] = {
        "page": Page(items=items, count=found.count, limit=found.limit, offset=found.offset),
        "filters": _filters(request.path, text, errors),
        "exports": [
            (
                name.upper(),
                f"{reverse('dashboard:audit-export')}?{urlencode({'filter': text, 'format': name})}",
            )
            for name in ("csv", "json")
        ],
        "too_many": found.count > MAXIMUM_ROWS,
        "most": MAXIMUM_ROWS,
    }
    return draw(request, "audit/list.html", context)


def _filters(path: str, text: str, errors: list[str]) -> FilterBar:
    def options(choices: type[AuditedType] | type[AuditedAction]) -> tuple[Option, ...]:
        return tuple(Option(one.value, one.value.replace("_", " ").capitalize()) for one in choices)

    return filter_bar(
        path=path,
        text=text,
        kept={},
        placeholder="username:ada date_from:2026-01-31",
        hint="A word alone is a resource type. Keys: " + ", ".join(selectors.KEYS) + ".",
        errors=errors,
        pickers=(
            Picker("resource_type", "Resource", options(AuditedType)),
            Picker("action", "Action", options(AuditedAction)),
        ),
    )


@page
def export(request: ViewerRequest) -> HttpResponse:
    """What the filter finds as a file."""
    return export_response(request.viewer, request.GET.get("filter", ""), request.GET.get("format", "csv"))
