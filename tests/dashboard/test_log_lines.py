"""The lines of a log as list items: nothing of them runs, stages begin once, levels are said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape

from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.dashboard.logs import draw_lines

AT = datetime(2026, 11, 28, 9, 5, 7, 120_000, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@dataclass
class Stored:
    id: int
    stage: str
    output: str
    level: str = "info"
    created_at: datetime = AT


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_what_a_line_says_is_shown_and_never_runs(said: list[tuple[str, str]]) -> None:
    drawn = draw_lines([Stored(n, stage, output) for n, (stage, output) in enumerate(said)])
    items = drawn.split('<li class="log-line')[1:]
    assert len(items) == len(said)
    for item, (stage, output) in zip(items, said, strict=True):
        shown = item.partition('<span class="text">')[2].removesuffix("</span></li>")
        assert "<" not in shown
        assert unescape(shown) == output
        named = item.partition('data-stage="')[2].partition('"')[0]
        assert "<" not in named
        assert unescape(named) == stage


def test_a_stage_is_named_where_it_begins() -> None:
    stages = ["", "Planning", "Planning", "Applying", "Planning"]
    drawn = draw_lines([Stored(n, stage, "x") for n, stage in enumerate(stages)])
    items = drawn.split("<li ")[1:]
    assert [('class="stage"' in item) for item in items] == [False, True, False, True, True]


def test_bad_levels_are_said_in_words_and_times_are_the_readers() -> None:
    with timezone.override("America/New_York"):
        drawn = draw_lines([Stored(1, "", "disk full", "error"), Stored(2, "", "fine")])
    assert drawn.count('<span class="visually-hidden">error: </span>disk full') == 1
    assert drawn.count("visually-hidden") == 1
    assert drawn.count(">04:05:07</time>") == 2
    assert AT.isoformat() in drawn
