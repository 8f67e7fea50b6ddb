"""The loop: a pass at start, then on its interval, at the next instant due, and when it is woken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.listening import LayerListener
from prebuilds.loader import EVERYTHING, Scope
from prebuilds.metrics import PASS_RESULTS, RECONCILIATION_DURATION, WAKE_UPS
from prebuilds.passes import Memory, Stats, reconcile_once
from prebuilds.wake import TOPIC

log = structlog.get_logger("coderd.prebuilds")

FALLBACK_INTERVAL = 300.0
# One commit announces several things: a pass waits this long for the rest of them. What comes while it runs
# waits for the next one anyway.
COALESCE_SECONDS = 0.03
RETRY_SECONDS = 0.5


class Wakeups:
    """Collects wake-ups from any thread until the loop takes them, all at once."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._templates: set[UUID] = set()
        self._all = False
        self._closed = False

    def is_closed(self) -> bool:
        """Whether the loop is to end."""
        return self._closed

    def add(self, template_id: UUID | None) -> None:
        """Note that one template's pools, or all, need a pass."""
        with self._condition:
            if template_id is None:
                self._all = True
            else:
                self._templates.add(template_id)
            self._condition.notify_all()

    def close(self) -> None:
        """Let every wait return, now and from now on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def take(self, timeout: float) -> Scope | None:
        """Wait for a wake-up and a little for more; None when the time ran out."""
        with self._condition:
            self._condition.wait_for(lambda: self._all or self._templates or self._closed, timeout)
            if self._closed or not (self._all or self._templates):
                return None
            self._condition.wait_for(lambda: self._closed, COALESCE_SECONDS)
            scope = EVERYTHING if self._all else Scope(frozenset(self._templates))
            self._templates.clear()
            self._all = False
            return scope


class Reconciler:
    """Runs passes in a thread. `stop` may come twice, or before `start`; a start after it does nothing."""

    def __init__(self, interval: float | None = None) -> None:
        wanted = settings.PREBUILDS_RECONCILIATION_INTERVAL if interval is None else interval
        self._interval = wanted if wanted > 0 else FALLBACK_INTERVAL
        self._wakeups = Wakeups()
        self._memory = Memory()
        self._thread: threading.Thread | None = None
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin with a pass over everything."""
        if self._thread is not None or self._wakeups.is_closed():
            return
        self._listen()
        self._thread = threading.Thread(target=self._run, name="prebuilds-reconciler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask the loop to end; returns at once, so that a signal handler may call it."""
        self._wakeups.close()

    def stop(self) -> None:
        """End after the preset that is being reconciled."""
        self.close()
        while self._undo:
            self._undo.pop()()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None

    def run(self) -> None:
        """The same in the calling thread, until `close` is called."""
        self._listen()
        self._run()
        self.stop()

    def _listen(self) -> None:
        self._undo.append(events.subscribe(TOPIC, self._on_event))
        listener = LayerListener(TOPIC, self._on_event)
        listener.start()
        self._undo.append(listener.stop)

    def _on_event(self, _topic: str, event: events.Event) -> None:
        template_id = event.get("template_id")
        try:
            self._wakeups.add(UUID(str(template_id)) if template_id else None)
        except ValueError:
            self._wakeups.add(None)

    def _run(self) -> None:
        log.info("reconciler started", interval_seconds=self._interval)
        timer_due = time.monotonic()
        early_due: float | None = None
        failed = 0  # passes in a row
        owed = True  # what happened before the start, nobody may have heard of
        while not self._wakeups.is_closed():
            due = timer_due if early_due is None else min(timer_due, early_due)
            scope = self._wakeups.take(max(due - time.monotonic(), 0.0))
            if self._wakeups.is_closed():
                break
            on_timer = time.monotonic() >= timer_due
            WAKE_UPS.labels("event" if scope else "timer" if on_timer else "due").inc()
            # Events may come without a pause; what is due is not put off for them.
            on_due = early_due is not None and time.monotonic() >= early_due
            owed = owed or on_due or scope is not None
            if on_timer or on_due or scope is None:
                scope = EVERYTHING
            stats = self._pass(scope)
            failed = failed + 1 if stats is None or stats.may_pass else 0
            owed = owed and not (stats is not None and stats.led)
            if scope is EVERYTHING:
                timer_due = time.monotonic() + self._interval
                early_due = None
            if failed:
                # What was to be done is still to be done: soon, and then less and less often.
                pause = min(RETRY_SECONDS * 2 ** min(failed, 10), self._interval)
                early_due = _earlier(early_due, time.monotonic() + pause)
            if stats is not None:
                early_due = _earlier(early_due, self._due(stats, owed=owed))
        connections.close_all()
        log.info("reconciler stopped")

    def _due(self, stats: Stats, *, owed: bool) -> float | None:
        """When, on the monotonic clock, the next pass is due before the timer. `owed`: this process was to do
        something, and another one led."""
        if owed:
            # The pass that the other one was in may have begun before the change, or never end.
            return time.monotonic() + RETRY_SECONDS
        if stats.next_due is None:
            return None
        return time.monotonic() + max((stats.next_due - timezone.now()).total_seconds(), 0.0)

    def _pass(self, scope: Scope) -> Stats | None:
        """One pass; a failure is logged and the loop goes on."""
        close_old_connections()
        with RECONCILIATION_DURATION.time():
            try:
                stats = reconcile_once(
                    scope=scope,
                    memory=self._memory,
                    stopping=self._wakeups.is_closed,
                    horizon=timedelta(seconds=self._interval),
                )
            except Exception:
                PASS_RESULTS.labels("error").inc()
                log.exception("pass failed")
                connections.close_all()
                return None
        PASS_RESULTS.labels(stats.result).inc()
        if stats.created or stats.deleted or stats.canceled or stats.errors:
            log.info(
                "pass",
                presets=stats.presets_reconciled,
                created=stats.created,
                deleted=stats.deleted,
                canceled=stats.canceled,
                errors=len(stats.errors),
                seconds=round(stats.elapsed, 3),
            )
        return stats


def _earlier(one: float | None, two: float | None) -> float | None:
    return min((moment for moment in (one, two) if moment is not None), default=None)
