"""What the dispatcher measures (reference 1.4, prefix `coderd_notifications_`)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_QUEUED_BUCKETS = (0.1, 1, 5, 15, 30, 60, 120, 300, 600, 3600, 86400)
_SEND_BUCKETS = (0.001, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120)

ATTEMPTS = Counter(
    "coderd_notifications_dispatch_attempts_total",
    "Attempts to deliver a message, by their result.",
    ["method", "template_id", "result"],
)
RETRIES = Counter(
    "coderd_notifications_retry_count", "Attempts that will be repeated.", ["method", "template_id"]
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
    "coderd_notifications_inflight_dispatches", "Deliveries that run now.", ["method", "template_id"]
)

SUCCESS = "success"
TEMPORARY = "temp_fail"
PERMANENT = "perm_fail"
