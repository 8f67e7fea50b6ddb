"""One template's pool in memory, with what the tables would hold of it, and what the loader would read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prebuilds.actions import CancelPending, Create, Delete, DeleteReason
from prebuilds.failures import FailedBuild, backoff_rows, hard_limited_presets, since_reset
from prebuilds.snapshot import (
    Config,
    FailedPrebuild,
    InProgress,
    PendingCount,
    PrebuildStatus,
    Preset,
    RunningPrebuild,
    Snapshot,
)
from tests.prebuilds.strategies import NOW

TTL = timedelta(hours=2)


@dataclass
class Workspace:
    """A workspace and its latest build."""

    id: str
    version: str
    created_at: datetime
    built_at: datetime
    ended_at: datetime | None = None
    transition: str = "start"
    status: str = "pending"
    ready: bool = False
    claimed: bool = False

    def is_(self, *states: tuple[str, str]) -> bool:
        return not self.claimed and (self.transition, self.status) in states


@dataclass
class World:
    """One template with one preset per version, all of the same size; ids of both are the version's name."""

    desired: int = 2
    active_number: int = 0
    deleted: bool = False
    deprecated: bool = False
    refused: bool = False  # the builder refuses the requests of the active version's preset
    now: datetime = NOW
    config: Config = field(default_factory=Config)
    invalidated: dict[str, datetime] = field(default_factory=dict)
    statuses: dict[str, PrebuildStatus] = field(default_factory=dict)
    resets: dict[str, datetime] = field(default_factory=dict)
    workspaces: list[Workspace] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def active(self) -> str:
        return f"v{self.active_number}"

    @property
    def pool(self) -> list[Workspace]:
        return [row for row in self.workspaces if not row.claimed]

    def is_live(self, version: str) -> bool:
        return version == self.active and not self.deleted and not self.deprecated

    def preset(self, version: str) -> Preset:
        return Preset(
            id=version,
            template_version_id=version,
            using_active_version=version == self.active,
            deleted=self.deleted,
            deprecated=self.deprecated,
            desired_instances=self.desired,
            ttl_seconds=int(TTL.total_seconds()),
            prebuild_status=self.statuses.get(version, PrebuildStatus.HEALTHY),
            last_invalidated_at=self.invalidated.get(version),
        )

    def starts(self, version: str) -> list[Workspace]:
        """Unclaimed workspaces whose latest build is a start of the version, newest build first."""
        rows = [row for row in self.pool if row.transition == "start" and row.version == version]
        return sorted(rows, key=lambda row: row.built_at, reverse=True)

    def is_limited(self) -> bool:
        """Whether the newest builds of the active version all failed, said in the reference's words."""
        newest = self.starts(self.active)[: self.config.failure_hard_limit]
        reset = self.resets.get(self.active)
        return (
            len(newest) == self.config.failure_hard_limit > 0
            and all(row.status == "failed" for row in newest)
            and (reset is None or all(row.built_at > reset for row in newest))
        )

    def is_resting(self, version: str) -> bool:
        """Whether failures that a reset did not forgive keep the preset from everything, as of now."""
        if version != self.active or self.deleted:
            return False
        since = self.now - self.config.backoff_lookback
        reset = self.resets.get(version, since - self.config.backoff_lookback)
        starts = self.starts(version)
        failed = [row for row in starts if row.status == "failed" and row.built_at >= since]
        failed = [row for row in failed if row.built_at > reset]
        newest = [row.built_at for row in failed if row in starts[: max(self.desired, 1)]]
        return bool(newest) and self.now <= max(newest) + len(failed) * self.config.backoff_interval

    def is_barred(self) -> bool:
        """Whether nothing may be created for the active version, however small its pool is."""
        return self.is_limited() or self.statuses.get(self.active) is PrebuildStatus.VALIDATION_FAILED

    def is_good(self, row: Workspace) -> bool:
        """Whether it has, or may still come to have, a place in the pool."""
        if row.status != "succeeded":
            return True
        limit, cut = self.config.not_ready_limit, self.invalidated.get(row.version)
        stuck = limit is not None and not row.ready and self.now - (row.ended_at or row.created_at) > limit
        return self.now - row.created_at <= TTL and (cut is None or row.created_at >= cut) and not stuck

    def good(self) -> list[Workspace]:
        """What fills the pool now, or will."""
        alive = [row for row in self.starts(self.active) if row.status in ("pending", "running", "succeeded")]
        return [row for row in alive if self.is_good(row)]

    # -- what the loader reads ---------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        versions = {row.version for row in self.pool} | (set() if self.deleted else {self.active})
        presets = tuple(self.preset(version) for version in sorted(versions))
        failures = since_reset(self._failures(), self.resets)
        wanted = {preset.id: self.desired for preset in presets}
        return Snapshot(
            presets=presets,
            running=tuple(
                RunningPrebuild(
                    row.id, row.id, row.version, row.version, row.ready, row.created_at, row.ended_at
                )
                for row in self.pool
                if row.is_(("start", "succeeded"))
            ),
            in_progress=tuple(
                InProgress(row.version, row.version, row.transition, 1)
                for row in self.pool
                if row.status in ("pending", "running") and row.version == self.active
            ),
            pending=tuple(
                PendingCount(row.version, 1)
                for row in self.pool
                if row.is_(("start", "pending")) and (row.version != self.active or self.deleted)
            ),
            backoffs=backoff_rows(failures, wanted, self.now - self.config.backoff_lookback),
            hard_limited=hard_limited_presets(failures, self.config.failure_hard_limit),
            failed=tuple(FailedPrebuild(row.id, row.version, row.built_at) for row in self._evidence()),
            not_ready_limit=self.config.not_ready_limit,
        )

    def _failures(self) -> list[FailedBuild]:
        return [
            FailedBuild(row.version, rank, row.built_at, self.deleted)
            for rank, row in enumerate(self.starts(self.active), 1)
            if row.status == "failed"
        ]

    def _evidence(self) -> list[Workspace]:
        kinds = [("start", "failed")] if self.config.failed_retention is not None else []
        if self.deleted:
            kinds = [("start", "failed"), ("start", "canceled"), ("stop", "succeeded")]
        return [row for row in self.pool if row.is_(*kinds)]

    # -- what a pass writes ------------------------------------------------------------------------

    def create(self, preset: Preset, action: Create) -> None:
        assert self.is_live(preset.id)
        assert not self.is_barred()
        assert not self.is_resting(preset.id)
        if self.refused:
            self.statuses[preset.id] = PrebuildStatus.VALIDATION_FAILED
            return
        for _ in range(action.count):
            number = next(self.numbers)
            at = self.now + timedelta(microseconds=number)  # no two builds begin at the same instant
            self.workspaces.append(Workspace(f"w{number}", preset.id, at, at))
        assert len(self.good()) <= self.desired

    def delete(self, preset: Preset, action: Delete) -> None:
        limited = self.is_limited()
        rows = [row for row in self.workspaces if row.id in action.workspace_ids]
        assert len(rows) == len(action.workspace_ids) > 0
        assert not self.is_resting(preset.id)
        for row in rows:
            assert not row.claimed
            assert row.version == preset.id
            self._assert_reason(row, action.reason)
            row.transition, row.status, row.built_at = "delete", "pending", self.now
        if action.reason is DeleteReason.FAILED and self.is_live(preset.id):
            assert self.is_limited() == limited

    def _assert_reason(self, row: Workspace, reason: DeleteReason) -> None:
        match reason:
            case DeleteReason.FAILED:
                assert row.is_(("start", "failed"))
                assert self._is_outdated(row)
            case DeleteReason.INACTIVE_VERSION:
                assert not self.is_live(row.version)
                if not self.deleted:
                    assert row.is_(("start", "succeeded"))
            case DeleteReason.EXTRANEOUS:
                assert row.is_(("start", "succeeded"))
                assert len(self.good()) > self.desired
            case DeleteReason.EXPIRED | DeleteReason.INVALIDATED | DeleteReason.NOT_READY:
                assert row.is_(("start", "succeeded"))
                assert not self.is_good(row)

    def cancel(self, preset: Preset, action: CancelPending) -> None:
        pending = [row for row in self.pool if row.version == preset.id and row.is_(("start", "pending"))]
        assert len(pending) == action.count
        assert not self.is_live(preset.id)
        for row in pending:
            self.workspaces.remove(row)  # an orphan: nothing was made, no worker is needed

    # -- what must hold after a pass ---------------------------------------------------------------

    def assert_passed(self) -> None:
        """What is outdated goes; the active version's pool is full, or there is a reason."""
        for row in self.pool:
            if self.is_resting(row.version):
                continue
            if row.is_(("start", "succeeded")):
                assert self.is_live(row.version)
                assert self.is_good(row)
            if row.is_(("start", "pending")):
                assert self.is_live(row.version) or (self.deprecated and row.version == self.active)
            if self.deleted:
                assert not row.is_(("start", "failed"), ("start", "canceled"), ("stop", "succeeded"))
            if row.is_(("start", "failed")) and self._is_outdated(row):
                assert self.is_live(row.version)
        if not self.is_live(self.active) or self.is_resting(self.active):
            return
        good = self.good()
        assert len([row for row in good if row.status == "succeeded"]) <= self.desired
        assert len(good) >= self.desired or self.is_barred()

    def _is_outdated(self, row: Workspace) -> bool:
        retention = self.config.failed_retention
        return retention is not None and self.now - row.built_at > retention

    # -- what workers do ---------------------------------------------------------------------------

    def end_job(self, row: Workspace, *, works: bool) -> None:
        if row.transition == "delete" and works:
            self.workspaces.remove(row)
        else:
            row.status, row.ended_at = "succeeded" if works else "failed", self.now

    def end_all_jobs(self, *, works: bool) -> None:
        for row in list(self.pool):
            if row.status in ("pending", "running"):
                self.end_job(row, works=works)
