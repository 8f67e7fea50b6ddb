"""When a running workspace stops by itself. Pure: durations in milliseconds, as the rows hold them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST_EXTENSION = timedelta(minutes=30)
# A bump that would move the deadline by less than this share of its length is not worth a write.
_WORTH = 0.05


@dataclass(frozen=True, slots=True)
class AutostopPolicy:
    """What a template says: its default time to live, its longest life, and what activity adds."""

    allow_user_autostop: bool
    default_ttl_ms: int
    max_ttl_ms: int
    activity_bump_ms: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """`deadline` None: it runs until somebody stops it. `latest` None: no limit to extensions."""

    deadline: datetime | None
    latest: datetime | None


def ttl_of(policy: AutostopPolicy, own_ttl_ms: int | None) -> int:
    """The time to live that holds; 0 for none. The template's own when people may not choose."""
    if not policy.allow_user_autostop:
        return policy.default_ttl_ms
    return own_ttl_ms or 0


def at_start(policy: AutostopPolicy, own_ttl_ms: int | None, now: datetime) -> Deadlines:
    """The deadlines of a build that has just started a workspace."""
    latest = now + _ms(policy.max_ttl_ms) if policy.max_ttl_ms else None
    ttl = ttl_of(policy, own_ttl_ms)
    deadline = now + _ms(ttl) if ttl else None
    return Deadlines(_earlier(deadline, latest), latest)


def after_activity(
    policy: AutostopPolicy,
    own_ttl_ms: int | None,
    current: Deadlines,
    *,
    next_start: datetime | None,
    now: datetime,
) -> datetime | None:
    """The deadline after somebody worked in the workspace, or None when it stays as it is.

    One that reaches the next autostart lasts as if that start had happened: nobody is stopped at nine in
    the morning who would be started at nine.
    """
    bump = _ms(policy.activity_bump_ms)
    if current.deadline is None or not bump:
        return None
    wanted = now + bump
    ttl = ttl_of(policy, own_ttl_ms)
    if next_start is not None and ttl and now < next_start <= wanted:
        wanted = next_start + _ms(ttl)
    limited = _earlier(wanted, current.latest)
    if limited is None or limited - current.deadline < bump * _WORTH:
        return None
    return limited


def extension_problem(wanted: datetime, current: Deadlines, now: datetime) -> str:
    """Why a deadline cannot be moved to `wanted`; empty when it can."""
    if wanted < now + SHORTEST_EXTENSION:
        return "The new deadline must be at least 30 minutes in the future."
    if current.latest is not None and wanted > current.latest:
        return f"The template lets a workspace run until {current.latest:%Y-%m-%d %H:%M} UTC at most."
    return ""


def _ms(value: int) -> timedelta:
    return timedelta(milliseconds=value)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
