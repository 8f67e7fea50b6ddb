"""State and actions of one preset: the table of the reference, then its invariants."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from prebuilds.actions import (
    Action,
    Backoff,
    CancelPending,
    Create,
    Delete,
    DeleteReason,
    calculate_actions,
    live_condition,
    permit,
)
from prebuilds.explain import explain, summary
from prebuilds.snapshot import (
    BackoffRow,
    Config,
    InProgress,
    PendingCount,
    PrebuildStatus,
    Preset,
    PresetSnapshot,
    RunningPrebuild,
    Schedule,
    Snapshot,
)
from prebuilds.state import State, calculate_state
from tests.prebuilds.strategies import NOW, configs, preset_snapshots

CONFIG = Config()
HOUR = timedelta(hours=1)


def running(*ages: float, ready: bool = True, preset_id: str = "p", start: int = 0) -> list[RunningPrebuild]:
    """Running prebuilds by their age in hours."""
    return [
        RunningPrebuild(f"w{start + n}", f"prebuild-{start + n}", preset_id, "v", ready, NOW - age * HOUR)
        for n, age in enumerate(ages)
    ]


def seen(
    preset: Preset, *prebuilds: RunningPrebuild, starting: int = 0, now: datetime = NOW, **rest: int
) -> PresetSnapshot:
    in_progress = [
        ("start", starting),
        ("stop", rest.get("stopping", 0)),
        ("delete", rest.get("deleting", 0)),
    ]
    return Snapshot(
        presets=(preset,),
        running=prebuilds,
        in_progress=tuple(InProgress("p", "v", kind, count) for kind, count in in_progress if count),
        pending=(PendingCount("p", rest["pending"]),) if rest.get("pending") else (),
    ).for_preset(preset, now)


def actions(snapshot: PresetSnapshot, config: Config = CONFIG) -> list[Action]:
    return list(calculate_actions(snapshot, NOW, config))


ACTIVE = Preset(id="p", desired_instances=2)
INACTIVE = [
    replace(ACTIVE, using_active_version=False),
    replace(ACTIVE, deleted=True),
    replace(ACTIVE, deprecated=True),
]


def test_an_empty_pool_is_filled() -> None:
    assert actions(seen(ACTIVE)) == [Create(2)]


def test_starting_builds_count_but_never_cause_a_deletion() -> None:
    assert actions(seen(ACTIVE, starting=1)) == [Create(1)]
    assert actions(seen(ACTIVE, *running(1, 2), starting=5)) == []


def test_stopping_and_deleting_builds_never_reduce_what_is_created() -> None:
    snapshot = seen(ACTIVE, stopping=4, deleting=7)
    assert actions(snapshot) == [Create(2)]
    assert calculate_state(snapshot, NOW) == State(desired=2, stopping=4, deleting=7)


def test_the_oldest_surplus_goes_first() -> None:
    snapshot = seen(ACTIVE, *running(1, 9, 3, 5))
    assert calculate_state(snapshot, NOW) == State(actual=4, desired=2, eligible=4, extraneous=2)
    assert actions(snapshot) == [Delete(("w1", "w3"), DeleteReason.EXTRANEOUS)]


def test_prebuilds_that_are_not_ready_fill_a_place_but_cannot_be_claimed() -> None:
    snapshot = seen(ACTIVE, *running(1, ready=False), *running(2, start=1))
    assert calculate_state(snapshot, NOW) == State(actual=2, desired=2, eligible=1)
    assert actions(snapshot) == []


def test_an_expired_prebuild_is_replaced_in_the_same_pass() -> None:
    preset = replace(ACTIVE, ttl_seconds=3600)
    snapshot = seen(preset, *running(0.5, 1, 1.001))
    assert calculate_state(snapshot, NOW) == State(actual=3, expired=1, desired=2, eligible=2)
    assert actions(snapshot) == [Delete(("w2",), DeleteReason.EXPIRED)]
    assert actions(seen(preset, *running(2, 3))) == [Delete(("w1", "w0"), DeleteReason.EXPIRED), Create(2)]


@pytest.mark.parametrize("ttl", [None, 0, -5])
def test_without_a_time_to_live_nothing_expires_by_age(ttl: int | None) -> None:
    assert actions(seen(replace(ACTIVE, ttl_seconds=ttl), *running(10_000, 20_000))) == []


def test_invalidation_spares_what_was_made_at_that_very_instant() -> None:
    preset = replace(ACTIVE, last_invalidated_at=NOW - HOUR, ttl_seconds=7200)
    assert actions(seen(preset, *running(1, 1.5, 3))) == [
        Delete(("w2", "w1"), DeleteReason.INVALIDATED),
        Create(1),
    ]


@pytest.mark.parametrize("preset", INACTIVE)
def test_an_inactive_preset_is_wound_down_with_its_expired_ones(preset: Preset) -> None:
    preset = replace(preset, ttl_seconds=3600)
    snapshot = seen(preset, *running(0.5, 9), pending=3, starting=2)
    assert calculate_state(snapshot, NOW) == State(actual=2, expired=1, starting=2)
    assert actions(snapshot) == [CancelPending(3), Delete(("w1", "w0"), DeleteReason.INACTIVE_VERSION)]


def test_pending_builds_of_an_active_version_are_left_alone() -> None:
    assert actions(seen(ACTIVE, *running(1, 2), pending=3)) == []


def test_backoff_comes_before_everything_and_grows_with_the_failures() -> None:
    last = NOW - timedelta(minutes=3)
    snapshot = replace(
        seen(replace(ACTIVE, ttl_seconds=60), *running(5, 6, 7)), backoff=BackoffRow("p", 3, last)
    )
    assert actions(snapshot) == [Backoff(NOW)]
    later = calculate_actions(snapshot, NOW + timedelta(microseconds=1), CONFIG)
    assert [type(action) for action in later] == [Delete, Create]
    assert actions(replace(snapshot, backoff=BackoffRow("p", 0, NOW))) == list(later)
    # With an interval of zero the clock still has to move.
    no_interval = Config(backoff_interval=timedelta(0))
    assert actions(replace(snapshot, backoff=BackoffRow("p", 3, NOW)), no_interval) == [Backoff(NOW)]


def test_backoff_of_an_inactive_preset_rests_too() -> None:
    snapshot = replace(seen(INACTIVE[0], *running(1), pending=1), backoff=BackoffRow("p", 1, NOW))
    assert actions(snapshot) == [Backoff(NOW + timedelta(minutes=1))]


def test_rows_of_another_preset_never_matter() -> None:
    other = replace(ACTIVE, id="q")
    snapshot = Snapshot(
        presets=(ACTIVE, other),
        running=(*running(1, 2, preset_id="q"), RunningPrebuild("x", "x", None, "v", True, NOW)),
        in_progress=(InProgress("q", "v", "start", 2), InProgress(None, "v", "start", 2)),
        pending=(PendingCount("q", 2),),
        backoffs=(BackoffRow("q", 2, NOW),),
        hard_limited=frozenset({"q"}),
        schedules=(Schedule("q", "* * * * *", 9),),
    )
    mine = snapshot.for_preset(ACTIVE, NOW)
    assert calculate_state(mine, NOW) == State(desired=2)
    assert actions(mine) == [Create(2)]
    assert not mine.hard_limited


def test_conditions_bar_creation_only() -> None:
    snapshot = replace(seen(replace(ACTIVE, ttl_seconds=60), *running(5)), hard_limited=True)
    allowed, barred = permit(snapshot, actions(snapshot))
    assert allowed == (Delete(("w0",), DeleteReason.EXPIRED),)
    assert [(item.count, item.condition) for item in barred] == [(2, PrebuildStatus.HARD_LIMITED)]


@pytest.mark.parametrize(
    ("stored", "limited", "live"),
    [
        (PrebuildStatus.HEALTHY, False, PrebuildStatus.HEALTHY),
        (PrebuildStatus.HEALTHY, True, PrebuildStatus.HARD_LIMITED),
        (PrebuildStatus.HARD_LIMITED, False, PrebuildStatus.HEALTHY),
        (PrebuildStatus.VALIDATION_FAILED, False, PrebuildStatus.VALIDATION_FAILED),
        (PrebuildStatus.VALIDATION_FAILED, True, PrebuildStatus.HARD_LIMITED),
    ],
)
def test_the_hard_limit_follows_the_query_and_validation_the_column(
    stored: PrebuildStatus, limited: bool, live: PrebuildStatus
) -> None:
    snapshot = replace(seen(replace(ACTIVE, prebuild_status=stored)), hard_limited=limited)
    assert live_condition(snapshot) is live
    assert bool(permit(snapshot, actions(snapshot))[0]) is (live is PrebuildStatus.HEALTHY)


# -- invariants ------------------------------------------------------------------------------------


@given(preset_snapshots(), configs)
def test_skipping_implies_that_nothing_would_be_done(snapshot: PresetSnapshot, config: Config) -> None:
    if snapshot.can_skip:
        assert calculate_actions(snapshot, NOW, config) == ()


@given(preset_snapshots(), configs)
def test_decisions_are_deterministic_and_bounded(snapshot: PresetSnapshot, config: Config) -> None:
    decided = calculate_actions(snapshot, NOW, config)
    assert decided == calculate_actions(snapshot, NOW, config)
    state = calculate_state(snapshot, NOW)
    known = {prebuild.id for prebuild in (*snapshot.running, *snapshot.expired)}
    evidence = {prebuild.id: prebuild for prebuild in snapshot.failed}
    deleted: list[str] = []
    for action in decided:
        match action:
            case Backoff():
                assert len(decided) == 1
            case Create(count):
                assert snapshot.preset.is_active
                assert count + len(snapshot.running) + state.starting == state.desired
            case Delete(ids, DeleteReason.FAILED):
                assert ids
                assert config.failed_retention is not None
                assert all(NOW - evidence[name].built_at > config.failed_retention for name in ids)
                if snapshot.hard_limited and snapshot.preset.is_active:
                    assert len(evidence) - len(ids) >= min(config.failure_hard_limit, len(evidence))
            case Delete(ids, _):
                assert ids
                deleted += ids
            case CancelPending(count):
                assert count == snapshot.pending_count > 0
                assert not snapshot.preset.is_active
    assert len(deleted) == len(set(deleted))
    assert set(deleted) <= (known | set(evidence) if snapshot.preset.deleted else known)
    if snapshot.preset.is_active and not any(isinstance(action, Backoff) for action in decided):
        assert len(deleted) == state.expired + state.extraneous
        assert len(known) - len(deleted) <= state.desired


@given(preset_snapshots(), configs)
def test_every_preset_can_be_explained(snapshot: PresetSnapshot, config: Config) -> None:
    told = explain(snapshot, NOW, config)
    assert told.actions == permit(snapshot, calculate_actions(snapshot, NOW, config))[0]
    assert all(sentence.endswith(".") for sentence in told.why)
    assert summary(told).endswith(".")
