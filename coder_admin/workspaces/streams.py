"""Server-sent events that follow a topic: subscribe first, then read, then read again at each news.

Messages are hints: what is sent is read from the database each time, so neither a lost nor a doubled one
shows. A ping at once and every 15 seconds tells the client that the stream lives.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.events import group_name

PING_INTERVAL = 15.0
PING = b"event: ping\ndata: {}\n\n"

Read = Callable[[], Any]
Wait = Callable[[float], Awaitable[bool]]


class AnyContent(BaseContentNegotiation):
    """A stream is not JSON: take whatever the client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def streamed(events: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """The answer that carries a stream; proxies are asked not to hold it back."""
    return StreamingHttpResponse(
        events,
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


@asynccontextmanager
async def listening(topic: str) -> AsyncIterator[Wait]:
    """Subscribed to a topic while the block runs; the function given waits up to that many seconds for a
    message and says whether one came."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    group = group_name(topic)
    await layer.group_add(group, channel)

    async def wait(seconds: float) -> bool:
        try:
            await asyncio.wait_for(layer.receive(channel), seconds)
        except TimeoutError:
            return False
        return True

    try:
        yield wait
    finally:
        await layer.group_discard(group, channel)


async def data_stream(
    topic: str, read: Read, *, ping_interval: float = PING_INTERVAL
) -> AsyncIterator[bytes]:
    """`event: data` with what `read` returns: now, and whenever that has changed. Ends when `read` refuses
    (the viewer may not see it any more, or it is gone); `read` runs on a thread."""
    async with listening(topic) as wait:
        yield PING
        sent = ""
        while True:
            try:
                # Gives the connection back too: a stream lasts for hours.
                text = json.dumps(await database_sync_to_async(read)(), cls=DjangoJSONEncoder)
            except ServiceError:
                return
            if text != sent:
                sent = text
                yield f"event: data\ndata: {text}\n\n".encode()
            if not await wait(ping_interval):
                yield PING
