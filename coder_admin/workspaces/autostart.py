"""Autostart schedules: `CRON_TZ=Europe/Berlin 30 9 * * 1-5`, and the instants they mean. Pure.

Coder's weekly form: minute, hour and weekdays; day of month and month are `*`. The days on which a
template lets workspaces start are a bit mask whose bit 0 is Monday.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

EVERY_DAY = 0b1111111
ZONE_PREFIX = "CRON_TZ="
_FIELD = re.compile(r"(?:[0-9*,/-]|sun|mon|tue|wed|thu|fri|sat)+\Z", re.IGNORECASE)
_RANGE_OF_ONE = re.compile(r"\b(\w+)-\1\b")  # croniter reads the weekdays 1-1 as a whole week
_SEARCHED = 16  # days: two weeks hold every weekday twice, whatever a clock change swallows


class ScheduleError(ValueError):
    """A schedule that cannot be used; the message says what is wrong and what to write instead."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """A readable schedule. `cron` holds five fields that croniter reads."""

    cron: str
    zone: ZoneInfo


@lru_cache(maxsize=4096)
def parse_weekly(text: str) -> Weekly:
    """Read a schedule. Raises ScheduleError."""
    words = text.split()
    zone_name = "UTC"
    if words and words[0].startswith(ZONE_PREFIX):
        zone_name = words.pop(0).removeprefix(ZONE_PREFIX)
    if len(words) != 5:
        raise ScheduleError(
            f'The schedule "{text[:80]}" has {len(words)} fields; write five, such as '
            '"CRON_TZ=Europe/Berlin 30 9 * * 1-5".'
        )
    if words[2] != "*" or words[3] != "*":
        raise ScheduleError(
            f'The schedule "{text[:80]}" names a day of month or a month; both must be * (a week repeats).'
        )
    cron = _RANGE_OF_ONE.sub(r"\1", " ".join(words))
    if not all(_FIELD.match(word) for word in words) or not _readable(cron):
        raise ScheduleError(f'The schedule "{text[:80]}" is not a cron expression that can ever match.')
    return Weekly(cron, _zone(zone_name))


def _readable(cron: str) -> bool:
    try:
        return bool(croniter.is_valid(cron, strict=True))
    except (ValueError, KeyError, OverflowError):
        return False


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f'"{name[:64]}" is not a time zone; write one such as Europe/Berlin.') from None


def next_start(schedule: Weekly, after: datetime, *, days: int = EVERY_DAY) -> datetime | None:
    """The first instant (UTC) later than `after` at which the schedule fires on an allowed local day.

    None when no allowed day ever comes. A local time that a clock change skips fires as soon as the clock
    has moved on: whoever set 02:30 wants the workspace that morning too.
    """
    moment = after.astimezone(schedule.zone)
    last = moment + timedelta(days=_SEARCHED)
    while moment <= last:
        moment = croniter(schedule.cron, moment).get_next(datetime)
        if days & 1 << moment.weekday():
            return moment.astimezone(UTC)
        # On to the end of this day: a schedule may fire every minute of a day that is not allowed.
        moment = moment.replace(hour=23, minute=59, second=59, fold=1)
    return None


def day_names(days: int) -> tuple[str, ...]:
    """The allowed days in words, from Monday on."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return tuple(name for bit, name in enumerate(names) if days & 1 << bit)
