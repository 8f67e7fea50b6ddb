"""Random histories of one template's pool, in memory: passes between failures, claims and clock jumps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from prebuilds.actions import Backoff, CancelPending, Create, Delete, calculate_actions, permit
from prebuilds.failures import FailedBuild, backoff_rows, hard_limited_presets
from prebuilds.snapshot import (
    Config,
    InProgress,
    PendingCount,
    Preset,
    RunningPrebuild,
    Snapshot,
)
from tests.prebuilds.strategies import NOW

CONFIG = Config()


@dataclass
class Workspace:
    """A workspace and its latest build, as the tables would have it."""

    id: str
    version: str
    created_at: datetime
    built_at: datetime
    transition: str = "start"
    status: str = "pending"
    ready: bool = False
    claimed: bool = False


@dataclass
class World:
    """One template with one preset per version, all of the same size."""

    desired: int = 2
    active: int = 0
    invalidated_at: datetime | None = None
    now: datetime = NOW
    workspaces: list[Workspace] = field(default_factory=list)

    def preset(self, version: str) -> Preset:
        return Preset(
            id=version,
            template_version_id=version,
            using_active_version=version == f"v{self.active}",
            desired_instances=self.desired,
            ttl_seconds=7200,
            last_invalidated_at=self.invalidated_at,
        )

    def snapshot(self) -> Snapshot:
        pool = [row for row in self.workspaces if not row.claimed]
        presets = tuple(self.preset(f"v{number}") for number in range(self.active + 1))
        failures = list(self._failures(pool))
        wanted = {preset.id: self.desired for preset in presets}
        return Snapshot(
            presets=presets,
            running=tuple(
                RunningPrebuild(row.id, row.id, row.version, row.version, row.ready, row.created_at)
                for row in pool
                if (row.transition, row.status) == ("start", "succeeded")
            ),
            in_progress=tuple(
                InProgress(row.version, row.version, row.transition, 1)
                for row in pool
                if row.status in ("pending", "running") and row.version == f"v{self.active}"
            ),
            pending=tuple(
                PendingCount(row.version, 1)
                for row in pool
                if (row.transition, row.status) == ("start", "pending") and row.version != f"v{self.active}"
            ),
            backoffs=backoff_rows(failures, wanted, self.now - CONFIG.backoff_lookback),
            hard_limited=hard_limited_presets(failures, CONFIG.failure_hard_limit),
        )

    def _failures(self, pool: list[Workspace]) -> list[FailedBuild]:
        starts = [row for row in pool if row.transition == "start" and row.version == f"v{self.active}"]
        starts.sort(key=lambda row: row.built_at, reverse=True)
        return [
            FailedBuild(row.version, rank, row.built_at)
            for rank, row in enumerate(starts, 1)
            if row.status == "failed"
        ]


class PoolHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.numbers = itertools.count()

    def pick(self, number: int, *states: tuple[str, str]) -> Workspace | None:
        rows = [
            row for row in self.world.workspaces if (row.transition, row.status) in states and not row.claimed
        ]
        return rows[number % len(rows)] if rows else None

    @rule()
    def reconcile(self) -> None:
        world = self.world
        snapshot = world.snapshot()
        for preset in snapshot.presets:
            part = snapshot.for_preset(preset, world.now)
            wanted = calculate_actions(part, world.now, CONFIG)
            if part.can_skip:
                assert wanted == ()
            for action in permit(part, wanted)[0]:
                self.execute(preset, action)

    def execute(self, preset: Preset, action: object) -> None:
        world = self.world
        match action:
            case Create(count):
                for _ in range(count):
                    name = f"w{next(self.numbers)}"
                    world.workspaces.append(Workspace(name, preset.id, world.now, world.now))
                alive = [
                    row
                    for row in world.workspaces
                    if row.version == preset.id
                    and row.transition == "start"
                    and row.status in ("pending", "running", "succeeded")
                    and not row.claimed
                ]
                assert len([row for row in alive if self.is_good(row, preset)]) <= world.desired
            case Delete(ids, _):
                for row in world.workspaces:
                    if row.id in ids:
                        assert not row.claimed
                        assert (row.transition, row.status) == ("start", "succeeded")
                        row.transition, row.status = "delete", "pending"
            case CancelPending(count):
                pending = [
                    row
                    for row in world.workspaces
                    if row.version == preset.id and (row.transition, row.status) == ("start", "pending")
                ]
                assert len(pending) == count
                for row in pending:
                    row.transition = "delete"
            case Backoff(until):
                assert until >= world.now

    def is_good(self, row: Workspace, preset: Preset) -> bool:
        if row.status != "succeeded":
            return True
        cut = preset.last_invalidated_at
        return self.world.now - row.created_at <= timedelta(seconds=7200) and (
            cut is None or row.created_at >= cut
        )

    @rule(number=st.integers(0, 20))
    def a_worker_takes_a_job(self, number: int) -> None:
        row = self.pick(number, ("start", "pending"), ("delete", "pending"))
        if row:
            row.status = "running"

    @rule(number=st.integers(0, 20), works=st.booleans())
    def a_job_ends(self, number: int, works: bool) -> None:
        row = self.pick(number, ("start", "running"), ("delete", "running"))
        if row is None:
            return
        if row.transition == "delete" and works:
            self.world.workspaces.remove(row)
        else:
            row.status = "succeeded" if works else "failed"

    @rule(number=st.integers(0, 20))
    def agents_become_ready(self, number: int) -> None:
        row = self.pick(number, ("start", "succeeded"))
        if row:
            row.ready = True

    @rule(number=st.integers(0, 20))
    def somebody_claims(self, number: int) -> None:
        row = self.pick(number, ("start", "succeeded"))
        if row and row.ready:
            row.claimed = True

    @rule(number=st.integers(0, 20))
    def a_person_deletes_a_failed_one(self, number: int) -> None:
        row = self.pick(number, ("start", "failed"))
        if row:
            self.world.workspaces.remove(row)

    @rule(seconds=st.sampled_from([-30, 1, 60, 600, 7201]))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule(desired=st.integers(0, 4))
    def the_schedule_changes_the_size(self, desired: int) -> None:
        self.world.desired = desired

    @rule()
    def the_pool_is_invalidated(self) -> None:
        self.world.invalidated_at = self.world.now

    @precondition(lambda self: self.world.active < 3)
    @rule()
    def a_version_is_promoted(self) -> None:
        self.world.active += 1

    @invariant()
    def claimed_workspaces_keep_running(self) -> None:
        for row in self.world.workspaces:
            if row.claimed:
                assert (row.transition, row.status) == ("start", "succeeded")

    def teardown(self) -> None:
        """Failures stop, people clear the evidence: the pool becomes what it should be and stays so."""
        world = self.world
        world.workspaces = [row for row in world.workspaces if row.status != "failed"]
        for _ in range(6):
            world.now += timedelta(minutes=5)
            self.reconcile()
            for row in list(world.workspaces):
                if row.claimed or row.status not in ("pending", "running"):
                    continue
                if row.transition == "delete":
                    world.workspaces.remove(row)
                else:
                    row.status = "succeeded"
        pool = [row for row in world.workspaces if not row.claimed]
        assert {row.version for row in pool} <= {f"v{world.active}"}
        assert len(pool) == world.desired
        snapshot = world.snapshot()
        part = snapshot.for_preset(world.preset(f"v{world.active}"), world.now)
        assert calculate_actions(part, world.now, CONFIG) == ()


TestPoolHistory = PoolHistory.TestCase
TestPoolHistory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
