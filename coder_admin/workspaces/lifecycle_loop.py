"""The executor as a part of a running program: a thread that makes a pass every minute, and when one is due.

Only the holder of the lease works; the others stand by.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

from coder_admin.foundation.leases import lease

from .executor import Pass, Refusals, next_instant, run_pass

log = structlog.get_logger(__name__)

LEASE_NAME = "workspace-lifecycle"
LEASE_PERIOD = timedelta(minutes=5)


class LifecycleExecutor:
    """`start` and `stop` return soon and may come twice; `run` does the same in the calling thread."""

    def __init__(self, interval: float | None = None) -> None:
        self._interval = settings.LIFECYCLE_INTERVAL_SECONDS if interval is None else interval
        self._refusals = Refusals()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None and not self._closed.is_set():
            self._thread = threading.Thread(target=self.run, name="workspace-lifecycle", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ask the loop to end; returns at once, so that a signal handler may call it."""
        self._closed.set()

    def stop(self) -> None:
        """End after the pass under way."""
        self.close()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None

    def run(self) -> None:
        """Make passes until `close` is called."""
        while not self._closed.is_set():
            self._closed.wait(self._pass())
        connections.close_all()

    def once(self) -> Pass | None:
        """One pass now; None when another process does it."""
        with lease(LEASE_NAME, period=LEASE_PERIOD) as held:
            return run_pass(timezone.now(), self._refusals) if held is not None else None

    def _pass(self) -> float:
        """A pass, and the seconds until the next; a failure is logged and the loop goes on."""
        close_old_connections()
        try:
            found = self.once()
            upcoming = next_instant(timezone.now())
        except Exception:
            log.exception("pass of the lifecycle executor failed")
            connections.close_all()
            return self._interval
        if found is not None and found.done:
            log.info("automatic steps", done=len(found.done), refused=len(found.refused))
        if upcoming is None:
            return self._interval
        wait = (upcoming - timezone.now()).total_seconds()
        return min(self._interval, max(wait, 0.0) + 0.05)
