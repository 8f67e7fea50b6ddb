"""Requests on their way to the views: one thread for all of it, and no address that no database stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise has no types
    """WhiteNoise with plain responses. It streams files by synchronous iterators, which Django's ASGI handler
    reads whole before it sends anything, with a warning: no memory is saved, and threads are lost."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The answer to GET and HEAD, ranges and conditions included; 405 for any other method."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file:
                content = found.file.read()
        response = HttpResponse(content, status=int(found.status))
        del response["Content-Type"]  # one of the file's own follows, where there is a body
        for name, value in found.headers:
            response[name] = value
        return response


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
