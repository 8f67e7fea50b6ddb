"""The pure pieces: filters, bars, heat maps, durations, form fields, addresses."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.dashboard.filters import filter_bar, join_words, merged, value_of, with_value, words_of
from coder_admin.dashboard.heat import heat_map, shade
from coder_admin.dashboard.middleware import known_zone
from coder_admin.dashboard.parameter_form import Given, as_list, fields, read_inputs
from coder_admin.dashboard.pools import SCALE, bar
from coder_admin.dashboard.statuses import LOOKS, look_of
from coder_admin.dashboard.templatetags.ui import counted, initials, joined, relative_text, short_duration
from coder_admin.dashboard.views.inbox import own_address
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import AgentConnection, AgentLifecycle
from coder_admin.workspaces.statuses import WorkspaceStatus
from prebuilds.desired import WeekMap

words = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\x0b\x0c\x1c\x1d\x1e\x85"), min_size=1),
    max_size=5,
)


@given(words)
def test_words_survive_being_written_and_read(given_words: list[str]) -> None:
    kept = [word for word in given_words if word.strip() and not any(c in word for c in " \t\"'\\")]
    assert words_of(join_words(kept)) == kept


@pytest.mark.parametrize("text", ['name:"two words" plain', "a 'b", 'key:"un closed', "x:y:z", ""])
def test_any_text_is_some_list_of_words(text: str) -> None:
    assert isinstance(words_of(text), list)
    assert words_of(join_words(words_of(text))) == words_of(text)


def test_a_picker_writes_its_key_into_the_text() -> None:
    assert with_value("dev status:failed", "status", "running") == "dev status:running"
    assert with_value("dev status:failed", "status", "") == "dev"
    assert with_value("dev", "owner", "me") == "dev owner:me"
    assert value_of('template:"go service"', "template") == "go service"


def test_what_was_typed_wins_over_a_picker_that_was_not_touched() -> None:
    typed = QueryDict("filter=status:failed&status=&was.status=")
    assert merged(typed, ("status",)) == "status:failed"
    picked = QueryDict("filter=status:failed&status=running&was.status=failed")
    assert merged(picked, ("status",)) == "status:running"
    cleared = QueryDict("filter=status:failed&status=&was.status=failed")
    assert merged(cleared, ("status",)) == ""
    assert merged(QueryDict("filter=x"), ("status",)) is None


def test_each_chip_leads_to_the_list_without_itself() -> None:
    drawn = filter_bar(path="/w", text="a owner:me", kept={"organization": "x"}, placeholder="", hint="")
    assert [(chip.text, chip.url) for chip in drawn.chips] == [
        ("a", "/w?organization=x&filter=owner%3Ame"),
        ("owner:me", "/w?organization=x&filter=a"),
    ]
    assert drawn.clear_url == "/w?organization=x"


@given(st.integers(0, 60), st.lists(st.integers(0, 30), min_size=4, max_size=4))
def test_the_bar_holds_everything_side_by_side(desired: int, counts: list[int]) -> None:
    segments, width, track = bar(
        desired=desired, parts=list(zip(("ok", "info", "warn", "bad"), counts, strict=True))
    )
    assert sum(segment.width for segment in segments) == sum(counts) * SCALE
    assert track == desired * SCALE <= width
    position = 0
    for segment in segments:
        assert segment.x == position
        position += segment.width
    assert position <= width


def test_the_heat_map_marks_now_and_skipped_hours() -> None:
    hours = tuple(tuple(None if (day, hour) == (6, 2) else day for hour in range(24)) for day in range(7))
    week = WeekMap(date(2026, 3, 23), "Europe/Berlin", hours)
    drawn = heat_map(week, datetime(2026, 3, 24, 8, 30, tzinfo=UTC))
    assert drawn.rows[6].cells[2].text == "–"
    assert [
        (row.label, number) for row in drawn.rows for number, cell in enumerate(row.cells) if cell.is_now
    ] == [("Tue", 9)]
    assert drawn.rows[0].cells[0].shade == 0
    assert drawn.rows[6].cells[0].shade == 4


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_shades_grow_with_the_size(size: int, largest: int) -> None:
    size = min(size, largest)
    assert 0 <= shade(size, largest) <= 4
    assert shade(size, largest) >= shade(size - 1, largest)
    assert (shade(size, largest) == 0) == (size == 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.74, "0.7 s"),
        (4, "4 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert short_duration(seconds) == text


def test_relative_times() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert relative_text(now - timedelta(seconds=3), now) == "now"
    assert relative_text(now - timedelta(seconds=90), now) == "1 min ago"
    assert relative_text(now + timedelta(hours=2), now) == "in 2 h"


def test_counts_and_lists_are_spoken() -> None:
    assert counted(1, "pool,pools") == "1 pool"
    assert counted(1204, "pool,pools") == "1,204 pools"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert initials("ada-lovelace") == "AL"
    assert initials("") == "?"


def test_every_state_has_a_look() -> None:
    for kind, values in {
        "workspace": WorkspaceStatus.values,
        "job": JobStatus.values,
        "agent": AgentLifecycle.values,
        "connection": AgentConnection.values,
    }.items():
        assert set(values) <= set(LOOKS[kind]), kind
    assert look_of("job", "some_new_state").label == "Some new state"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/workspaces?filter=a", "/workspaces?filter=a"),
        ("http://127.0.0.1:8000/@mia/dev", "/@mia/dev"),
        ("https://example.com/x", "https://example.com/x"),
        ("javascript:alert(1)", "/"),
        ("javascript://example.com/%0aalert(1)", "/"),
        ("", "/"),
    ],
)
def test_a_message_leads_to_safe_places(url: str, address: str) -> None:
    assert own_address(url) == address


def parameter(**changes: Any) -> dict[str, Any]:
    return {
        "name": "size",
        "display_name": "Size",
        "description": "",
        "type": "number",
        "form_type": "input",
        "styling": {},
        "mutable": False,
        "options": [],
        "required": True,
        "ephemeral": False,
        "value": {"value": "", "valid": False},
        "diagnostics": [{"severity": "error", "summary": "Required", "detail": "no value"}],
        **changes,
    }


def test_errors_of_untouched_fields_are_held_back() -> None:
    (untouched,) = fields([parameter()], {}, show_errors=False)
    assert untouched.problems == ()
    assert untouched.marks == ("required", "cannot be changed later")
    (typed,) = fields([parameter()], {"size": Given("", "user")}, show_errors=False)
    assert [problem.text for problem in typed.problems] == ["Required: no value"]
    (tried,) = fields([parameter()], {}, show_errors=True)
    assert tried.invalid


def test_an_invalid_value_means_nothing() -> None:
    (field,) = fields([parameter(value={"value": "data.x.y", "valid": False})], {}, show_errors=False)
    assert field.value == ""


def test_plain_fields_become_values() -> None:
    post = QueryDict(mutable=True)
    post.setlist("param.on", ["false", "true"])
    post["param.many:list"] = "1"
    post.setlist("param.many", ["a", "b"])
    post["param.lines:lines"] = "1"
    post["param.lines"] = " one \r\n\r\ntwo"
    post["param.none:list"] = "1"
    assert read_inputs(post) == {
        "on": "true",
        "many": '["a", "b"]',
        "lines": '["one", "two"]',
        "none": "[]",
    }


@pytest.mark.parametrize("text", ["[]", "nonsense", "[1]", '{"a": 1}', "null", "[" * 30_000])
def test_collected_values_are_texts_or_nothing(text: str) -> None:
    post = QueryDict(mutable=True)
    post["inputs"] = text
    assert read_inputs(post) == {}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20)))
def test_collected_values_come_through(values: dict[str, str]) -> None:
    post = QueryDict(mutable=True)
    post["inputs"] = json.dumps(values)
    assert read_inputs(post) == values


def test_prefilled_values_and_lists() -> None:
    assert read_inputs(QueryDict("param.region=eu&x=1")) == {"region": "eu"}
    assert as_list('["a", null, 1]') == ["a", "", "1"]
    assert as_list("nonsense") == []
    assert as_list("[" * 100_000) == []


def test_only_real_zones_are_zones() -> None:
    assert known_zone("Europe/Berlin") is not None
    for name in ("", "Nowhere/City", "../../etc/passwd", "x" * 500, "\0"):
        assert known_zone(name) is None
