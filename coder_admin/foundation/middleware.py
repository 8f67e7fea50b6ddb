"""A boundary that keeps Django's ASGI handler from hopping threads per middleware (design, trap 6)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware


@sync_only_middleware
def sync_boundary(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Pass the request on unchanged; being sync-only is the whole point."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware
