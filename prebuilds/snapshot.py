"""What one reconciliation pass sees: frozen rows, read in one consistent view.

Pure data. The loader fills it from the database, `prebuilds_explain` from a JSON file, tests by hand.
All identifiers are strings, all instants aware datetimes, all durations seconds or timedeltas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, TypeVar


class PrebuildStatus(StrEnum):
    """Stored status of a preset (`prebuild_status`)."""

    HEALTHY = "healthy"
    HARD_LIMITED = "hard_limited"
    VALIDATION_FAILED = "validation_failed"


class Transition(StrEnum):
    """Transition of a workspace build."""

    START = "start"
    STOP = "stop"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the reconciler (reference section 7).

    `failed_retention`: how long failed prebuilds are kept as evidence; `not_ready_limit`: how long a running
    prebuild may go without a ready agent before it is replaced. None = for ever.
    """

    backoff_interval: timedelta = timedelta(minutes=1)
    backoff_lookback: timedelta = timedelta(hours=1)
    failure_hard_limit: int = 3
    failed_retention: timedelta | None = None
    not_ready_limit: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset with a prebuilds block, of one template version.

    `desired_instances` is the base size; `ttl_seconds` of None or <= 0 means that prebuilds never
    expire by age.
    """

    id: str
    name: str = ""
    organization_id: str = ""
    organization_name: str = ""
    template_id: str = ""
    template_name: str = ""
    template_version_id: str = ""
    template_version_name: str = ""
    using_active_version: bool = True
    deleted: bool = False
    deprecated: bool = False
    desired_instances: int = 0
    ttl_seconds: int | None = None
    scheduling_timezone: str = ""
    prebuild_status: PrebuildStatus = PrebuildStatus.HEALTHY
    last_invalidated_at: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether a pool is wanted at all: active version of a live, not deprecated template (3.4)."""
        return self.using_active_version and not self.deleted and not self.deprecated


@dataclass(frozen=True, slots=True)
class Schedule:
    """A size for the hours that a cron expression covers."""

    preset_id: str
    cron_expression: str
    desired_instances: int


class RunningPrebuild(NamedTuple):
    """An unclaimed workspace whose latest build is a succeeded start. (A tuple: there are very many of them.)

    `preset_id` is the preset of its newest start build that names one; None matches no preset. `built_at` is
    the end of its latest build, where it is known.
    """

    id: str
    name: str
    preset_id: str | None
    template_version_id: str
    ready: bool
    created_at: datetime
    built_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailedPrebuild:
    """An unclaimed workspace whose latest build is a failed start, of any version; of a deleted template also
    a canceled or stopped one."""

    id: str
    preset_id: str
    built_at: datetime


@dataclass(frozen=True, slots=True)
class InProgress:
    """How many prebuild builds of one preset and transition are pending or running."""

    preset_id: str | None
    template_version_id: str
    transition: str
    count: int


@dataclass(frozen=True, slots=True)
class PendingCount:
    """How many first builds of a preset of an inactive version still wait for a provisioner."""

    preset_id: str
    count: int


@dataclass(frozen=True, slots=True)
class BackoffRow:
    """Recent failures of a preset (reference section 2.3)."""

    preset_id: str
    num_failed: int
    last_build_at: datetime


@dataclass(frozen=True, slots=True)
class PresetSnapshot:
    """The part of a snapshot that concerns one preset."""

    preset: Preset
    schedules: tuple[Schedule, ...] = ()
    running: tuple[RunningPrebuild, ...] = ()
    expired: tuple[RunningPrebuild, ...] = ()
    in_progress: tuple[InProgress, ...] = ()
    pending_count: int = 0
    backoff: BackoffRow | None = None
    hard_limited: bool = False
    failed: tuple[FailedPrebuild, ...] = ()

    @property
    def can_skip(self) -> bool:
        """True only if there is certainly nothing to do (3.5): it implies an empty list of actions."""
        return (
            not self.preset.is_active
            and not self.running
            and not self.expired
            and self.pending_count == 0
            and self.backoff is None
            and not self.failed
        )


@dataclass(frozen=True)
class Snapshot:
    """Everything one pass decides from. `failed` is empty while failed prebuilds are kept for ever."""

    presets: tuple[Preset, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    running: tuple[RunningPrebuild, ...] = ()
    in_progress: tuple[InProgress, ...] = ()
    pending: tuple[PendingCount, ...] = ()
    backoffs: tuple[BackoffRow, ...] = ()
    hard_limited: frozenset[str] = field(default_factory=frozenset)
    failed: tuple[FailedPrebuild, ...] = ()
    not_ready_limit: timedelta | None = None

    def for_preset(self, preset: Preset, now: datetime) -> PresetSnapshot:
        """Everything of one preset; its running prebuilds split by expiry at `now`."""
        mine = self._index.running.get(preset.id, ())
        running, expired = split_expired(preset, mine, now, self.not_ready_limit)
        return PresetSnapshot(
            preset=preset,
            schedules=tuple(self._index.schedules.get(preset.id, ())),
            running=running,
            expired=expired,
            in_progress=tuple(self._index.in_progress.get(preset.id, ())),
            pending_count=self._index.pending.get(preset.id, 0),
            backoff=self._index.backoffs.get(preset.id),
            hard_limited=preset.id in self.hard_limited,
            failed=tuple(self._index.failed.get(preset.id, ())),
        )

    @cached_property
    def _index(self) -> _Index:
        return _Index(
            schedules=_by_preset(self.schedules),
            running=_by_preset(self.running),
            in_progress=_by_preset(self.in_progress),
            pending=_summed((row.preset_id, row.count) for row in self.pending),
            backoffs={row.preset_id: row for row in self.backoffs},
            failed=_by_preset(self.failed),
        )


@dataclass(frozen=True, slots=True)
class _Index:
    """The rows of a snapshot by preset, so that splitting it costs linear time."""

    schedules: Mapping[str | None, Sequence[Schedule]]
    running: Mapping[str | None, Sequence[RunningPrebuild]]
    in_progress: Mapping[str | None, Sequence[InProgress]]
    pending: Mapping[str, int]
    backoffs: Mapping[str, BackoffRow]
    failed: Mapping[str | None, Sequence[FailedPrebuild]]


# More seconds than a timedelta holds, and than the calendar has.
_LONGEST_TTL = 10**12

Row = TypeVar("Row", Schedule, RunningPrebuild, InProgress, FailedPrebuild)


def _by_preset(rows: Iterable[Row]) -> dict[str | None, list[Row]]:
    groups: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.preset_id].append(row)
    return dict(groups)


def _summed(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for key, count in rows:
        sums[key] += count
    return dict(sums)


def is_invalidated(preset: Preset, prebuild: RunningPrebuild) -> bool:
    """Whether the prebuild is older than the preset's last invalidation (strictly)."""
    return preset.last_invalidated_at is not None and prebuild.created_at < preset.last_invalidated_at


def is_past_ttl(preset: Preset, prebuild: RunningPrebuild, now: datetime) -> bool:
    """Whether the prebuild outlived the preset's TTL (strictly); age counts from its creation."""
    ttl = preset.ttl_seconds
    if ttl is None or ttl <= 0 or ttl >= _LONGEST_TTL:
        return False
    return now - prebuild.created_at > timedelta(seconds=ttl)


def is_stuck(prebuild: RunningPrebuild, now: datetime, limit: timedelta | None) -> bool:
    """Whether a prebuild runs for longer than the limit without being ready: it fills a place for nothing."""
    if limit is None or prebuild.ready:
        return False
    return now - (prebuild.built_at or prebuild.created_at) > limit


def split_expired(
    preset: Preset,
    prebuilds: Iterable[RunningPrebuild],
    now: datetime,
    not_ready_limit: timedelta | None = None,
) -> tuple[tuple[RunningPrebuild, ...], tuple[RunningPrebuild, ...]]:
    """Part prebuilds into (still good, expired), keeping their order (reference section 2.1).

    What is stuck counts as expired: it is replaced in the pass that finds it.
    """
    if not_ready_limit is None and preset.last_invalidated_at is None and not preset.ttl_seconds:
        return tuple(prebuilds), ()  # nothing of this preset ever expires
    good: list[RunningPrebuild] = []
    expired: list[RunningPrebuild] = []
    for prebuild in prebuilds:
        is_expired = (
            is_invalidated(preset, prebuild)
            or is_past_ttl(preset, prebuild, now)
            or is_stuck(prebuild, now, not_ready_limit)
        )
        (expired if is_expired else good).append(prebuild)
    return tuple(good), tuple(expired)
