"""The inbox: its page, the bell's popover and count, and reading messages."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse

from coder_admin.dashboard.filters import Option
from coder_admin.dashboard.http import ViewerRequest, back, command, draw, page, wants_fragment
from coder_admin.dashboard.selectors import inbox as selectors
from coder_admin.foundation.errors import Invalid, NotFound, Validation
from coder_admin.foundation.pagination import Page, page_of
from coder_admin.notifications import kinds, services
from coder_admin.notifications.selectors import (
    PAGE_SIZE,
    InboxFilter,
    ReadStatus,
    inbox_get,
    inbox_page,
    number_down_to,
)
from coder_admin.notifications.selectors import inbox as inbox_rows

MOST_IN_POPOVER = 200
"""The popover is fetched anew with each message; what is older than this many is read in the inbox."""
_READ = (Option("", "All"), Option("unread", "Unread"), Option("read", "Read"))


@page
def inbox(request: ViewerRequest) -> HttpResponse:
    """All messages, newest first, narrowed by kind, template and read state."""
    wanted = _filter(request)
    rows = inbox_rows(viewer=request.viewer, wanted=wanted)
    found = page_of(request.GET, rows)
    context: dict[str, object] = {
        "page": Page(
            items=selectors.items(request.viewer, found.items),
            count=found.count,
            limit=found.limit,
            offset=found.offset,
        ),
        "unread": services.unread_count(request.viewer.id),
        "narrowed": wanted != InboxFilter(),
        "read_status": _options(_READ, request.GET.get("read_status", "")),
        "kinds": _options(
            [Option(str(kind.id), kind.name) for kind in selectors.kinds_in_inbox(request.viewer)],
            request.GET.get("kind", ""),
        ),
        "templates": _options(
            [
                Option(str(key), label)
                for key, label in selectors.templates_to_choose(request.viewer, wanted.targets)
            ],
            request.GET.get("template", ""),
        ),
    }
    return draw(request, "inbox/inbox.html", context)


def _options(options: Any, value: str) -> list[Option]:
    return [Option(option.value, option.label, option.value == value) for option in options]


def _filter(request: HttpRequest) -> InboxFilter:
    """Raises Invalid for a value that no choice of the page has."""
    wrong: list[Validation] = []
    ids: dict[str, tuple[uuid.UUID, ...]] = {}
    for name in ("kind", "template"):
        text = request.GET.get(name, "")
        try:
            ids[name] = (uuid.UUID(text),) if text else ()
        except ValueError:
            wrong.append(Validation(name, "Choose one of the list."))
    if any(kinds.find(kind_id) is None for kind_id in ids.get("kind", ())):
        wrong.append(Validation("kind", "Choose one of the list."))
    status = request.GET.get("read_status", "") or ReadStatus.ALL
    if status not in set(ReadStatus):
        wrong.append(Validation("read_status", "Use all, read or unread."))
    if wrong:
        raise Invalid("Query parameters have invalid values.", validations=wrong)
    return InboxFilter(targets=ids["template"], templates=ids["kind"], read_status=ReadStatus(status))


@page
def latest(request: ViewerRequest) -> HttpResponse:
    """The content of the bell's popover, or what follows `starting_before`."""
    text = request.GET.get("starting_before", "")
    if not text:
        return _popover(request, _until(request.GET))
    before = _id("starting_before", text)
    shown = _number_down_to(request, before)
    size = min(PAGE_SIZE, MOST_IN_POPOVER - shown)
    rows = inbox_page(viewer=request.viewer, starting_before=before, size=size + 1)
    last = shown + size >= MOST_IN_POPOVER
    return render(request, "inbox/_more.html", _shown(rows, size, last=last, after=before))


def _popover(request: ViewerRequest, until: uuid.UUID | None) -> HttpResponse:
    """The newest messages: a page, and down to `until`, the oldest that the reader has in sight."""
    size = max(PAGE_SIZE, _number_down_to(request, until) if until else 0)
    rows = inbox_page(viewer=request.viewer, size=size + 1)
    context = _shown(rows, size, last=size >= MOST_IN_POPOVER) | {
        "unread": services.unread_count(request.viewer.id)
    }
    return render(request, "inbox/_latest.html", context)


def _until(given: QueryDict) -> uuid.UUID | None:
    text = given.get("until", "")
    return _id("until", text) if text else None


def _number_down_to(request: ViewerRequest, notification_id: uuid.UUID) -> int:
    return number_down_to(viewer=request.viewer, notification_id=notification_id, most=MOST_IN_POPOVER)


def _shown(rows: list[Any], size: int, *, last: bool, after: uuid.UUID | None = None) -> dict[str, object]:
    """`size` rows of which the popover shows the last page; one row more tells that there are older ones."""
    items, older = rows[:size], len(rows) > size
    return {
        "items": items,
        "oldest": items[-1].pk if items else after,
        "more": older and not last,
        "older": older and last,
    }


@page
def count(request: ViewerRequest) -> HttpResponse:
    """The bell's badge."""
    return render(request, "inbox/_count.html", {"unread": services.unread_count(request.viewer.id)})


@command
def mark_read(request: ViewerRequest, notification: uuid.UUID) -> HttpResponse:
    """Mark one message as read, or as unread again."""
    is_read = request.POST.get("is_read", "true") != "false"
    row = services.inbox_mark(actor=request.viewer, notification_id=notification, is_read=is_read)
    if wants_fragment(request):
        return render(request, "inbox/_item.html", {"item": row, "prefix": "bell"})
    return HttpResponseRedirect(back(request, reverse("dashboard:inbox")))


@command
def mark_all_read(request: ViewerRequest) -> HttpResponse:
    """Mark everything as read."""
    until = _until(request.POST)
    number = services.inbox_mark_all(actor=request.viewer)
    if wants_fragment(request):
        return _popover(request, until)
    messages.success(request, f"{number} marked as read." if number else "Everything was read already.")
    return HttpResponseRedirect(back(request, reverse("dashboard:inbox")))


@command
def mark_some(request: ViewerRequest) -> HttpResponse:
    """Mark the chosen messages as read or unread."""
    is_read = request.POST.get("is_read", "true") != "false"
    ids = [_id("ids", text) for text in request.POST.getlist("ids")]
    if not ids:
        raise Invalid("Choose messages first.", detail="Nothing was changed.")
    number = services.inbox_mark_some(actor=request.viewer, ids=ids, is_read=is_read)
    state = "read" if is_read else "unread"
    messages.success(request, f"{number} marked as {state}." if number else f"They were {state} already.")
    return HttpResponseRedirect(back(request, reverse("dashboard:inbox")))


@command
def follow(request: ViewerRequest, notification: uuid.UUID, position: int) -> HttpResponse:
    """Do what a message offers: mark it as read and go where its button leads."""
    row = inbox_get(viewer=request.viewer, notification_id=notification)
    if row is None or position >= len(row.actions):
        raise NotFound
    services.inbox_mark(actor=request.viewer, notification_id=notification, is_read=True)
    return HttpResponseRedirect(own_address(str(row.actions[position].get("url", ""))))


def _id(name: str, text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Invalid("This is no message.", validations=[Validation(name, "must be a UUID")]) from None


def own_address(url: str) -> str:
    """The path of an address of this deployment; another site's address only if it is http or https."""
    parts, own = urlsplit(url), urlsplit(settings.ACCESS_URL)
    if parts.scheme not in ("", "http", "https"):
        return "/"
    if not parts.netloc or parts.netloc == own.netloc:
        path = f"/{parts.path.lstrip('/')}"
        return f"{path}?{parts.query}" if parts.query else path
    return url
