"""Hearing of jobs that other processes created: a Celery worker that only listens for the wake message."""

from __future__ import annotations

import threading
from typing import Any

import structlog

from . import wake

log = structlog.get_logger(__name__)


class BrokerListener:
    """A Celery worker on a thread of its own. It reconnects by itself; while it is away, sweeps find jobs."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.should_stop = True
            try:
                self._worker.stop(in_sighandler=True)
            except Exception as error:
                log.debug("broker listener did not stop in order", error=str(error))
        self._thread.join(timeout=3)

    def _run(self) -> None:
        from celery.signals import worker_ready

        from coder_admin.celery import WAKE_QUEUE, app

        # What was announced before this process listened is found by a look of its own.
        worker_ready.connect(_look, weak=False, dispatch_uid="provisioner-wake")

        try:
            self._worker = app.WorkController(
                pool="solo",
                concurrency=1,
                queues=[WAKE_QUEUE],
                without_mingle=True,
                without_gossip=True,
                without_heartbeat=True,
                loglevel="WARNING",
            )
            self._worker.start()
        except Exception as error:
            log.warning("broker listener ended", error=str(error))


def _look(**signal: Any) -> None:
    wake.wake_local({})
