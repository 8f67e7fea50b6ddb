"""Whether the schedules of one preset contradict each other (reference section 4.3). Pure.

Two expressions collide when some hour of the calendar belongs to both: the fields are expanded to sets, so
that steps and names are understood. Coder decides on plain numbers, ranges and lists only, and its rule for
days approximates cron's "either day field suffices". Where it can read both expressions its verdict stands,
so that a template it accepts is accepted here too; the first schedule then has the hours they share.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from prebuilds.schedule import CronRange, ScheduleError, load_zone, parse_cron

_PLAIN = re.compile(r"\*|[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")
_WEEK = (1, 2, 3, 4, 5, 6, 0)  # Monday first, numbered as in cron


@dataclass(frozen=True, slots=True)
class Collision:
    """Two expressions that cover the same hour, an hour of the week in which they do, and such a date.

    Without a date Coder's verdict alone says so: the fields meet on a date that no calendar has.
    """

    first: str
    second: str
    weekday: int
    hour: int
    date: tuple[int, int] | None = None

    def __str__(self) -> str:
        when = f"{calendar.day_name[(self.weekday - 1) % 7]} {self.hour:02d}:00 to {self.hour:02d}:59"
        example = ""
        if self.date is not None:
            month, day = self.date
            example = f", for instance on {calendar.month_name[month]} {day}"
        return (
            f'Schedules "{self.first}" and "{self.second}" overlap: both cover {when}{example}. '
            "Change one of them so that each hour has a single size."
        )


@lru_cache(maxsize=4096)
def find_collision(first: str, second: str) -> Collision | None:
    """An hour that two expressions both cover, or None. Raises ScheduleError for one that is no schedule."""
    one, two = parse_cron(first), parse_cron(second)
    if not (_is_plain(first) and _is_plain(second)):
        return _shared_hour(one, two)
    if not _plain_verdict(one, two):
        return None
    return _shared_hour(one, two) or Collision(
        first, second, _first_weekday(one.weekdays & two.weekdays), min(one.hours & two.hours)
    )


def _is_plain(expression: str) -> bool:
    return all(_PLAIN.fullmatch(field) for field in expression.split())


def _plain_verdict(one: CronRange, two: CronRange) -> bool:
    """Coder's rule: months, then days, then hours must meet."""
    return bool(one.months & two.months) and _days_meet(one, two) and bool(one.hours & two.hours)


def _days_meet(one: CronRange, two: CronRange) -> bool:
    weekdays, days = bool(one.weekdays & two.weekdays), bool(one.days & two.days)
    if one.any_day or two.any_day:
        return weekdays
    if one.any_weekday or two.any_weekday:
        return days
    return days or weekdays


def _shared_hour(one: CronRange, two: CronRange) -> Collision | None:
    """Every combination of weekday and existing date occurs within the calendar's cycle of 400 years, so
    two expressions share an hour exactly if some (month, day, weekday, hour) belongs to both."""
    hours = one.hours & two.hours
    if not hours:
        return None
    for month in sorted(one.months & two.months):
        for day in range(1, _longest(month) + 1):
            for weekday in _WEEK:
                if one.covers_day(month, day, weekday) and two.covers_day(month, day, weekday):
                    return Collision(one.expression, two.expression, weekday, min(hours), (month, day))
    return None


def _longest(month: int) -> int:
    return 29 if month == 2 else calendar.monthrange(2001, month)[1]


def _first_weekday(weekdays: frozenset[int]) -> int:
    return next((day for day in _WEEK if day in weekdays), _WEEK[0])


@lru_cache(maxsize=4096)
def schedule_problems(timezone: str, schedules: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """Everything that is wrong with the schedules of one preset, as sentences; empty if usable.

    `schedules` are pairs of cron expression and size. No schedule at all is always fine.
    """
    if not schedules:
        return ()
    problems: list[str] = []
    try:
        load_zone(timezone)
    except ScheduleError as error:
        problems.append(str(error))
    usable: list[str] = []
    for expression, instances in schedules:
        if instances < 0:
            problems.append(
                f'The schedule "{expression}" asks for {instances} instances; the smallest size is 0.'
            )
        try:
            parse_cron(expression)
        except ScheduleError as error:
            problems.append(str(error))
        else:
            usable.append(expression)
    collisions = (find_collision(first, second) for first, second in combinations(usable, 2))
    problems.extend(str(collision) for collision in collisions if collision)
    return tuple(problems)
