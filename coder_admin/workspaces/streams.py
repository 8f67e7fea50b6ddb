"""Server-sent events that follow a topic: subscribe first, then read, then read again at each news.

Messages are hints: what is sent is read from the database each time, so neither a lost nor a doubled one
shows. A ping at once and every 15 seconds tells the client that the stream lives.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from coder_admin.foundation.errors import NotAuthenticated, ServiceError
from coder_admin.foundation.listening import NotListening, listening
from coder_admin.organizations.access_news import access_topic
from coder_admin.organizations.logins import Login
from rbac.django import subject_for
from rbac.model import Subject

PING_INTERVAL = 15.0
PING = b"event: ping\ndata: {}\n\n"

Read = Callable[[Subject], Any]


class AnyContent(BaseContentNegotiation):
    """A stream is not JSON: take whatever the client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def streamed(events: AsyncGenerator[bytes]) -> StreamingHttpResponse:
    """The answer that carries a stream; proxies are asked not to hold it back.

    Waits for the stream's first event, on the loop that serves the request: what keeps a stream from
    beginning (NotListening) is an ordinary answer (reference 3.1), not a 200 that breaks off.
    """
    first = async_to_sync(_first)(events)
    return StreamingHttpResponse(
        _chained(first, events),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _first(events: AsyncGenerator[bytes]) -> bytes:
    return await anext(events)


async def _chained(first: bytes, events: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """All events. Ends where the channel layer is lost: the client asks again, and is told what it missed."""
    async with aclosing(events):
        yield first
        with suppress(NotListening):
            async for event in events:
                yield event


async def data_stream(
    topic: str, read: Read, *, viewer_id: str, login: Login, ping_interval: float = PING_INTERVAL
) -> AsyncGenerator[bytes]:
    """`event: data` with what `read` returns: now, and whenever that has changed. Ends when the login of the
    viewer does, and when `read` refuses (the viewer may not see it any more, or it is gone). Both run on a
    thread, for the viewer as they are at that moment, and at once when their rights change."""

    def look() -> str:
        user = login()
        if user is None:
            raise NotAuthenticated("Your login has ended.")
        return json.dumps(read(subject_for(user)), cls=DjangoJSONEncoder)

    async with listening(topic, access_topic(viewer_id)) as wait:
        yield PING
        sent = ""
        while True:
            try:
                # Gives the connection back too: a stream lasts for hours.
                text = await database_sync_to_async(look)()
            except ServiceError:
                return
            if text != sent:
                sent = text
                yield f"event: data\ndata: {text}\n\n".encode()
            if not await wait(ping_interval):
                yield PING
