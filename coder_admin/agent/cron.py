"""Cron expressions of scripts: five fields, or six with seconds first (the coder provider's form)."""

from __future__ import annotations

import time
from typing import NamedTuple

_FIELDS = (
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
)
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMED = {
    "month": {name: number for number, name in enumerate(_MONTH_NAMES, 1)},
    "weekday": {name: number for number, name in enumerate(_WEEKDAY_NAMES)},
}


class CronError(ValueError):
    """The expression cannot be read; the text says which field."""


class Cron(NamedTuple):
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 = Sunday
    any_day: bool
    any_weekday: bool

    def seconds_within(self, minute: time.struct_time) -> tuple[int, ...]:
        """The seconds of this minute (local time) at which the script is due; mostly none.

        Day and weekday are alternatives when both are restricted, as in every cron since Version 7.
        """
        if minute.tm_min not in self.minutes or minute.tm_hour not in self.hours:
            return ()
        if minute.tm_mon not in self.months:
            return ()
        day = minute.tm_mday in self.days
        weekday = (minute.tm_wday + 1) % 7 in self.weekdays
        due = (day or weekday) if not (self.any_day or self.any_weekday) else (day and weekday)
        return tuple(sorted(self.seconds)) if due else ()


def parse_cron(expression: str) -> Cron:
    """Read `minute hour day month weekday`, or the same with seconds in front. Raises CronError."""
    words = expression.lower().split()
    if len(words) == 5:
        words.insert(0, "0")
    if len(words) != 6:
        raise CronError(f"{expression!r} has {len(words)} fields: give five, or six with seconds in front")
    second, minute, hour, day, month, weekday = (
        _field(word, *field) for word, field in zip(words, _FIELDS, strict=True)
    )
    return Cron(
        second,
        minute,
        hour,
        day,
        month,
        frozenset(number % 7 for number in weekday),
        any_day=words[3] in ("*", "?"),
        any_weekday=words[5] in ("*", "?"),
    )


def _field(word: str, name: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for part in word.split(","):
        span, slash, step_text = part.partition("/")
        step = int(step_text) if step_text.isdecimal() else 1
        if (slash and not step_text.isdecimal()) or step == 0:
            raise CronError(f"cron field {name}: bad step in {part!r}")
        if span in ("*", "?"):
            first, last = low, 6 if name == "weekday" else high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name)
            last = _number(end, name) if dash else (high if slash else first)
        if not low <= first <= last <= high:
            raise CronError(f"cron field {name}: {part!r} is outside {low} to {high}")
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _number(text: str, name: str) -> int:
    named = _NAMED.get(name, {}).get(text)
    if named is not None:
        return named
    if not text.isdecimal():
        raise CronError(f"cron field {name}: {text!r} is not a number")
    return int(text)
