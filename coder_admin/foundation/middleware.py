"""Requests on their way to the views: one thread for all of it, and no address that no database stores."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware


@sync_only_middleware
def sync_boundary(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Pass the request on unchanged; being sync-only is the whole point: Django's ASGI handler would hop
    to a thread once per old-style middleware (design, trap 6)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware


@sync_only_middleware
def refuse_nul(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """400 for a NUL in the path or the query: names and searches go into queries, and PostgreSQL fails on
    one. Bodies need no such check, their fields have validators."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL character (%00): leave it out.")
        return get_response(request)

    return middleware
