"""Telling workers that there may be something to do: a hint, never a fact.

``nudge`` is called after the commit. It wakes the workers of this process at once, and those of other
processes through the broker. A message that is lost costs at most one sweep of the worker.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from django.conf import settings

from coder_admin.foundation import events

log = structlog.get_logger(__name__)

Tags = Mapping[str, str]
Listener = Callable[[Tags], None]

QUEUE_LENGTH = 10  # messages that wait for the broker; more are dropped, the sweep finds their jobs

_lock = threading.Lock()
_listeners: list[Listener] = []
_outgoing: queue.Queue[dict[str, str]] = queue.Queue(maxsize=QUEUE_LENGTH)
_sender: threading.Thread | None = None


def listen(listener: Listener) -> Callable[[], None]:
    """Call ``listener(tags)`` whenever jobs with these tags may be waiting; returns the undoing."""
    with _lock:
        _listeners.append(listener)

    def stop() -> None:
        with _lock:
            if listener in _listeners:
                _listeners.remove(listener)

    return stop


def nudge_after_commit(tags: Tags) -> None:
    events.after_commit(partial(nudge, dict(tags)))


def nudge(tags: Tags) -> None:
    """Wake every worker that may serve these tags, here and elsewhere. Never blocks.

    Outside of any transaction only: a worker that looks before the commit finds nothing.
    """
    events.require_committed("the announcement of a job")
    wake_local(tags)
    if has_broker():
        _enqueue(dict(tags))


def wake_local(tags: Tags) -> None:
    """Wake the workers of this process."""
    with _lock:
        listeners = list(_listeners)
    for listener in listeners:
        try:
            listener(tags)
        except Exception:
            log.exception("worker not woken")


def has_broker() -> bool:
    """Whether workers of other processes can be reached; memory:// ends at the process."""
    return not settings.CELERY_BROKER_URL.startswith("memory://")


def _enqueue(tags: dict[str, str]) -> None:
    _ensure_sender()
    try:
        _outgoing.put_nowait(tags)
    except queue.Full:
        log.warning("job announcement dropped", waiting=QUEUE_LENGTH)


def _ensure_sender() -> None:
    # One publisher, started when first needed: a broker that is down delays it and nobody else.
    global _sender  # noqa: PLW0603 - one sender per process
    with _lock:
        if _sender is None or not _sender.is_alive():
            _sender = threading.Thread(target=_send_forever, name="job-announcer", daemon=True)
            _sender.start()


def _send_forever() -> None:
    from coder_admin.celery import WAKE_EXCHANGE

    from .tasks import drain_queue

    while True:
        tags = _outgoing.get()
        try:
            options: dict[str, Any] = {"retry": False, "ignore_result": True, "declare": [WAKE_EXCHANGE]}
            drain_queue.apply_async(args=(tags,), **options)
        except Exception as error:
            log.warning("job announcement failed", error=str(error))
