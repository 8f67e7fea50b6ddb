"""Prometheus series of the pools (reference section 6).

A scrape sends a text that is ready and nothing else; a thread makes it at once and then every minute, since
to write down the series of thousands of pools takes longer than a scrape may. Everything is derived from the
database, so every replica says the same, and what is deleted vanishes at the next refresh. A refresh that
fails, or takes too long, keeps the old state, which `metrics_last_updated` betrays.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import structlog
from django.db import connections
from django.utils import timezone
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from prebuilds.consistent import time_limit
from prebuilds.metrics_state import Durations, MetricsState, Pool, load_metrics

log = structlog.get_logger("coderd.prebuilds")

REFRESH_SECONDS = 60.0
REFRESH_LIMIT_SECONDS = 10.0
LABELS = Pool._fields
_P = "coderd_prebuilt_workspaces_"

# The names are a contract; the client would add a `…_created` series to each of its own.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the client does not annotate it

# Filled by the reconciler of this process.
RECONCILIATION_DURATION = Histogram(
    "coderd_prebuilds_reconciliation_duration_seconds",
    "How long one reconciliation pass took, in seconds.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=None,
)
WAKE_UPS = Counter(
    "coderd_prebuilds_reconciliation_wakeups",
    "Reconciliation passes by what started them.",
    labelnames=("cause",),
    registry=None,
)
PASS_RESULTS = Counter(
    "coderd_prebuilds_reconciliation_passes",
    "Reconciliation passes by result: done, not_leader, paused or error.",
    labelnames=("result",),
    registry=None,
)


class MetricsCache:
    """The state that scrapes show, and its text; replaced as a whole."""

    def __init__(self) -> None:
        self.is_kept = False  # whether a refresher of this process was ever started
        self.state: MetricsState | None = None
        self._text: bytes | None = None

    def refresh(self) -> None:
        """Read the state anew from the database and write it down."""
        with time_limit(REFRESH_LIMIT_SECONDS):
            state = load_metrics(timezone.now())
        text = _written(state)
        self.state, self._text = state, text

    def clear(self) -> None:
        """Forget everything, as before the first refresh."""
        self.state = self._text = None

    def text(self) -> bytes:
        """The series of all pools in Prometheus's text format."""
        if self._text is None:
            log.warning("no pool metrics yet: the cache was never filled")
            return _written(None)
        return self._text


CACHE = MetricsCache()


def _written(state: MetricsState | None) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_PoolsCollector(state))
    return generate_latest(registry)


class _PoolsCollector(Collector):
    """Turns a state into series."""

    def __init__(self, state: MetricsState | None) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        yield from _deployment(self._state)
        if self._state is None:
            return
        yield from _gauges(self._state)
        yield from _counters(self._state)
        yield from _histograms(self._state)
        yield _outcomes(self._state)


# The series of this process's reconciler; those of the pools are `CACHE.text()`.
RECONCILER_COLLECTORS: tuple[Collector, ...] = (RECONCILIATION_DURATION, WAKE_UPS, PASS_RESULTS)


def register_collectors(registry: CollectorRegistry) -> None:
    """Add the series of this process's reconciler to a registry."""
    for collector in RECONCILER_COLLECTORS:
        registry.register(collector)


