"""Random histories of one template's pool, in memory: passes between failures, claims and clock jumps."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prebuilds.actions import Backoff, CancelPending, Create, Delete, calculate_actions, permit
from prebuilds.snapshot import Config, PrebuildStatus, Preset
from tests.prebuilds.pool_model import Workspace, World

STEP = timedelta(minutes=5)
ENDED = ("failed", "canceled")

configs = st.builds(
    Config,
    backoff_interval=st.sampled_from([1, 10, 0]).map(lambda minutes: timedelta(minutes=minutes)),
    failure_hard_limit=st.sampled_from([3, 1, 5, 0]),
    failed_retention=st.sampled_from([None, timedelta(hours=1)]),
    not_ready_limit=st.sampled_from([None, timedelta(minutes=20)]),
)


class PoolHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.ends = "lives"

    @initialize(config=configs, ends=st.sampled_from(["lives", "lives", "lives", "deleted"]))
    def it_begins(self, config: Config, ends: str) -> None:
        self.world.config = config
        self.ends = ends

    def pick(self, number: int, *states: tuple[str, str]) -> Workspace | None:
        rows = [row for row in self.world.workspaces if row.is_(*states)]
        return rows[number % len(rows)] if rows else None

    @rule()
    def reconcile(self) -> None:
        world = self.world
        snapshot = world.snapshot()
        for preset in snapshot.presets:
            part = snapshot.for_preset(preset, world.now)
            wanted = calculate_actions(part, world.now, world.config)
            assert wanted == calculate_actions(part, world.now, world.config)
            if part.can_skip:
                assert wanted == ()
            if preset.using_active_version:
                assert part.hard_limited == world.is_limited()
            for action in permit(part, wanted)[0]:
                self.execute(preset, action)
        world.assert_passed()

    def execute(self, preset: Preset, action: object) -> None:
        match action:
            case Create():
                self.world.create(preset, action)
            case Delete():
                self.world.delete(preset, action)
            case CancelPending():
                self.world.cancel(preset, action)
            case Backoff(until):
                assert until >= self.world.now

    @rule(works=st.booleans(), minutes=st.sampled_from([1, 30, 1, 70, 130]), slow=st.booleans())
    def a_pass_and_its_jobs_come_to_an_end(self, works: bool, minutes: int, slow: bool) -> None:
        self.reconcile()
        if not slow:
            self.world.end_all_jobs(works=works)
        self.world.now += timedelta(minutes=minutes)
        if slow:
            self.world.end_all_jobs(works=works)

    @rule(passes=st.integers(2, 4))
    def nothing_works_for_hours(self, passes: int) -> None:
        for _ in range(passes):
            self.a_pass_and_its_jobs_come_to_an_end(works=False, minutes=70, slow=False)

    @rule(number=st.integers(0, 20))
    def a_worker_takes_a_job(self, number: int) -> None:
        row = self.pick(number, ("start", "pending"), ("delete", "pending"))
        if row:
            row.status = "running"

    @rule(number=st.integers(0, 20), works=st.booleans())
    def a_job_ends(self, number: int, works: bool) -> None:
        row = self.pick(number, ("start", "running"), ("delete", "running"))
        if row:
            self.world.end_job(row, works=works)

    @rule(
        number=st.integers(0, 20),
        what=st.sampled_from(["cancel", "stop", "ready", "ready", "claim", "delete"]),
    )
    def something_happens_to_one(self, number: int, what: str) -> None:
        world = self.world
        states = {"cancel": [("start", "pending"), ("start", "running")], "delete": [("start", "failed")]}
        row = self.pick(number, *states.get(what, [("start", "succeeded")]))
        if row is None:
            return
        match what:
            case "cancel":
                row.status = "canceled"
            case "stop":
                row.transition = "stop"
            case "ready":
                row.ready = True
            case "claim":
                row.claimed = row.ready and world.is_live(row.version) and world.is_good(row)
            case "delete":
                world.workspaces.remove(row)

    @rule(seconds=st.sampled_from([-30, 1, 60, 1500, 7201]))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule(desired=st.integers(0, 4))
    def the_schedule_changes_the_size(self, desired: int) -> None:
        self.world.desired = desired

    @rule()
    def the_pool_is_invalidated(self) -> None:
        self.world.invalidated[self.world.active] = self.world.now

    @rule()
    def the_preset_is_reset(self) -> None:
        world = self.world
        # After whatever was built at this very instant.
        world.resets[world.active] = world.now + timedelta(seconds=0.5)
        world.statuses[world.active] = PrebuildStatus.HEALTHY

    @rule()
    def the_builder_refuses_the_version(self) -> None:
        self.world.refused = True

    @precondition(lambda self: self.world.active_number < 3)
    @rule()
    def a_version_is_promoted(self) -> None:
        self.world.active_number += 1
        self.world.refused = False

    @rule(deprecated=st.booleans())
    def the_template_is_deprecated_or_not(self, deprecated: bool) -> None:
        self.world.deprecated = deprecated

    @invariant()
    def claimed_workspaces_keep_running(self) -> None:
        for row in self.world.workspaces:
            if row.claimed:
                assert (row.transition, row.status) == ("start", "succeeded")

    # -- the end of every history ------------------------------------------------------------------

    def teardown(self) -> None:
        """Failures stop, and nothing else is mended by hand than what has to be."""
        world = self.world
        if self.ends == "deleted":
            world.workspaces = world.pool  # a template with people's workspaces cannot be deleted
            world.deleted = True
        self.pass_the_time(timedelta())
        if world.deleted or world.deprecated:
            self.assert_it_winds_down()
            return
        if world.is_barred() or world.refused:
            self.assert_nothing_is_created()
            world.refused = False
            self.the_preset_is_reset()
        self.assert_it_converges()

    def pass_the_time(self, span: timedelta) -> None:
        """As the loop does: a pass, its jobs succeed, agents get ready, and again."""
        end = self.world.now + span
        while True:
            self.reconcile()
            self.world.end_all_jobs(works=True)
            for row in self.world.pool:
                row.ready = True
            if self.world.now >= end:
                return
            self.world.now += STEP

    def assert_it_winds_down(self) -> None:
        """Nothing is begun; what runs goes, and of a deleted template all that failed, too."""
        world = self.world
        known = {row.id for row in world.workspaces}
        self.pass_the_time(timedelta(hours=3))
        assert {row.id for row in world.workspaces} <= known
        kept = {("delete", ended) for ended in ENDED}  # a person's to look at
        if not world.deleted:
            kept |= {("stop", "succeeded"), *(("start", ended) for ended in ENDED)}
            if world.config.failed_retention is not None:
                kept -= {("start", "failed")}
        assert {(row.transition, row.status) for row in world.pool} <= kept

    def assert_nothing_is_created(self) -> None:
        """However long it takes, and whatever evidence a retention removes meanwhile."""
        world = self.world
        known = {row.id for row in world.workspaces}
        self.pass_the_time(timedelta(hours=4))
        assert {row.id for row in world.workspaces} <= known

    def assert_it_converges(self) -> None:
        """After the longest rest that failures can cause, and it stays so while prebuilds expire."""
        world = self.world
        self.pass_the_time(world.config.backoff_lookback + STEP)
        for _ in range(30):
            self.pass_the_time(STEP)
            running = [row for row in world.pool if row.is_(("start", "succeeded"))]
            assert {row.version for row in running} <= {world.active}
            assert len(running) == world.desired == len(world.good())
            assert not world.is_limited() or not world.desired


TestPoolHistory = PoolHistory.TestCase
TestPoolHistory.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
