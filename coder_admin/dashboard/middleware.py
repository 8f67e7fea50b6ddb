"""The viewer's time zone, so that the server writes times as the reader's clock shows them."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import sync_only_middleware

THEMES = ("light", "dark")


@lru_cache(maxsize=256)
def known_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of that IANA name, None for anything else a cookie may hold."""
    if not name or len(name) > 64:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


@sync_only_middleware
def viewer_time_zone(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Activate the zone that the browser put into its `timezone` cookie; UTC without one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        zone = known_zone(unquote(request.COOKIES.get("timezone", "")))
        with timezone.override(zone) if zone else timezone.override(None):
            return get_response(request)

    return middleware
