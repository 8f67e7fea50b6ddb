"""The process's own figures are those of the scrape before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from coder_admin.operations.process_figures import ProcessFigures


class Readings(Collector):
    """Counts its readings and who made them; the second one fails."""

    def __init__(self) -> None:
        self.count = 0
        self.threads: list[str] = []

    def collect(self) -> Iterator[Metric]:
        self.count += 1
        self.threads.append(threading.current_thread().name)
        if self.count == 2:
            raise OSError("no such file")
        yield GaugeMetricFamily("readings", "", value=self.count)


def shown(figures: ProcessFigures) -> float:
    return float(next(figures.collect()).samples[0].value)


def test_a_scrape_tells_what_was_read_beside_the_one_before() -> None:
    readings = Readings()
    figures = ProcessFigures(readings)
    assert shown(figures) == 1, "the first one waits for its reading"
    deadline = time.monotonic() + 60
    while shown(figures) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert readings.threads[0] == threading.current_thread().name
    assert set(readings.threads[1:]) == {"process-figures"}, "a failed reading does not end it"
