"""A scrape of /metrics with 10,000 pools, alone and while a reconciliation pass runs."""

from __future__ import annotations

import gc
import threading
import time

from .figure import Figure
from .reconcile import database, make_pools

SCRAPES = 200
TEMPLATES = 3_334


def measure() -> list[Figure]:
    """Milliseconds at the 99th percentile, and statements of a scrape."""
    with database():
        from django.db import connection
        from django.test import Client, override_settings
        from django.test.utils import CaptureQueriesContext

        from prebuilds.metrics import CACHE

        make_pools(500, templates=TEMPLATES)
        CACHE.refresh()
        gc.collect()
        gc.freeze()  # as `up` does
        with override_settings(METRICS_OPEN=True):
            client = Client(HTTP_HOST="localhost")
            with CaptureQueriesContext(connection) as queries:
                size = len(client.get("/metrics").content)
            alone = _p99(client)
            with _passes():
                meanwhile = _p99(client)
    return [
        Figure(f"scrape, 10,000 pools, {size / 2**20:.1f} MiB, p99", alone, 50, "ms"),
        Figure("the same while a pass runs, p99", meanwhile, 50, "ms"),
        Figure("that against a scrape alone", meanwhile, alone, "ms"),
        Figure("statements of a scrape (a goal of none)", float(len(queries)), 1, ""),
    ]


def _p99(client: object) -> float:
    taken = []
    for _ in range(SCRAPES):
        begun = time.perf_counter()
        client.get("/metrics")  # type: ignore[attr-defined]
        taken.append(1000 * (time.perf_counter() - begun))
    return sorted(taken)[int(SCRAPES * 0.99)]


class _passes:
    """Reconciliation passes one after the other, in a thread of this process as in `up`."""

    def __enter__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        from django.db import connections

        from prebuilds.passes import Memory, reconcile_once

        memory = Memory()
        while not self._over.is_set():
            reconcile_once(memory=memory)
        connections.close_all()
