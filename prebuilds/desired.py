"""How many prebuilds a preset wants: now, in every hour of a week, and when that changes next.

Pure. Broken schedules never stop a pool: its base size applies and the problems are told (section 4.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from prebuilds.overlap import schedule_problems
from prebuilds.schedule import load_zone, parse_cron
from prebuilds.snapshot import Preset, Schedule

# Offsets of all zones of today are multiples of a quarter of an hour, and so are their changes.
_QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)
# No clock goes back by more than three hours at once.
_FARTHEST_BACK = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Desired:
    """A wished size, the schedule that gave it (None = base size) and what is wrong with the schedules."""

    instances: int
    schedule: Schedule | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` (UTC) on, a preset wants `instances` prebuilds, because of `schedule` (None = base size)."""

    at: datetime
    instances: int
    schedule: Schedule | None


@dataclass(frozen=True, slots=True)
class WeekMap:
    """Wished sizes of one local week: `hours[0]` is Monday; None where a clock change skips the hour."""

    monday: date
    timezone: str
    hours: tuple[tuple[int | None, ...], ...]


def desired_instances(preset: Preset, schedules: Sequence[Schedule], now: datetime) -> Desired:
    """The size wanted at `now`: that of the first schedule that covers it, else the base size."""
    if not schedules:
        return Desired(_base(preset))
    problems = preset_schedule_problems(preset, schedules)
    if problems:
        return Desired(_base(preset), problems=problems)
    local = now.astimezone(load_zone(preset.scheduling_timezone))
    return _at_local(preset, schedules, local)


def preset_schedule_problems(preset: Preset, schedules: Sequence[Schedule]) -> tuple[str, ...]:
    """What is wrong with a preset's schedules, as sentences; empty if they can be used."""
    pairs = tuple((row.cron_expression, row.desired_instances) for row in schedules)
    return schedule_problems(preset.scheduling_timezone, pairs)


def week_map(preset: Preset, schedules: Sequence[Schedule], day: date) -> WeekMap:
    """The size wanted in each of the 168 local hours of the week that contains `day`."""
    monday = day - timedelta(days=day.weekday())
    usable = bool(schedules) and not preset_schedule_problems(preset, schedules)
    if not usable:
        return WeekMap(monday, preset.scheduling_timezone or "UTC", ((_base(preset),) * 24,) * 7)
    zone = load_zone(preset.scheduling_timezone)
    return WeekMap(
        monday,
        preset.scheduling_timezone,
        tuple(
            tuple(
                _in_hour(preset, schedules, monday + timedelta(days=offset), hour, zone) for hour in range(24)
            )
            for offset in range(7)
        ),
    )


def next_changes(
    preset: Preset,
    schedules: Sequence[Schedule],
    now: datetime,
    *,
    limit: int = 5,
    horizon: timedelta = timedelta(days=400),
) -> list[Change]:
    """The next instants, after `now` and within `horizon`, at which the wished size changes."""
    current = desired_instances(preset, schedules, now)
    changes: list[Change] = []
    if not schedules or current.problems or limit <= 0:
        return changes
    zone = load_zone(preset.scheduling_timezone)
    moment, end = now.astimezone(UTC), now + horizon
    if _next_edge(moment, zone) > end:  # what a pass asks, mostly
        return changes
    days, last = _Days(preset, schedules), end.astimezone(zone).date() + _DAY
    while len(changes) < limit:
        moment = _past_quiet_days(days, current.instances, moment, last, zone)
        moment = _next_edge(moment, zone)
        if moment > end:
            break
        wanted = _at_local(preset, schedules, moment.astimezone(zone))
        if wanted.instances != current.instances:
            changes.append(Change(moment, wanted.instances, wanted.schedule))
            current = wanted
    return changes


def _base(preset: Preset) -> int:
    return max(preset.desired_instances, 0)


def _at_local(preset: Preset, schedules: Sequence[Schedule], local: datetime) -> Desired:
    for schedule in schedules:
        if parse_cron(schedule.cron_expression).covers_local(local):
            return Desired(schedule.desired_instances, schedule)
    return Desired(_base(preset))


def _in_hour(
    preset: Preset, schedules: Sequence[Schedule], day: date, hour: int, zone: ZoneInfo
) -> int | None:
    local = datetime.combine(day, time(hour))
    if not _hour_exists(local, zone):
        return None
    return _at_local(preset, schedules, local).instances


def _hour_exists(local: datetime, zone: ZoneInfo) -> bool:
    """Whether any quarter of a local hour survives the clock changes of its zone."""
    for quarter in range(4):
        moment = (local + quarter * _QUARTER).replace(tzinfo=zone)
        if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment.replace(tzinfo=None):
            return True
    return False


def _next_edge(moment: datetime, zone: ZoneInfo) -> datetime:
    """The next instant after one in UTC at which the local hour may change."""
    local = moment.astimezone(zone)
    passed = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    edge = moment + timedelta(hours=1) - passed
    if edge.astimezone(zone).utcoffset() != local.utcoffset():
        return moment + _QUARTER - passed % _QUARTER
    return edge


class _Days:
    """The sizes that schedules want in the hours of a date. Most dates are covered by few of them, and few
    combinations cover all dates of a year."""

    def __init__(self, preset: Preset, schedules: Sequence[Schedule]) -> None:
        self._base = _base(preset)
        self._rows = [(parse_cron(row.cron_expression), row.desired_instances) for row in schedules]
        self._of_month = [
            [(number, cron) for number, (cron, _) in enumerate(self._rows) if month in cron.months]
            for month in range(13)
        ]
        self._known: dict[tuple[int, ...], frozenset[int]] = {}

    def sizes(self, day: date) -> frozenset[int]:
        """Every size that holds in some of the 24 hours of a date."""
        month, number, weekday = day.month, day.day, day.isoweekday() % 7
        covering = tuple(
            [key for key, cron in self._of_month[month] if cron.covers_day(month, number, weekday)]
        )
        if covering not in self._known:
            self._known[covering] = frozenset(self._sizes(covering))
        return self._known[covering]

    def _sizes(self, covering: Sequence[int]) -> Iterator[int]:
        free = frozenset(range(24))
        for key in covering:
            cron, instances = self._rows[key]
            if free & cron.hours:
                yield instances
            free -= cron.hours
        if free:
            yield self._base


def _past_quiet_days(days: _Days, instances: int, moment: datetime, last: date, zone: ZoneInfo) -> datetime:
    """An instant, `moment` or later, up to which the size stays `instances` because every date in between
    wants just that; dates after `last` are not looked at. It keeps so far from other dates that no clock
    change leads to one of them."""
    wanted = frozenset({instances})
    first = day = (moment.astimezone(zone) - _FARTHEST_BACK).date()
    while day <= last and days.sizes(day) == wanted:
        day += _DAY
    if day == first:
        return moment
    until = datetime.combine(day, time()) - _FARTHEST_BACK
    return max(moment, min(until.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)))
