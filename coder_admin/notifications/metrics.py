"""What the dispatcher measures (reference 1.4, prefix `coderd_notifications_`)."""

from __future__ import annotations

import uuid
from collections import Counter as TimesSeen
from collections.abc import Iterable
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

_QUEUED_BUCKETS = (0.1, 1, 5, 15, 30, 60, 120, 300, 600, 3600, 86400)
_SEND_BUCKETS = (0.001, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120)

ATTEMPTS = Counter(
    "coderd_notifications_dispatch_attempts_total",
    "Attempts to deliver a message, by their result.",
    ["method", "template_id", "result"],
)
# Its name has no `_total`, which the client library would add to a counter's; it only ever grows.
RETRIES = Gauge(
    "coderd_notifications_retry_count",
    "Attempts that will be repeated.",
    ["method", "template_id"],
    multiprocess_mode="sum",
)
# Without template_id, to bound the number of series.
QUEUED_SECONDS = Histogram(
    "coderd_notifications_queued_seconds",
    "How long messages waited before an attempt.",
    ["method"],
    buckets=_QUEUED_BUCKETS,
)
SEND_SECONDS = Histogram(
    "coderd_notifications_dispatcher_send_seconds",
    "How long deliveries took.",
    ["method"],
    buckets=_SEND_BUCKETS,
)
IN_FLIGHT = Gauge(
    "coderd_notifications_inflight_dispatches",
    "Deliveries that run now.",
    ["method", "template_id"],
    multiprocess_mode="livesum",
)
PENDING_UPDATES = Gauge(
    "coderd_notifications_pending_updates",
    "Results of deliveries that are not stored yet.",
    multiprocess_mode="livesum",
)
SYNCED_UPDATES = Counter(
    "coderd_notifications_synced_updates_total", "Results of deliveries that were stored."
)

SUCCESS = "success"
TEMPORARY = "temp_fail"
PERMANENT = "perm_fail"


class Attempted(Protocol):
    """What an attempt was made at."""

    @property
    def method(self) -> str: ...

    @property
    def notification_template_id(self) -> uuid.UUID: ...


def count_attempts(messages: Iterable[Attempted], result: str) -> None:
    """One attempt at each of the messages and its result."""
    counts = TimesSeen((message.method, message.notification_template_id) for message in messages)
    for (method, kind_id), count in counts.items():
        ATTEMPTS.labels(method, str(kind_id), result).inc(count)


def observe_queued(method: str, seconds: Iterable[float]) -> None:
    """How long messages waited for this attempt."""
    observed = QUEUED_SECONDS.labels(method)
    for each in seconds:
        observed.observe(each)


def observe_sent(method: str, seconds: Iterable[float]) -> None:
    """How long deliveries took."""
    observed = SEND_SECONDS.labels(method)
    for each in seconds:
        observed.observe(each)
