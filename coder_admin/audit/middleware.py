"""Keeps who asks from where for the audit rows of a request, and names the request in its answer."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from .context import USER_AGENT_LENGTH, RequestContext, request_context

HEADER = "X-Request-ID"


def context_of(request: HttpRequest) -> RequestContext:
    """The request's address, program and id. A caller's own id is kept when it is a UUID, so that a
    proxy's log, ours and the audit trail name a request alike; anything else is replaced."""
    try:
        request_id = uuid.UUID(request.headers.get(HEADER, ""))
    except ValueError:
        request_id = uuid.uuid4()
    request.META["HTTP_X_REQUEST_ID"] = str(request_id)
    return RequestContext(
        ip=_address(request.META.get("REMOTE_ADDR", "")),
        user_agent=request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH],
        request_id=request_id,
    )


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


@sync_and_async_middleware
def RequestContextMiddleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Runs outermost, so that every log line and audit row of the request finds its context."""
    if iscoroutinefunction(get_response):
        awaited = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            context = context_of(request)
            with request_context(context):
                response = await awaited(request)
            response.headers[HEADER] = str(context.request_id)
            return response

        return async_middleware

    def middleware(request: HttpRequest) -> HttpResponseBase:
        context = context_of(request)
        with request_context(context):
            response: HttpResponseBase = get_response(request)
        response.headers[HEADER] = str(context.request_id)
        return response

    return middleware
