"""Hearing what other processes publish, outside of any websocket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from channels.layers import get_channel_layer

from .errors import ServiceError
from .events import Callback, group_name

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0
_STOP_TRIES = 50

Wait = Callable[[float | None], Awaitable[bool]]


class NotListening(ServiceError):
    """The channel layer does not take the subscription, or has lost it."""

    def __init__(self) -> None:
        super().__init__(
            "Failed to subscribe to events.",
            detail="The server's channel layer (Redis) does not answer: try again, and tell your "
            "administrator when it goes on.",
        )


@asynccontextmanager
async def listening(*topics: str) -> AsyncIterator[Wait]:
    """Subscribed to topics while the block runs; the function given waits up to that many seconds (None: for
    ever) for a message and says whether one came. NotListening, from both, when the channel layer is away."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    groups = [group_name(topic) for topic in topics]
    receiving: asyncio.Future[object] | None = None

    async def wait(seconds: float | None) -> bool:
        # What waits for a message goes on waiting after a time-out: to cancel it could lose one.
        nonlocal receiving
        receiving = current = receiving or asyncio.ensure_future(layer.receive(channel))
        done, _ = await asyncio.wait({current}, timeout=seconds)
        if not done:
            return False
        receiving = None
        if (error := current.exception()) is not None:
            raise _lost(topics, error) from error
        return True

    try:
        try:
            for group in groups:
                await layer.group_add(group, channel)
        except Exception as error:
            raise _lost(topics, error) from error
        yield wait
    finally:
        if receiving is not None:
            await _stopped(receiving)
        try:
            for group in groups:
                await layer.group_discard(group, channel)
        except Exception as error:
            log.debug("subscription left behind, it runs out", topics=topics, error=str(error))


def _lost(topics: tuple[str, ...], error: BaseException) -> NotListening:
    log.warning("events are not heard", topics=topics, error=str(error))
    return NotListening()


async def _stopped(task: asyncio.Future[object]) -> None:
    """Cancel until it ends: the Redis layer swallows a cancellation that comes at the wrong moment."""
    for _ in range(_STOP_TRIES):
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0.1)
        if done:
            return
    log.warning("what waits for a message does not end")


class LayerListener:
    """Receives what other processes publish on one topic over the channel layer, in a thread of its own.

    Does nothing with the in-memory layer: there, every publisher lives in this process. After each new
    connection the callback is called once with an empty event: what was published before was missed.
    """

    def __init__(self, topic: str, callback: Callback) -> None:
        self._topic = topic
        self._callback = callback
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        layer = get_channel_layer()
        if layer is None or type(layer).__name__ == "InMemoryChannelLayer":
            return
        self._thread = threading.Thread(target=self._run, name=f"listen-{self._topic}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None and loop.is_running():
            loop.call_soon_threadsafe(task.cancel)
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            return

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        while not self._stopping:
            try:
                await self._receive()
            except OSError as error:
                log.warning("events of other processes are not received", topic=self._topic, error=str(error))
            except Exception:
                log.exception("events of other processes are not received", topic=self._topic)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _receive(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(group_name(self._topic), channel)
        self._callback(self._topic, {})
        while True:
            message = await layer.receive(channel)
            self._callback(self._topic, message.get("event", {}))
