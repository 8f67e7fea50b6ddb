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
    for edge in _hour_edges(now, now + horizon, zone):
        wanted = _at_local(preset, schedules, edge.astimezone(zone))
        if wanted.instances != current.instances:
            changes.append(Change(edge, wanted.instances, wanted.schedule))
            current = wanted
            if len(changes) == limit:
                break
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


def _hour_edges(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Every instant after `start`, up to `end`, at which the local hour may change, in UTC."""
    moment = start.astimezone(UTC)
    while True:
        local = moment.astimezone(zone)
        passed = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        edge = moment + timedelta(hours=1) - passed
        if edge.astimezone(zone).utcoffset() != local.utcoffset():
            edge = moment + _QUARTER - passed % _QUARTER
        if edge > end:
            return
        yield edge
        moment = edge
