"""The charts of a pool: steps, stacks, stretches in numbers; what holds for every history."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.dashboard.charts import BOTTOM, LEFT, RIGHT, TOP, Happening, spark, timeline
from prebuilds.samples import Counts, Sample

NOW = datetime(2026, 6, 3, 12, 30, tzinfo=UTC)
DAY = timedelta(hours=24)
HOUR = timedelta(hours=1)


def sample(hours: float, **counts: int) -> Sample:
    return Sample(NOW - timedelta(hours=hours), Counts(**counts))


def test_nothing_recorded_is_no_chart() -> None:
    assert spark([], NOW - DAY, NOW) is None
    assert timeline([], [], NOW - DAY, NOW, slot=HOUR, zone=UTC) is None


def test_the_small_line_is_drawn_in_steps() -> None:
    drawn = spark([sample(30, ready=2, desired=4), sample(12, ready=4, desired=4)], NOW - DAY, NOW)
    assert drawn is not None
    assert drawn.desired == "M0 2L120 2L120 2L240 2"
    assert drawn.ready == "M0 16L120 16L120 2L240 2L240 30L120 30L120 30L0 30Z"
    assert drawn.text == "In the last 24 hours 2 to 4 ready, 4 wanted"


def test_states_are_stacked_and_empty_ones_left_out() -> None:
    drawn = timeline(
        [sample(24, ready=1, starting=1, unready=1, desired=4)], [], NOW - DAY, NOW, slot=HOUR, zone=UTC
    )
    assert drawn is not None
    assert [layer.name for layer in drawn.layers] == ["ready", "building"]
    ready, building = (layer.path for layer in drawn.layers)
    quarter = (BOTTOM - TOP) / 4
    assert (
        ready
        == f"M{LEFT} {BOTTOM - quarter:g}L{RIGHT} {BOTTOM - quarter:g}L{RIGHT} {BOTTOM}L{LEFT} {BOTTOM}Z"
    )
    assert building.startswith(f"M{LEFT} {BOTTOM - 3 * quarter:g}")
    assert drawn.desired == f"M{LEFT} {TOP}L{RIGHT} {TOP}"


def test_stretches_follow_the_hours_of_the_clock_and_count_what_happened() -> None:
    happenings = [
        Happening(NOW - timedelta(minutes=10), is_miss=False, waited=1.25),
        Happening(NOW - timedelta(minutes=20), is_miss=True),
        Happening(NOW - timedelta(minutes=40), is_miss=False),
    ]
    samples = [sample(2, ready=3, desired=3), sample(0.2, ready=0, starting=3, desired=5)]
    drawn = timeline(samples, happenings, NOW - timedelta(hours=3), NOW, slot=HOUR, zone=UTC)
    assert drawn is not None
    newest, before, *_, oldest = drawn.slots
    assert (newest.begin, newest.end) == (NOW - timedelta(minutes=30), NOW)
    assert (newest.wanted, newest.claims, newest.misses) == ("3 to 5", 1, 1)
    assert newest.counts is not None
    assert (newest.counts.ready, newest.counts.building) == (0, 3)
    assert newest.text == "3 to 5 wanted, 0 ready at least, 1 claimed, 1 missed"
    assert (before.wanted, before.claims) == ("3", 1)
    assert oldest.counts is None
    assert (oldest.text, oldest.wanted) == ("no data", "–")
    assert [mark.text for mark in drawn.marks] == [
        "Claimed at 12:20:00, waited 1.2 s",
        "Found the pool empty at 12:10:00",
        "Claimed at 11:50:00",
    ]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Australia/Lord_Howe"])
def test_edges_are_full_hours_in_zones_with_odd_offsets(zone: str) -> None:
    info = ZoneInfo(zone)
    drawn = timeline([sample(24, ready=1)], [], NOW - DAY, NOW, slot=HOUR, zone=info)
    assert drawn is not None
    assert {slot.begin.astimezone(info).minute for slot in drawn.slots[:-1]} == {0}


counts = st.builds(Counts, *[st.integers(0, 50)] * 6)
histories = st.lists(st.tuples(st.floats(0, 40), counts), min_size=1, max_size=12).map(
    lambda rows: [Sample(NOW - timedelta(hours=hours), c) for hours, c in sorted(rows, key=lambda r: -r[0])]
)


@given(histories)
def test_everything_is_drawn_inside_the_box(samples: list[Sample]) -> None:
    drawn = timeline(samples, [], NOW - DAY, NOW, slot=timedelta(hours=6), zone=UTC)
    assert drawn is not None
    for path in (drawn.desired, *(layer.path for layer in drawn.layers)):
        for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", path):
            assert LEFT <= float(x) <= RIGHT
            assert TOP <= float(y) <= BOTTOM
    assert sum(slot.width for slot in drawn.slots) == pytest.approx(RIGHT - LEFT, abs=1)
    assert all(slot.begin < slot.end for slot in drawn.slots)
