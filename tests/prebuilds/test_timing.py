"""When the next pass is due: what lies beyond the calendar is never due, and fails nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prebuilds.snapshot import (
    BackoffRow,
    Config,
    FailedPrebuild,
    Preset,
    PresetSnapshot,
    RunningPrebuild,
    Snapshot,
)
from prebuilds.timing import next_due
from tests.prebuilds.strategies import NOW

HOUR = timedelta(hours=1)
AGES = timedelta.max


def part(*, ready: bool = True, ttl: int | None = None, failures: int = 0) -> PresetSnapshot:
    preset = Preset("p", desired_instances=1, ttl_seconds=ttl, using_active_version=True)
    return Snapshot(
        presets=(preset,),
        running=(RunningPrebuild("w", "prebuild", "p", "v", ready, NOW - HOUR),),
        failed=(FailedPrebuild("f", "p", NOW - HOUR),),
        backoffs=(BackoffRow("p", failures, NOW),) if failures else (),
    ).for_preset(preset, NOW)


@pytest.mark.parametrize(
    ("seen", "config"),
    [
        (part(failures=3), Config(backoff_interval=AGES)),
        (part(), Config(failed_retention=AGES)),
        (part(ready=False), Config(not_ready_limit=AGES)),
        (part(ttl=2**31 - 1), Config()),
        (part(ttl=10**11), Config()),
        (part(ttl=10**30), Config()),
    ],
)
def test_what_ends_beyond_the_calendar_is_never_due(seen: PresetSnapshot, config: Config) -> None:
    assert next_due([seen], NOW, config, HOUR) is None


def test_what_ends_within_it_is_due_all_the_same() -> None:
    never = part(failures=3)
    soon = part(ttl=3600 + 60)
    config = Config(backoff_interval=AGES, failed_retention=AGES, not_ready_limit=AGES)
    due = next_due([never, soon], NOW, config, HOUR)
    assert due is not None
    assert timedelta(seconds=60) < due - NOW < timedelta(seconds=61)


def test_a_horizon_beyond_the_calendar_is_its_end() -> None:
    due = next_due([part(failures=1)], NOW, Config(), AGES)
    assert due is not None
    assert timedelta(seconds=60) < due - NOW < timedelta(seconds=61)
