"""The picture of a build's time: one scale, nothing invisible, bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.dashboard.timeline import LEAST, MOST_ROWS, WIDTH, Span, seconds_text, timeline

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)


def span(label: str, begin: float, end: float | None, *, inner: bool = False, kind: str = "stage") -> Span:
    ended = None if end is None else T0 + timedelta(seconds=end)
    return Span(label, kind, T0 + timedelta(seconds=begin), ended, inner)


def test_bars_lie_on_one_scale() -> None:
    shown = timeline(
        [span("queue", 0, 2, kind="queue"), span("plan", 2, 5), span("apply", 5, None)],
        now=T0 + timedelta(seconds=10),
    )
    assert shown is not None
    assert [(b.label, b.x, b.width, b.took, b.tone) for b in shown.bars] == [
        ("queue", 0, 200, "2.0 s", "idle"),
        ("plan", 200, 300, "3.0 s", "info"),
        ("apply", 500, 500, "5.0 s so far", "info"),
    ]
    assert shown.total == "10.0 s"
    assert timeline([], now=T0) is None


TIMES = st.floats(0, 1e5, allow_nan=False)


@given(st.lists(st.tuples(TIMES, TIMES, st.booleans()), min_size=1, max_size=80))
def test_every_bar_is_seen_and_stays_inside(rows: list[tuple[float, float, bool]]) -> None:
    spans = [span(str(n), min(a, b), max(a, b), inner=inner) for n, (a, b, inner) in enumerate(rows)]
    shown = timeline(spans, now=T0 + timedelta(days=2))
    assert shown is not None
    assert all(bar.x >= 0 and bar.width >= LEAST and bar.x + bar.width <= WIDTH for bar in shown.bars)
    stages = sum(not s.inner for s in spans)
    assert len(shown.bars) <= max(MOST_ROWS, stages)
    assert len(shown.bars) + shown.left_out == len(spans)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.042, "42 ms"), (3.14, "3.1 s"), (80, "1 min 20 s"), (7500, "2 h 5 min")],
)
def test_lengths_are_told_as_people_do(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
