"""`prebuilds_explain` on snapshots of many kinds: cases reckoned by hand, and a second reading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prebuilds.exchange import explain_all, explanations_to_json, situation_from_json

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)  # a Wednesday


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).isoformat()


def told(preset: dict[str, Any], **lists: Any) -> dict[str, Any]:
    """What is said of one preset at NOW; rows of the lists belong to it unless they say otherwise."""
    given = {
        name: [{"preset_id": "p"} | row if isinstance(row, dict) else row for row in rows]
        for name, rows in lists.items()
        if isinstance(rows, list)
    }
    others = {name: value for name, value in lists.items() if not isinstance(value, list)}
    snapshot = {"now": NOW.isoformat(), "presets": [{"id": "p", "desired_instances": 2} | preset]}
    situation = situation_from_json(json.loads(json.dumps(snapshot | given | others)), default_now=NOW)
    (row,) = explanations_to_json(explain_all(situation))["presets"]
    return dict(row)


def running(name: str = "w", **fields: Any) -> dict[str, Any]:
    return {"id": name, "created_at": ago(minutes=10)} | fields


def create(count: int) -> dict[str, Any]:
    return {"type": "create", "count": count}


def delete(*ids: str, reason: str) -> dict[str, Any]:
    return {"type": "delete", "workspace_ids": list(ids), "reason": reason}


def every(cron: str, size: int) -> dict[str, Any]:
    return {"cron_expression": cron, "desired_instances": size}


def failed(number: int, **span: float) -> list[dict[str, Any]]:
    return [{"num_failed": number, "last_build_at": ago(**span)}]


BACKOFF_UNTIL_NOW = {"type": "backoff", "until": "2026-06-03T12:00:00Z"}
INACTIVE: dict[str, Any] = {"using_active_version": False}
BERLIN = {"scheduling_timezone": "Europe/Berlin"}

# name, preset, lists, actions, parts of the state
CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[dict[str, Any]], dict[str, int]]] = [
    ("an empty pool", {}, {}, [create(2)], {"desired": 2}),
    ("equality still rests", {}, {"backoff": failed(3, minutes=3)}, [BACKOFF_UNTIL_NOW], {}),
    (
        "one microsecond later it does not",
        {},
        {"backoff": failed(3, minutes=3, microseconds=1)},
        [create(2)],
        {},
    ),
    ("no failure is no backoff", {}, {"backoff": failed(0, seconds=0)}, [create(2)], {}),
    (
        "an interval of 0 rests at the very instant",
        {},
        {"backoff": failed(9, seconds=0), "config": {"backoff_interval_seconds": 0}},
        [BACKOFF_UNTIL_NOW],
        {},
    ),
    (
        "nothing is deleted while it rests",
        {"ttl_seconds": 60},
        {"backoff": failed(1, seconds=30), "running": [running(f"w{n}") for n in range(4)]},
        [{"type": "backoff", "until": "2026-06-03T12:00:30Z"}],
        {"actual": 4, "expired": 4},
    ),
    (
        "an inactive preset rests too",
        INACTIVE,
        {"backoff": failed(1, seconds=30), "running": [running()], "pending": [{"count": 1}]},
        [{"type": "backoff", "until": "2026-06-03T12:00:30Z"}],
        {"desired": 0, "eligible": 0},
    ),
    (
        "the ttl is strict",
        {"ttl_seconds": 3600, "desired_instances": 1},
        {"running": [running(created_at=ago(hours=1))]},
        [],
        {"actual": 1, "expired": 0, "eligible": 1},
    ),
    (
        "past the ttl",
        {"ttl_seconds": 3600, "desired_instances": 1},
        {"running": [running(created_at=ago(hours=1, microseconds=1))]},
        [delete("w", reason="expired"), create(1)],
        {"actual": 1, "expired": 1, "eligible": 0},
    ),
    (
        "invalidation is strict",
        {"last_invalidated_at": ago(minutes=10)},
        {"running": [running("same"), running("older", created_at=ago(minutes=10, microseconds=1))]},
        [delete("older", reason="invalidated"), create(1)],
        {"actual": 2, "expired": 1},
    ),
    (
        "expired before extraneous, each oldest first",
        {"ttl_seconds": 3600, "desired_instances": 1},
        {
            "running": [
                running("b", created_at=ago(minutes=20)),
                running("a", created_at=ago(minutes=30)),
                running("y", created_at=ago(hours=2)),
                running("c", created_at=ago(minutes=10)),
                running("z", created_at=ago(hours=3)),
            ]
        },
        [delete("z", "y", reason="expired"), delete("a", "b", reason="extraneous")],
        {"actual": 5, "expired": 2, "extraneous": 2},
    ),
    (
        "ties go by id",
        {"desired_instances": 1},
        {"running": [running("b"), running("c"), running("a")]},
        [delete("a", "b", reason="extraneous")],
        {},
    ),
    (
        "starting suppresses creation but never deletes",
        {},
        {"running": [running()], "in_progress": [{"transition": "start", "count": 4}]},
        [],
        {"starting": 4, "extraneous": 0},
    ),
    (
        "stopping and deleting suppress nothing",
        {},
        {"in_progress": [{"transition": "stop", "count": 2}, {"transition": "delete", "count": 3}]},
        [create(2)],
        {"stopping": 2, "deleting": 3},
    ),
    (
        "an unknown transition counts as nothing",
        {},
        {"in_progress": [{"transition": "", "count": 2}]},
        [create(2)],
        {"starting": 0},
    ),
    (
        "what belongs to others does not count",
        {},
        {
            "running": [running(preset_id="q"), running("x", preset_id=None)],
            "in_progress": [{"preset_id": "q", "count": 2}],
            "backoff": [{"preset_id": "q", "num_failed": 3, "last_build_at": NOW.isoformat()}],
            "pending": [{"preset_id": "q", "count": 2}],
            "hard_limited": ["q"],
        },
        [create(2)],
        {"actual": 0, "starting": 0},
    ),
    (
        "not ready fills a place and is not eligible",
        {},
        {"running": [running(ready=False), running("v")]},
        [],
        {"actual": 2, "eligible": 1},
    ),
    ("pending of the active version is left alone", {}, {"pending": [{"count": 2}]}, [create(2)], {}),
    (
        "an inactive version is wound down, expired ones too",
        INACTIVE | {"ttl_seconds": 3600},
        {"running": [running("young"), running("old", created_at=ago(hours=9))], "pending": [{"count": 3}]},
        [{"type": "cancel_pending", "count": 3}, delete("old", "young", reason="inactive_version")],
        {"actual": 2, "expired": 1, "desired": 0, "eligible": 0, "extraneous": 0},
    ),
    (
        "a deprecated template",
        {"deprecated": True},
        {"running": [running()]},
        [delete("w", reason="inactive_version")],
        {},
    ),
    (
        "a deleted template",
        {"deleted": True},
        {"running": [running()]},
        [delete("w", reason="inactive_version")],
        {},
    ),
    (
        "the hard limit bars creation only",
        {"desired_instances": 3, "ttl_seconds": 60},
        {"running": [running()], "hard_limited": ["p"]},
        [delete("w", reason="expired")],
        {},
    ),
    ("the stored limit alone bars nothing", {"prebuild_status": "hard_limited"}, {}, [create(2)], {}),
    ("validation bars by the stored status", {"prebuild_status": "validation_failed"}, {}, [], {}),
    (
        "a size of 0 empties the pool",
        {"desired_instances": 0},
        {"running": [running()]},
        [delete("w", reason="extraneous")],
        {},
    ),
    ("a negative size is none", {"desired_instances": -1}, {}, [], {"desired": 0}),
    ("a schedule in its zone", BERLIN, {"schedules": [every("* 14 * * 3", 5)]}, [create(5)], {"desired": 5}),
    ("outside of it", BERLIN, {"schedules": [every("* 12 * * 3", 5)]}, [create(2)], {"desired": 2}),
    (
        "the first of those that pass wins",
        BERLIN,
        {"schedules": [every("* 14 3 * *", 5), every("* 14 4 * 3", 6)]},
        [create(5)],
        {},
    ),
    (
        "overlapping schedules",
        BERLIN,
        {"schedules": [every("* 14 * * *", 5), every("* 14-15 * * 3", 6)]},
        [create(2)],
        {},
    ),
    (
        "one schedule that cannot be read spoils the set",
        BERLIN,
        {"schedules": [every("* 14 * * *", 5), every("0 9 * * *", 6)]},
        [create(2)],
        {},
    ),
    ("no zone", {}, {"schedules": [every("* * * * *", 5)]}, [create(2)], {}),
    (
        "an unknown zone",
        {"scheduling_timezone": "Mars/Base"},
        {"schedules": [every("* * * * *", 5)]},
        [create(2)],
        {},
    ),
    (
        "a schedule may ask for none",
        BERLIN,
        {"schedules": [every("* * * * *", 0)], "running": [running()]},
        [delete("w", reason="extraneous")],
        {},
    ),
    ("a zone without schedules", BERLIN, {}, [create(2)], {}),
]


@pytest.mark.parametrize(
    ("preset", "lists", "actions", "state"), [pytest.param(*row[1:], id=row[0]) for row in CASES]
)
def test_cases_by_hand(
    preset: dict[str, Any], lists: dict[str, Any], actions: list[dict[str, Any]], state: dict[str, int]
) -> None:
    row = told(preset, **lists)
    assert row["actions"] == actions
    assert {name: row["state"][name] for name in state} == state
    assert row["skipped"] is False
    assert row["why"]


@pytest.mark.parametrize(
    ("lists", "skipped"),
    [
        ({}, True),
        ({"in_progress": [{"count": 3}], "hard_limited": ["p"]}, True),
        ({"schedules": [every("broken", 1)]}, True),
        ({"pending": [{"count": 0}]}, True),
        ({"pending": [{"count": 1}]}, False),
        ({"running": [running()]}, False),
        ({"backoff": failed(0, seconds=1)}, False),
    ],
)
def test_what_is_left_of_an_inactive_preset_decides_whether_it_is_skipped(
    lists: dict[str, Any], skipped: bool
) -> None:
    row = told(INACTIVE, **lists)
    assert row["skipped"] is skipped
    assert not (skipped and row["actions"])


@pytest.mark.parametrize(
    ("zone", "now", "cron", "inside"),
    [
        ("America/New_York", "2026-03-08T06:59:59.999Z", "* 1 8 3 *", True),
        ("America/New_York", "2026-03-08T07:00:00Z", "* 2 8 3 *", False),  # 02:00 is skipped
        ("America/New_York", "2026-03-08T07:00:00Z", "* 3 8 3 *", True),
        ("America/New_York", "2026-11-01T06:30:00Z", "* 1 1 11 *", True),  # the second 01:30
        ("Europe/Berlin", "2026-10-25T00:30:00Z", "* 2 25 10 *", True),
        ("Europe/Berlin", "2026-10-25T01:59:59Z", "* 2 25 10 *", True),
        ("Europe/Berlin", "2026-10-25T02:00:00Z", "* 2 25 10 *", False),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", "* 2 4 10 *", True),  # 02:30, after half an hour lost
        ("Africa/Casablanca", "2026-02-15T02:00:00Z", "* 2 15 2 *", True),
        ("Africa/Casablanca", "2026-03-22T02:00:00Z", "* 2 22 3 *", False),
    ],
)
def test_clock_changes(zone: str, now: str, cron: str, inside: bool) -> None:
    row = told(
        {"scheduling_timezone": zone},
        now=now,
        schedules=[{"cron_expression": cron, "desired_instances": 7}],
    )
    assert row["state"]["desired"] == (7 if inside else 2)


def test_why_names_what_is_wrong_and_what_lifts_a_bar() -> None:
    schedule = [every("30 9 * * *", 3)]
    assert '"30 9 * * *"' in " ".join(told(BERLIN, schedules=schedule)["why"])
    limited = " ".join(told({}, hard_limited=["p"], config={"failure_hard_limit": 5})["why"])
    assert "newest 5 builds all failed" in limited
    assert "reset" in limited
    assert "refused as invalid" in " ".join(told({"prebuild_status": "validation_failed"})["why"])


def test_the_command_needs_no_database_and_prints_nothing_but_json() -> None:
    snapshot = json.dumps({"presets": [{"id": "p", "desired_instances": 1}]})
    ran = subprocess.run(
        [sys.executable, "manage.py", "prebuilds_explain", "--snapshot", "-", "--json"],
        cwd=ROOT,
        input=snapshot,
        env=os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(ran.stdout)["presets"][0]["actions"] == [create(1)]
    assert ran.stderr == ""


@pytest.mark.parametrize(
    "lists",
    [
        {"backoff": [{"num_failed": 10**12, "last_build_at": NOW.isoformat()}]},
        {"running": [running(created_at="1900-01-01T00:00:00Z")]},
    ],
)
def test_extreme_numbers_are_answered(lists: dict[str, Any]) -> None:
    assert told({"ttl_seconds": 10**18, "desired_instances": 10**9}, **lists)["actions"]


# -- a second reading of section 3.4 ---------------------------------------------------------------

instants = st.integers(-7200, 60).map(lambda seconds: (NOW + timedelta(seconds=seconds)).isoformat())
counts = st.integers(0, 3)


@st.composite
def snapshots(draw: st.DrawFn) -> dict[str, Any]:
    ids = draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True))
    named = st.sampled_from([*ids, "other", None])
    flags = ("using_active_version", "deleted", "deprecated")
    return {
        "now": NOW.isoformat(),
        "config": {"backoff_interval_seconds": draw(st.sampled_from([0, 60, 600]))},
        "presets": [
            {"id": name, "desired_instances": draw(st.integers(0, 4))}
            | {flag: draw(st.sampled_from([flag == "using_active_version"] * 3 + [False])) for flag in flags}
            | {"ttl_seconds": draw(st.sampled_from([None, 0, 600, 3600]))}
            | {"last_invalidated_at": draw(st.none() | instants)}
            | {"prebuild_status": draw(st.sampled_from(["healthy", "hard_limited", "validation_failed"]))}
            for name in ids
        ],
        "running": [
            {
                "id": f"w{n}",
                "preset_id": draw(named),
                "ready": draw(st.booleans()),
                "created_at": draw(instants),
            }
            for n in range(draw(st.integers(0, 9)))
        ],
        "in_progress": [
            {"preset_id": draw(named), "transition": transition, "count": draw(counts)}
            for transition in draw(st.lists(st.sampled_from(["start", "stop", "delete"]), max_size=4))
        ],
        "pending": [{"preset_id": name, "count": draw(counts)} for name in ids],
        "backoff": [
            {"preset_id": name, "num_failed": draw(counts), "last_build_at": draw(instants)}
            for name in draw(st.lists(st.sampled_from(ids), unique=True))
        ],
        "hard_limited": draw(st.lists(st.sampled_from(ids), unique=True)),
    }


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def second_reading(snapshot: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """Section 3.4 and 3.6 written down once more, on the JSON itself."""
    mine = [row for row in snapshot["running"] if row["preset_id"] == preset["id"]]
    mine.sort(key=lambda row: (at(row["created_at"]), row["id"]))
    ttl, cut = preset["ttl_seconds"] or 0, preset["last_invalidated_at"]
    expired = [
        row["id"]
        for row in mine
        if (cut and at(row["created_at"]) < at(cut))
        or (ttl > 0 and (NOW - at(row["created_at"])).total_seconds() > ttl)
    ]
    good = [row for row in mine if row["id"] not in expired]
    active = preset["using_active_version"] and not preset["deleted"] and not preset["deprecated"]
    desired = preset["desired_instances"] if active else 0
    progress = {
        kind: sum(
            row["count"]
            for row in snapshot["in_progress"]
            if row["preset_id"] == preset["id"] and row["transition"] == kind
        )
        for kind in ("start", "stop", "delete")
    }
    pending = sum(row["count"] for row in snapshot["pending"] if row["preset_id"] == preset["id"])
    backoff = next((row for row in snapshot["backoff"] if row["preset_id"] == preset["id"]), None)
    barred = preset["id"] in snapshot["hard_limited"] or preset["prebuild_status"] == "validation_failed"
    rests = backoff is not None and backoff["num_failed"] > 0 and at(backoff["last_build_at"]) + timedelta(
        seconds=backoff["num_failed"] * snapshot["config"]["backoff_interval_seconds"]
    ) >= NOW  # fmt: skip
    deleted, created, canceled = set(), 0, 0
    if not rests and active:
        deleted = {*expired, *(row["id"] for row in good[: max(len(good) - desired, 0)])}
        created = 0 if barred else max(desired - len(good) - progress["start"], 0)
    elif not rests:
        deleted, canceled = {row["id"] for row in mine}, pending
    return {
        "skipped": not active and not mine and not pending and backoff is None,
        "state": {
            "actual": len(mine),
            "expired": len(expired),
            "desired": desired,
            "eligible": sum(row["ready"] for row in good) if active else 0,
            "extraneous": max(len(good) - desired, 0) if active else 0,
            "starting": progress["start"],
            "stopping": progress["stop"],
            "deleting": progress["delete"],
        },
        "rests": rests,
        "deleted": deleted,
        "created": created,
        "canceled": canceled,
    }


@given(snapshots())
def test_two_readings_agree(snapshot: dict[str, Any]) -> None:
    situation = situation_from_json(snapshot, default_now=NOW)
    for preset, row in zip(
        snapshot["presets"], explanations_to_json(explain_all(situation))["presets"], strict=True
    ):
        kinds = [action["type"] for action in row["actions"]]
        ids = [name for action in row["actions"] for name in action.get("workspace_ids", ())]
        assert len(ids) == len(set(ids))
        assert {
            "skipped": row["skipped"],
            "state": row["state"],
            "rests": kinds == ["backoff"],
            "deleted": set(ids),
            "created": sum(a["count"] for a in row["actions"] if a["type"] == "create"),
            "canceled": sum(a["count"] for a in row["actions"] if a["type"] == "cancel_pending"),
        } == second_reading(snapshot, preset)
        order = ["backoff", "cancel_pending", "delete", "create"]
        assert kinds == sorted(kinds, key=order.index)
