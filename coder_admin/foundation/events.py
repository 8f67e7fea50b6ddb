"""Events between processes: hints that leave only after the transaction commits.

``publish`` is the one way out (design section 4: state first, messages after commit). It reaches the
subscribers of this process directly and everybody else through the channel layer. The database is the
truth; a lost event costs latency only, because every reader also polls.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings
from django.db import connections, transaction

log = structlog.get_logger(__name__)

MESSAGE_TYPE = "event.message"
Event = Mapping[str, Any]
Callback = Callable[[str, Event], None]

_lock = threading.Lock()
_subscribers: list[tuple[str, Callback]] = []
_loop: asyncio.AbstractEventLoop | None = None


def bind_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Keep the server's loop: the in-memory channel layer belongs to it and to no other thread.

    A send from another thread would arrive only at the loop's next wake-up, up to a second late.
    """
    global _loop  # noqa: PLW0603 - one server loop per process
    _loop = loop


def group_name(topic: str) -> str:
    """The channel layer's group for a topic; group names may not hold a colon."""
    return topic.replace(":", ".")


def subscribe(prefix: str, callback: Callback) -> Callable[[], None]:
    """Call ``callback(topic, event)`` for topics that begin with ``prefix``; returns the undoing.

    The callback runs in the publishing thread and must be quick.
    """
    entry = (prefix, callback)
    with _lock:
        _subscribers.append(entry)

    def unsubscribe() -> None:
        with _lock:
            if entry in _subscribers:
                _subscribers.remove(entry)

    return unsubscribe


class SentInsideTransactionError(RuntimeError):
    """Something was about to leave the process while a transaction of this thread is open."""


def require_committed(what: str) -> None:
    """Guards every way out of the process: whoever sends asks here first.

    Inside a transaction a message would announce what may still be undone, and on PostgreSQL sending takes a
    second connection while the first is held (reference 4.3). Raises SentInsideTransactionError where
    ``EVENTS_STRICT`` is set (tests, development); elsewhere it is logged, for a message too early is less
    harm than a request that fails.
    """
    if not any(_in_transaction(connection) for connection in connections.all(initialized_only=True)):
        return
    message = f"{what} would leave before the commit: use foundation.events.publish or after_commit."
    if settings.EVENTS_STRICT:
        raise SentInsideTransactionError(message)
    log.error("sent inside a transaction", what=what)


def _in_transaction(connection: Any) -> bool:
    """The transaction that a test case wraps around its whole body does not count."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def after_commit(action: Callable[[], object]) -> None:
    """Run ``action`` once the outermost transaction has committed, at once outside of any.

    An error in it is logged and never reaches the caller: the fact itself is already stored.
    """
    transaction.on_commit(action, robust=True)


def publish(topic: str, event: Event) -> None:
    """Announce ``event`` on ``topic`` after the commit; never raises, never sends early."""
    after_commit(partial(_send, topic, dict(event)))


def publish_all(announcements: Sequence[tuple[str, Event]]) -> None:
    """As `publish`, for many topics at once: they take one way to the channel layer together."""
    if announcements:
        after_commit(partial(_send_all, [(topic, dict(event)) for topic, event in announcements]))


def _send(topic: str, event: dict[str, Any]) -> None:
    require_committed(f"the event on {topic}")
    _call_subscribers(topic, event)
    try:
        _send_to_layer(topic, event)
    except Exception as error:
        log.warning("event not sent", topic=topic, error=str(error))


def _send_all(announcements: Sequence[tuple[str, dict[str, Any]]]) -> None:
    require_committed("several events")
    for topic, event in announcements:
        _call_subscribers(topic, event)
    layer = get_channel_layer()
    if layer is None or not any(_may_be_heard(layer, topic) for topic, _ in announcements):
        return

    async def send() -> None:
        for topic, event in announcements:
            await _logged(layer.group_send(group_name(topic), _message(topic, event)), topic)

    loop = _loop
    try:
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(send(), loop)
        else:
            # A process without a server: nobody listens in memory, others do on Redis.
            _run(send)
    except Exception as error:
        log.warning("events not sent", topics=len(announcements), error=str(error))


def _run(send: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(send)()
    else:
        _keep(running.create_task(send()))


def _call_subscribers(topic: str, event: dict[str, Any]) -> None:
    with _lock:
        callbacks = [callback for prefix, callback in _subscribers if topic.startswith(prefix)]
    for callback in callbacks:
        try:
            callback(topic, event)
        except Exception:
            log.exception("subscriber failed", topic=topic)


def _message(topic: str, event: dict[str, Any]) -> dict[str, Any]:
    return {"type": MESSAGE_TYPE, "topic": topic, "event": event}


def _may_be_heard(layer: Any, topic: str) -> bool:
    """In memory, nobody but listeners of this process can hear; a worker sends many events that none does."""
    return not isinstance(layer, InMemoryChannelLayer) or bool(layer.groups.get(group_name(topic)))


def _send_to_layer(topic: str, event: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    if not _may_be_heard(layer, topic):
        return
    message = _message(topic, event)
    loop = _loop
    if loop is not None and loop.is_running():
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        sending = layer.group_send(group_name(topic), message)
        if running is loop:
            _keep(loop.create_task(_logged(sending, topic)))
        else:
            asyncio.run_coroutine_threadsafe(_logged(sending, topic), loop)
    elif not isinstance(layer, InMemoryChannelLayer):
        # A process without a server (worker, command): nobody listens in memory, others do on Redis.
        async_to_sync(layer.group_send)(group_name(topic), message)
    else:
        _send_in_tests(layer, topic, message)


def _send_in_tests(layer: Any, topic: str, message: dict[str, Any]) -> None:
    """No bound loop and an in-memory layer: send from this thread, as consumers under test expect."""
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(layer.group_send)(group_name(topic), message)
    else:
        _keep(running.create_task(_logged(layer.group_send(group_name(topic), message), topic)))


_tasks: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """Hold the task until it is done: the loop itself keeps only weak references."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _logged(sending: Any, topic: str) -> None:
    try:
        await sending
    except Exception as error:
        log.warning("event not sent", topic=topic, error=str(error))
