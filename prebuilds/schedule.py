"""Cron expressions read as continuous ranges of local time (reference section 4).

`* 9-18 * * 1-5` covers 09:00:00.000 to 18:59:59.999, Monday to Friday, in the preset's zone. The rule:
truncate the instant to the minute in that zone and ask whether this minute matches. Since the minute
field is always `*`, the local hour decides. A local hour that a clock change skips never matches; one
that is repeated matches both times.

croniter parses an expression, once, into the sets of hours, days, months and weekdays it names; a match
is membership in these sets. Asking croniter for each instant would cost about 100 µs a time and would
fire a skipped spring hour one hour late.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import croniter

FIELD_NAMES = ("minute", "hour", "day of month", "month", "day of week")
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# No number is longer than four digits, as at the import (`coder_admin.parameters.cron`).
_PART = re.compile(
    r"(?:[*?]|(?P<low>[0-9a-z]{1,4})(?:-(?P<high>[0-9a-z]{1,4}))?)(?:/(?P<step>[0-9]{1,4}))?", re.IGNORECASE
)
_SHOWN = 256


class ScheduleError(ValueError):
    """A schedule that cannot be used; the message says what is wrong and what to write instead."""


@dataclass(frozen=True, slots=True)
class CronRange:
    """The local hours an expression covers. Weekdays count from Sunday = 0, as in cron."""

    expression: str
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def covers_day(self, month: int, day: int, weekday: int) -> bool:
        """Whether a date matches: both day fields when one of them is `*`, else either of them."""
        if month not in self.months:
            return False
        if self.any_day or self.any_weekday:
            return day in self.days and weekday in self.weekdays
        return day in self.days or weekday in self.weekdays

    def covers_local(self, local: datetime) -> bool:
        """Whether a local time, given in the schedule's zone, lies in the range."""
        return local.hour in self.hours and self.covers_day(local.month, local.day, local.isoweekday() % 7)

    def covers(self, instant: datetime, zone: ZoneInfo) -> bool:
        """Whether an aware instant, given in any zone, lies in the range."""
        return self.covers_local(instant.astimezone(zone))


@lru_cache(maxsize=4096)
def parse_cron(expression: str) -> CronRange:
    """Read a schedule's cron expression.

    Raises ScheduleError unless it has exactly the five fields `* HOUR DOM MONTH DOW` of the reference
    (section 4.2): no seconds, no descriptors, no zone prefix, the minute literally `*`.
    """
    fields, shown = expression.split(), _shown(expression)
    if len(fields) != len(FIELD_NAMES):
        raise ScheduleError(
            f'The schedule "{shown}" has {len(fields)} fields; write five: '
            "* HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK."
        )
    if fields[0] != "*":
        raise ScheduleError(
            f'The schedule "{shown}" has "{_shown(fields[0])}" in its minute field; write * there, since '
            "schedules cover whole hours."
        )
    canonical = " ".join(_canonical_field(shown, *item) for item in enumerate(fields))
    if not croniter.is_valid(canonical, strict=True):
        raise ScheduleError(f'The schedule "{shown}" is not a cron expression that can ever match.')
    _, hours, days, months, weekdays = croniter.expand(canonical)[0]
    return CronRange(
        expression=expression,
        hours=_members(hours, 1),
        days=_members(days, 2),
        months=_members(months, 3),
        weekdays=_members(weekdays, 4),
        any_day="*" in days,
        any_weekday="*" in weekdays,
    )


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _members(values: Sequence[int | str], position: int) -> frozenset[int]:
    low, high = _LIMITS[position]
    if "*" in values:
        return frozenset(range(low, high + 1))
    return frozenset(int(value) for value in values)


def _canonical_field(shown: str, position: int, text: str) -> str:
    """One field as croniter reads it rightly; refuses what it accepts beyond Coder's grammar.

    Refused are L, #, H, R, 7 for Sunday and ranges that wrap. Rewritten are `?`, which croniter takes in the
    day fields only, and ranges of one value: croniter reads the weekdays 1-1 as a whole week.
    """
    name, (low, high) = FIELD_NAMES[position], _LIMITS[position]
    parts: list[str] = []
    for part in text.split(","):
        bounds = _bounds(part, position)
        if bounds is None or not (low <= bounds[0] <= high and low <= bounds[1] <= high):
            raise ScheduleError(
                f'The schedule "{shown}" has "{_shown(part)}" in its {name} field; '
                f"write *, a number from {low} to {high}, a range or a list of them."
            )
        if bounds[0] > bounds[1]:
            raise ScheduleError(
                f'The schedule "{shown}" has "{_shown(part)}" in its {name} field, a range that ends '
                "before it begins; write it as two ranges."
            )
        is_single = "-" in part and bounds[0] == bounds[1]
        parts.append(str(bounds[0]) if is_single else part.replace("?", "*"))
    return ",".join(parts)


def _bounds(part: str, position: int) -> tuple[int, int] | None:
    """First and last number that one part of a field names, or None if it is not in the grammar."""
    match = _PART.fullmatch(part)
    if match is None or (match["step"] and int(match["step"]) == 0):
        return None
    if match["low"] is None:
        return _LIMITS[position]
    low = _number(match["low"], position)
    high = _number(match["high"], position) if match["high"] else low
    return None if low is None or high is None else (low, high)


def _number(text: str, position: int) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    lowered = text.lower()
    if position == 3 and lowered in _MONTH_NAMES:
        return _MONTH_NAMES.index(lowered) + 1
    if position == 4 and lowered in _DAY_NAMES:
        return _DAY_NAMES.index(lowered)
    return None


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises ScheduleError for an empty or unknown one."""
    if not name:
        raise ScheduleError("Scheduling needs a timezone; write an IANA name such as Europe/Berlin.")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ScheduleError(
            f'The timezone "{name}" is not known; write an IANA name such as Europe/Berlin.'
        ) from error
