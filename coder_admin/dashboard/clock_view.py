"""A workspace's own clock for people: its schedule in words, its deadline and how it may be moved. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from croniter import croniter

from coder_admin.workspaces.autostart import ZONE_PREFIX, ScheduleError, day_names, parse_weekly
from coder_admin.workspaces.choices import Transition
from coder_admin.workspaces.deadlines import SHORTEST_EXTENSION, ttl_of
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.policies import autostop_policy
from coder_admin.workspaces.statuses import WorkspaceStatus

from .templatetags.ui import joined, short_duration

EXTENSIONS_HOURS = (1, 4, 8, 24)
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True)
class SimpleSchedule:
    """A schedule that says: at this time, on these days (0 is Monday), in this zone."""

    at: time
    days: tuple[int, ...]
    zone: str

    @property
    def text(self) -> str:
        """The expression that is stored."""
        days = ",".join(str((day + 1) % 7) for day in self.days) if self.days != EVERY_DAY else "*"
        return f"{ZONE_PREFIX}{self.zone} {self.at.minute} {self.at.hour} * * {days}"

    @property
    def words(self) -> str:
        mask = sum(1 << day for day in self.days)
        names = {EVERY_DAY: "Every day", (0, 1, 2, 3, 4): "Monday to Friday"}
        return f"{names.get(self.days) or joined(day_names(mask))} at {self.at:%H:%M} ({self.zone})"


def simple_schedule(text: str) -> SimpleSchedule | None:
    """The schedule as time and days; None when it is empty, unusable or says more than that."""
    try:
        weekly = parse_weekly(text)
    except ScheduleError:
        return None
    minute, hour, _, _, weekdays = croniter.expand(weekly.cron)[0]
    if len(minute) != 1 or len(hour) != 1 or "*" in (minute[0], hour[0]):
        return None
    days = EVERY_DAY if "*" in weekdays else tuple(sorted({(int(day) - 1) % 7 for day in weekdays}))
    return SimpleSchedule(time(int(hour[0]), int(minute[0])), days, weekly.zone.key)


def schedule_words(text: str) -> str:
    """A stored schedule in words, or itself where it says more than a time and days."""
    found = simple_schedule(text)
    return found.words if found else text


@dataclass(frozen=True)
class Extension:
    """A button that lets the workspace run longer."""

    label: str
    deadline: datetime


@dataclass(frozen=True)
class ClockView:
    """`deadline` None: it runs until somebody stops it."""

    row: Workspace
    running: bool
    may_edit: bool
    deadline: datetime | None
    latest: datetime | None
    extensions: tuple[Extension, ...]
    schedule: str
    ttl: str

    @property
    def dormant(self) -> bool:
        return self.row.dormant_at is not None


def clock_view(row: Workspace, status: str, now: datetime, *, may_edit: bool) -> ClockView:
    """Needs the row with its latest build and template."""
    build = row.latest_build
    running = status == WorkspaceStatus.RUNNING and build is not None and build.transition == Transition.START
    deadline = build.deadline if running and build else None
    latest = build.max_deadline if running and build else None
    ttl = ttl_of(autostop_policy(row.template), row.ttl_ms)
    return ClockView(
        row=row,
        running=running,
        may_edit=may_edit and not row.is_prebuild,
        deadline=deadline,
        latest=latest,
        extensions=tuple(_extensions(deadline, latest, now)) if may_edit and not row.is_prebuild else (),
        schedule=schedule_words(row.autostart_schedule) if row.autostart_schedule else "",
        ttl=short_duration(ttl / 1000) if ttl else "",
    )


def _extensions(deadline: datetime | None, latest: datetime | None, now: datetime) -> Iterable[Extension]:
    if deadline is None:
        return
    for hours in EXTENSIONS_HOURS:
        wanted = max(deadline, now) + timedelta(hours=hours)
        if latest is None or wanted <= latest:
            yield Extension(f"{hours} h longer", wanted)
    if latest is not None and deadline < latest and latest >= now + SHORTEST_EXTENSION:
        yield Extension("As long as the template lets it", latest)
