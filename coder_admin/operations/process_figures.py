"""Memory, processor time and open files of this process, read beside the scrapes and not in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)


class ProcessFigures(Collector):
    """What `source` told at the scrape before; each scrape has it read anew on a thread.

    A reading is a dozen small files, and after each of them a request waits for its turn to run: while a
    reconciliation pass is at work that made a scrape ten times as long.
    """

    def __init__(self, source: Collector) -> None:
        self._source = source
        self._figures: Sequence[Metric] = ()
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    def collect(self) -> Iterator[Metric]:
        """The figures of the last scrape; of now at the first one."""
        with self._lock:
            if self._reader is None:
                self._figures = tuple(self._source.collect())
                self._reader = threading.Thread(target=self._read, name="process-figures", daemon=True)
                self._reader.start()
        self._wanted.set()
        return iter(self._figures)

    def _read(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                self._figures = tuple(self._source.collect())
            except Exception:  # a file of /proc that cannot be read: the figures stay
                log.exception("process figures not read")
