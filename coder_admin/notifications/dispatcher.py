"""The notifier: takes messages off the outbox and delivers them (reference 1.4).

Three threads, so that none waits for another: one for the inbox, which needs the database only, one for
what leaves the house, and one for what is to be done now and then.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import close_old_connections, connections

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.listening import LayerListener

from . import lanes, outbox
from .chores import Round
from .wake import WAKE

log = structlog.get_logger(__name__)

INBOX_BATCH = 1_000


class Notifier:
    """Delivers until stopped. Any number may run against one database; each message goes to one of them.

    After a hard kill the leases run out and the messages are delivered by somebody else: at least once.
    """

    def __init__(self) -> None:
        check_settings()
        self.id = uuid.uuid4()
        limits = outbox.Limits(
            lease=timedelta(seconds=settings.NOTIFICATIONS_LEASE_PERIOD),
            batch=settings.NOTIFICATIONS_LEASE_COUNT,
            max_attempts=settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS,
            retry_interval=timedelta(seconds=settings.NOTIFICATIONS_RETRY_INTERVAL),
        )
        self._inbox = lanes.InboxLane(limits, batch=max(limits.batch, INBOX_BATCH))
        self._outside = lanes.OutsideLane(self.id, limits)
        self._round = Round()
        self._stopping = threading.Event()
        self._loops = [
            Loop("notifier-inbox", self._inbox.step, self._stopping),
            Loop("notifier-outside", self._outside.step, self._stopping),
            Loop("notifier-chores", self._round.run_due, self._stopping),
        ]
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to deliver on threads of its own."""
        self._undo.append(events.subscribe(WAKE, self._wake))
        listener = LayerListener(WAKE, self._wake)
        listener.start()
        self._undo.append(listener.stop)
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Finish what is under way, record it, then end. Harmless when not started."""
        self._stopping.set()
        while self._undo:
            self._undo.pop()()
        for loop in self._loops:
            loop.end(settings.NOTIFICATIONS_DISPATCH_TIMEOUT + 5)
        self._outside.close()

    def deliver_batch(self) -> int:
        """Deliver what is due now, at most one batch each way, in the calling thread; how many it were."""
        return self._inbox.deliver() + self._outside.deliver()

    def _wake(self, _topic: str, _event: events.Event) -> None:
        for loop in self._loops[:2]:
            loop.wake()


class Loop:
    """A thread that calls `step` until told to stop; `step` returns how many seconds it may rest."""

    def __init__(self, name: str, step: Callable[[], float], stopping: threading.Event) -> None:
        self._step = step
        self._stopping = stopping
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def end(self, within: float) -> None:
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(within)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._woken.clear()
                close_old_connections()
                try:
                    rest = self._step()
                except Exception:  # a database that is away must not end the thread
                    log.exception("notifier failed, trying again", thread=self._thread.name)
                    rest = settings.NOTIFICATIONS_FETCH_INTERVAL
                if rest > 0:
                    self._woken.wait(rest)
        finally:
            connections.close_all()


def check_settings() -> None:
    """Raise Invalid for settings that contradict each other."""
    if settings.NOTIFICATIONS_DISPATCH_TIMEOUT >= settings.NOTIFICATIONS_LEASE_PERIOD:
        raise Invalid(
            "CODER_NOTIFICATIONS_DISPATCH_TIMEOUT must be less than CODER_NOTIFICATIONS_LEASE_PERIOD, "
            "or a slow delivery would be repeated by another notifier."
        )