class MetricsRefresher:
    """Keeps the cache fresh; `start` and `stop` may be called in any order, any number of times."""

    def __init__(self, interval: float = REFRESH_SECONDS) -> None:
        self._interval = interval
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Refresh at once and from then on, in a thread."""
        if self._thread is None and not self._stopping.is_set():
            CACHE.is_kept = True
            self._thread = threading.Thread(target=self._run, name="prebuilds-metrics", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the refresh that is under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    def _run(self) -> None:
        while True:
            try:
                CACHE.refresh()
            except Exception:
                log.exception("pool metrics not refreshed")
            finally:
                connections.close_all()
            if self._stopping.wait(self._interval):
                return


_keeping = threading.Lock()


def keep_fresh() -> None:
    """Keep the cache of this process fresh from now on, if nobody does: `up` has a refresher among its
    parts, a web server that runs by itself gets one at its first scrape."""
    with _keeping:
        if not CACHE.is_kept:
            MetricsRefresher().start()


def _deployment(state: MetricsState | None) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        f"{_P}metrics_last_updated",
        "When the cached state of these metrics was read, in unix seconds; 0 before the first time.",
        value=state.updated_at.timestamp() if state else 0,
    )
    yield GaugeMetricFamily(
        f"{_P}reconciliation_paused",
        "Whether reconciliation of all pools is paused (1 yes, 0 no).",
        value=int(state.paused) if state else 0,
    )


def _gauges(state: MetricsState) -> Iterator[Metric]:
    series = (
        ("desired", "Prebuilt workspaces wanted now, schedules applied.", lambda g: g.state.desired),
        ("running", "Prebuilt workspaces that run, ready or not.", lambda g: g.state.actual),
        ("eligible", "Prebuilt workspaces that can be claimed now.", lambda g: g.state.eligible),
        (
            "preset_hard_limited",
            "Whether a preset has reached the hard failure limit (1 yes, 0 no).",
            lambda g: int(g.hard_limited),
        ),
        (
            "preset_validation_failed",
            "Whether a preset's builds are refused as invalid (1 yes, 0 no).",
            lambda g: int(g.validation_failed),
        ),
    )
    for name, help_text, value in series:
        family = GaugeMetricFamily(f"{_P}{name}", help_text, labels=LABELS)
        for pool, gauges in state.gauges.items():
            family.add_metric(pool, value(gauges))
        yield family


def _counters(state: MetricsState) -> Iterator[Metric]:
    counters = state.counters
    series: tuple[tuple[str, str, Mapping[Pool, int]], ...] = (
        ("created", "Prebuilt workspaces ever created.", {k: v.created for k, v in counters.items()}),
        (
            "failed",
            "Prebuilt workspaces whose first build failed.",
            {k: v.failed for k, v in counters.items()},
        ),
        (
            "claimed",
            "Prebuilt workspaces that were claimed by a user.",
            {k: v.claimed for k, v in counters.items()},
        ),
        ("resource_replacements", "Claims that replaced resources of the prebuild.", state.replacements),
        ("misses", "Workspaces wanted from a pool that had none to give.", state.misses),
    )
    for name, help_text, values in series:
        family = CounterMetricFamily(f"{_P}{name}", help_text, labels=LABELS)
        for pool, value in values.items():
            family.add_metric(pool, value)
        yield family


def _histograms(state: MetricsState) -> Iterator[Metric]:
    series = (
        (
            "coderd_prebuilt_workspace_claim_duration_seconds",
            "How long the build of a claim took.",
            state.claim_build,
        ),
        (
            "coderd_prebuilt_workspace_claim_wait_seconds",
            "How long a claimer waited from the request to the running workspace.",
            state.claim_wait,
        ),
    )
    for name, help_text, values in series:
        family = HistogramMetricFamily(name, help_text, labels=LABELS)
        for pool, durations in values.items():
            family.add_metric(pool, buckets=_buckets(durations), sum_value=durations.seconds)
        yield family
    family = HistogramMetricFamily(
        "coderd_workspace_creation_duration_seconds",
        "How long the first build of a workspace took, by type: regular or prebuild.",
        labels=(*LABELS, "type"),
    )
    for (pool, kind), durations in state.creation.items():
        family.add_metric((*pool, kind), buckets=_buckets(durations), sum_value=durations.seconds)
    yield family


def _outcomes(state: MetricsState) -> Metric:
    family = CounterMetricFamily(
        "coderd_provisionerd_workspace_creation_outcomes",
        "First builds of ordinary workspaces by status: success or failure.",
        labels=("organization_name", "template_name", "preset_name", "status"),
    )
    for (pool, status), count in state.outcomes.items():
        family.add_metric((pool.organization_name, pool.template_name, pool.preset_name, status), count)
    return family


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    pairs = zip(durations.bounds, durations.counts, strict=True)
    return [*((f"{float(bound)}", float(count)) for bound, count in pairs), ("+Inf", float(durations.total))]
