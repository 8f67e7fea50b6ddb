"""The pure rules: statuses, agents' lifecycle and connection, claims, logs, presets, search."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.foundation.errors import Conflict, Invalid
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.agent_logs import FULL_NOTE, LOG_LIMIT, LogLine, Position, accept
from coder_admin.workspaces.choices import AgentConnection, AgentLifecycle, Transition
from coder_admin.workspaces.lifecycle import (
    ClaimFacts,
    ConnectionFacts,
    LifecycleTimes,
    claim_answer,
    connection_status,
    times_after,
)
from coder_admin.workspaces.names import checked_name, name_taken
from coder_admin.workspaces.preset_match import PresetValues, matching_preset
from coder_admin.workspaces.search import parse_query
from coder_admin.workspaces.statuses import WorkspaceStatus, workspace_status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INACTIVE = timedelta(seconds=45)


@pytest.mark.parametrize(
    ("job", "start", "stop", "delete"),
    [
        ("pending", "pending", "pending", "pending"),
        ("running", "starting", "stopping", "deleting"),
        ("succeeded", "running", "stopped", "deleted"),
        ("canceling", "canceling", "canceling", "canceling"),
        ("canceled", "canceled", "canceled", "canceled"),
        ("failed", "failed", "failed", "failed"),
    ],
)
def test_status_table(job: str, start: str, stop: str, delete: str) -> None:
    assert [workspace_status(t, job) for t in Transition] == [start, stop, delete]


def test_every_combination_has_a_status() -> None:
    found = {workspace_status(t, j) for t in Transition for j in JobStatus}
    assert found == set(WorkspaceStatus)


EMPTY = LifecycleTimes(None, None)
STARTED = LifecycleTimes(NOW - timedelta(minutes=1), None)


@pytest.mark.parametrize(
    ("state", "before", "after"),
    [
        ("created", STARTED, STARTED),
        ("starting", LifecycleTimes(NOW, NOW), LifecycleTimes(NOW, None)),
        ("ready", STARTED, LifecycleTimes(STARTED.started_at, NOW)),
        ("ready", EMPTY, LifecycleTimes(NOW, NOW)),
        ("start_timeout", EMPTY, LifecycleTimes(NOW, NOW)),
        ("start_error", STARTED, LifecycleTimes(STARTED.started_at, NOW)),
        ("shutting_down", STARTED, STARTED),
        ("off", STARTED, STARTED),
    ],
)
def test_lifecycle_times(state: str, before: LifecycleTimes, after: LifecycleTimes) -> None:
    assert times_after(AgentLifecycle(state), NOW, before) == after


@pytest.mark.parametrize(
    ("age", "timeout", "last", "left", "status"),
    [
        (10, 120, None, None, "connecting"),
        (120, 120, None, None, "connecting"),
        (121, 120, None, None, "timeout"),
        (9999, 0, None, None, "connecting"),
        (9999, 120, 45, None, "connected"),
        (9999, 120, 46, None, "disconnected"),
        (9999, 120, 5, 5, "disconnected"),
        (9999, 120, 5, 4, "disconnected"),
        (9999, 120, 5, 6, "connected"),
    ],
)
def test_connection(age: int, timeout: int, last: int | None, left: int | None, status: str) -> None:
    def ago(seconds: int | None) -> datetime | None:
        return None if seconds is None else NOW - timedelta(seconds=seconds)

    facts = ConnectionFacts(NOW - timedelta(seconds=age), ago(last), ago(last), ago(left), timeout)
    assert connection_status(facts, now=NOW, inactive_after=INACTIVE) == AgentConnection(status)


@pytest.mark.parametrize(
    ("prebuilds", "first", "is_claim", "active", "succeeded", "claimed", "possible"),
    [
        (True, True, False, False, True, False, True),  # waits in the pool
        (False, True, True, True, False, False, True),  # its claim is being built
        (False, True, True, False, True, True, True),  # claimed
        (False, True, True, False, False, False, False),  # the claim failed
        (False, True, False, False, True, False, False),  # restarted after the claim: never again
        (False, False, False, False, True, False, False),  # was never a prebuild
    ],
)
def test_claim_answer(
    prebuilds: bool, first: bool, is_claim: bool, active: bool, succeeded: bool, claimed: bool, possible: bool
) -> None:
    answer = claim_answer(ClaimFacts(prebuilds, first, is_claim, active, succeeded))
    assert (answer.claimed, answer.possible) == (claimed, possible)


def _line(text: str) -> LogLine:
    return LogLine(NOW, "info", text)


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(1, 15), st.integers(1, 3)), max_size=20),
)
def test_resent_batches_store_each_line_once(total: int, resends: list[tuple[int, int, int]]) -> None:
    """However batches are cut and repeated, as long as the sender starts where the server confirmed."""
    stored: list[str] = []
    position, length = Position("", 0), 0
    lines = [_line(str(i)) for i in range(total)]
    for back, size, times in [*resends, (0, total, 1)]:
        start = max(0, position.next_sequence - back)
        for _ in range(times):
            batch = lines[start : start + size]
            got = accept(batch, run_id="r", sequence=start, stored=position, logs_length=length)
            stored += [line.output for line in got.lines]
            position, length = got.position, length + got.added_bytes
    assert stored == [str(i) for i in range(len(stored))]
    assert position.next_sequence == len(stored)


def test_another_run_begins_anew() -> None:
    got = accept([_line("a")], run_id="second", sequence=0, stored=Position("first", 99), logs_length=0)
    assert [line.output for line in got.lines] == ["a"]
    assert got.position == Position("second", 1)


def test_the_limit_keeps_what_fits() -> None:
    lines = [_line("x" * 99) for _ in range(3)]
    got = accept(lines, run_id="r", sequence=0, stored=Position("", 0), logs_length=LOG_LIMIT - 250)
    assert (len(got.lines), got.overflowed, got.added_bytes) == (3, True, 200)
    assert (got.lines[-1].level, got.lines[-1].output) == ("warn", FULL_NOTE)
    exact = accept(lines, run_id="r", sequence=0, stored=Position("", 0), logs_length=LOG_LIMIT - 300)
    assert (len(exact.lines), exact.overflowed) == (3, False)


def test_empty_lines_are_not_free() -> None:
    got = accept([_line("")] * 5, run_id="", sequence=0, stored=Position("", 0), logs_length=LOG_LIMIT - 3)
    assert [line.output for line in got.lines] == ["", "", "", FULL_NOTE]


def test_lines_are_cleaned() -> None:
    got = accept([_line("a\0b" + "x" * 70_000)], run_id="", sequence=0, stored=Position("", 0), logs_length=0)
    output = got.lines[0].output
    assert output.startswith("a\N{REPLACEMENT CHARACTER}b")
    assert output.endswith("(line cut)")
    assert len(output) < 66_000


def _preset(name: str, pool: bool = False, **values: str) -> PresetValues:
    return PresetValues(uuid.uuid5(uuid.NAMESPACE_DNS, name), name, pool, values)


def test_the_largest_preset_within_the_request_wins() -> None:
    small, large, other = _preset("s", a="1"), _preset("l", a="1", b="2"), _preset("o", a="9", b="2", c="3")
    empty = _preset("e", pool=True)
    presets = [small, large, other, empty]
    assert matching_preset(presets, {"a": "1", "b": "2", "z": "0"}) == large.id
    assert matching_preset(presets, {"a": "1"}) == small.id
    assert matching_preset(presets, {"a": "2"}) == empty.id
    assert matching_preset([small], {}) is None


def test_ties_prefer_a_pool_then_the_name() -> None:
    plain, pool, also = _preset("a", a="1"), _preset("c", pool=True, a="1"), _preset("b", pool=True, a="1")
    assert matching_preset([plain, pool, also], {"a": "1"}) == also.id
    assert matching_preset([also, pool, plain], {"a": "1"}) == also.id


def test_search_reads_every_key() -> None:
    some = uuid.uuid4()
    query = parse_query(
        f"owner:me template:web status:running,stopped organization:acme has-agent:connected dormant:true "
        f'last_used_after:"2026-01-01T00:00:00Z" outdated:false param:region=eu param:size id:{some} my box'
    )
    assert (query.owner, query.template, query.organization, query.text) == ("me", "web", "acme", "my box")
    assert query.statuses == (WorkspaceStatus.RUNNING, WorkspaceStatus.STOPPED)
    assert (query.dormant, query.outdated, query.has_agent) == (True, False, ("connected",))
    assert query.last_used_after == datetime(2026, 1, 1, tzinfo=UTC)
    assert query.params == (("region", "eu"), ("size", None))
    assert query.ids == (some,)


def test_search_owner_slash_name() -> None:
    query = parse_query("ada/dev")
    assert (query.owner, query.name, query.text) == ("ada", "dev", "")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("status:sleeping", "status"),
        ("dormant:maybe", "dormant"),
        ("has-agent:up", "has-agent"),
        ("id:1", "id"),
        ('last_used_after:"yesterday"', "last_used_after"),
        ('last_used_after:"2026-01-01T00:00:00"', "last_used_after"),
        ("param:=x", "param"),
        ("colour:red", "q"),
        ('name:"open', "q"),
    ],
)
def test_search_names_what_is_wrong(text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_query(text)
    assert [v.field for v in caught.value.validations] == [field]


@pytest.mark.parametrize("name", ["dev", "Dev-2", "a", "x" * 32])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a_b", "a b", "é", "x" * 33, "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked_name(name)
    assert caught.value.validations[0].field == "name"


def test_a_taken_name_is_a_conflict() -> None:
    error = name_taken("dev")
    assert isinstance(error, Conflict)
    assert error.validations[0].detail == "This value is already in use and should be unique."
