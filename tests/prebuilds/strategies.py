"""Random presets, prebuilds and snapshots for the property tests of the pure core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from prebuilds.snapshot import (
    BackoffRow,
    Config,
    FailedPrebuild,
    InProgress,
    PrebuildStatus,
    Preset,
    PresetSnapshot,
    RunningPrebuild,
    Schedule,
    split_expired,
)

NOW = datetime(2026, 6, 3, 12, 30, tzinfo=UTC)

instants = st.integers(-3 * 24 * 3600, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
crons = st.sampled_from(
    ["* 9-18 * * 1-5", "* * * * *", "* 0-8 * * *", "* 19-23 * * *", "0 9 * * *", "* 12 * * 3"]
)
configs = st.builds(
    Config,
    backoff_interval=st.integers(0, 600).map(lambda seconds: timedelta(seconds=seconds)),
    failure_hard_limit=st.integers(0, 5),
    failed_retention=st.one_of(st.none(), st.just(timedelta(hours=1))),
    not_ready_limit=st.one_of(st.none(), st.just(timedelta(minutes=20))),
)
presets = st.builds(
    Preset,
    id=st.just("preset"),
    using_active_version=st.booleans(),
    deleted=st.booleans(),
    deprecated=st.booleans(),
    desired_instances=st.integers(0, 6),
    ttl_seconds=st.one_of(st.none(), st.sampled_from([-1, 0, 3600, 86400])),
    scheduling_timezone=st.sampled_from(["", "UTC", "Europe/Berlin", "Nowhere/Land"]),
    prebuild_status=st.sampled_from(PrebuildStatus),
    last_invalidated_at=st.one_of(st.none(), instants),
)


@st.composite
def preset_snapshots(draw: st.DrawFn) -> PresetSnapshot:
    preset = draw(presets)
    running = [
        RunningPrebuild(f"w{n}", f"prebuild-{n}", preset.id, "version", draw(st.booleans()), draw(instants))
        for n in range(draw(st.integers(0, 8)))
    ]
    good, expired = split_expired(preset, running, NOW)
    return PresetSnapshot(
        preset=preset,
        schedules=tuple(
            Schedule(preset.id, draw(crons), draw(st.integers(-1, 8))) for _ in range(draw(st.integers(0, 2)))
        ),
        running=good,
        expired=expired,
        in_progress=tuple(
            InProgress(preset.id, "version", transition, draw(st.integers(1, 3)))
            for transition in draw(st.sets(st.sampled_from(["start", "stop", "delete"])))
        ),
        pending_count=draw(st.integers(0, 3)),
        backoff=draw(
            st.one_of(st.none(), st.builds(BackoffRow, st.just(preset.id), st.integers(0, 5), instants))
        ),
        hard_limited=draw(st.booleans()),
        failed=tuple(
            FailedPrebuild(f"f{n}", preset.id, draw(instants)) for n in range(draw(st.integers(0, 4)))
        ),
    )
