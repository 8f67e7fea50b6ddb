"""When a pass is due before the timer: the instants at which a pool changes by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from prebuilds.actions import backoff_until
from prebuilds.desired import next_changes
from prebuilds.snapshot import Config, PresetSnapshot

# Expiry and backoff are strict comparisons: a pass at the very instant would still find nothing.
_AFTER = timedelta(milliseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)


def next_due(
    parts: Iterable[PresetSnapshot], now: datetime, config: Config, horizon: timedelta
) -> datetime | None:
    """The next instant within `horizon` at which some preset needs a pass: the end of a backoff, of the
    retention of a failed prebuild, of the patience with one that is not ready, the expiry of a prebuild, the
    edge of a schedule."""
    horizon = min(horizon, _LAST - now)
    instants = [instant for part in parts for instant in _instants(part, now, config, horizon)]
    return min((instant for instant in instants if now < instant <= now + horizon), default=None)


def _instants(part: PresetSnapshot, now: datetime, config: Config, horizon: timedelta) -> Iterator[datetime]:
    until = backoff_until(part, now, config)
    if until is not None:
        yield from _past(until, timedelta())
    if config.failed_retention is not None:
        for row in part.failed:
            yield from _past(row.built_at, config.failed_retention)
    if not part.preset.is_active:
        return
    if config.not_ready_limit is not None:
        for prebuild in part.running:
            if not prebuild.ready:
                yield from _past(prebuild.built_at or prebuild.created_at, config.not_ready_limit)
    ttl = part.preset.ttl_seconds
    if ttl and 0 < ttl <= timedelta.max.total_seconds() and part.running:
        oldest = min(prebuild.created_at for prebuild in part.running)
        yield from _past(oldest, timedelta(seconds=ttl))
    if part.schedules:
        changes = next_changes(part.preset, part.schedules, now, limit=1, horizon=horizon)
        yield from (change.at for change in changes)


def _past(begin: datetime, span: timedelta) -> Iterator[datetime]:
    """Just after the end of a span; nothing for one that ends beyond the calendar."""
    try:
        yield begin + span + _AFTER
    except OverflowError:
        return
