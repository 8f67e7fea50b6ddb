"""The inbox: its page, the bell's popover and count, and reading messages."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.dashboard.http import ViewerRequest, back, command, draw, page
from coder_admin.foundation.errors import NotFound
from coder_admin.foundation.pagination import page_of
from coder_admin.notifications import services
from coder_admin.notifications.selectors import InboxFilter, ReadStatus, inbox_get
from coder_admin.notifications.selectors import inbox as inbox_rows

IN_POPOVER = 10


@page
def inbox(request: ViewerRequest) -> HttpResponse:
    """All messages, newest first, or the unread ones."""
    only_unread = request.GET.get("read_status") == ReadStatus.UNREAD
    wanted = InboxFilter(read_status=ReadStatus.UNREAD if only_unread else ReadStatus.ALL)
    context: dict[str, object] = {
        "page": page_of(request.GET, inbox_rows(viewer=request.viewer, wanted=wanted)),
        "unread": services.unread_count(request.viewer.id),
        "only_unread": only_unread,
    }
    return draw(request, "inbox/inbox.html", context)


@page
def latest(request: ViewerRequest) -> HttpResponse:
    """The content of the bell's popover."""
    context = {
        "items": inbox_rows(viewer=request.viewer)[:IN_POPOVER],
        "unread": services.unread_count(request.viewer.id),
    }
    return render(request, "inbox/_latest.html", context)


@page
def count(request: ViewerRequest) -> HttpResponse:
    """The bell's badge."""
    return render(request, "inbox/_count.html", {"unread": services.unread_count(request.viewer.id)})


@command
def mark_read(request: ViewerRequest, notification: uuid.UUID) -> HttpResponse:
    """Mark one message as read, or as unread again."""
    is_read = request.POST.get("is_read", "true") != "false"
    services.inbox_mark(actor=request.viewer, notification_id=notification, is_read=is_read)
    return HttpResponseRedirect(back(request, reverse("dashboard:inbox")))


@command
def mark_all_read(request: ViewerRequest) -> HttpResponse:
    """Mark everything as read."""
    number = services.inbox_mark_all(actor=request.viewer)
    messages.success(request, f"{number} marked as read." if number else "Everything was read already.")
    return HttpResponseRedirect(back(request, reverse("dashboard:inbox")))


@command
def follow(request: ViewerRequest, notification: uuid.UUID, position: int) -> HttpResponse:
    """Do what a message offers: mark it as read and go where its button leads."""
    row = inbox_get(viewer=request.viewer, notification_id=notification)
    if row is None or position >= len(row.actions):
        raise NotFound
    services.inbox_mark(actor=request.viewer, notification_id=notification, is_read=True)
    return HttpResponseRedirect(own_address(str(row.actions[position].get("url", ""))))


def own_address(url: str) -> str:
    """The path of an address of this deployment; another site's address only if it is http or https."""
    parts, own = urlsplit(url), urlsplit(settings.ACCESS_URL)
    if not parts.netloc or parts.netloc == own.netloc:
        path = f"/{parts.path.lstrip('/')}"
        return f"{path}?{parts.query}" if parts.query else path
    return url if parts.scheme in ("http", "https") else "/"
