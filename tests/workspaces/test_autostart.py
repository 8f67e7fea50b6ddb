"""Schedules and deadlines: the pure rules, by tables and by spaces of inputs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.workspaces.autostart import EVERY_DAY, ScheduleError, day_names, next_start, parse_weekly
from coder_admin.workspaces.deadlines import (
    AutostopPolicy,
    Deadlines,
    after_activity,
    at_start,
    extension_problem,
)

HOUR = 3_600_000
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "days", "expected"),
    [
        ("30 9 * * 1-5", "2026-03-04T09:29", EVERY_DAY, "2026-03-04T09:30"),
        ("30 9 * * 1-5", "2026-03-04T09:30", EVERY_DAY, "2026-03-05T09:30"),
        ("30 9 * * 1-5", "2026-03-06T12:00", EVERY_DAY, "2026-03-09T09:30"),
        ("CRON_TZ=America/New_York 30 9 * * 1-5", "2026-03-04T12:00", EVERY_DAY, "2026-03-04T14:30"),
        ("CRON_TZ=Europe/Berlin 0 0 * * 1", "2026-03-04T12:00", EVERY_DAY, "2026-03-08T23:00"),
        # The weekday that counts is the local one: Monday 00:00 in Berlin is a Sunday in UTC.
        ("CRON_TZ=Europe/Berlin 0 0 * * *", "2026-03-07T12:00", 0b1, "2026-03-08T23:00"),
        ("30 9 * * *", "2026-03-04T12:00", 0b0000010, "2026-03-10T09:30"),
        ("* * * * *", "2026-03-04T12:00", 0b1, "2026-03-09T00:00"),
        ("0 9 * * 1-1", "2026-03-04T12:00", EVERY_DAY, "2026-03-09T09:00"),
        ("0 9 * * SUN", "2026-03-04T12:00", EVERY_DAY, "2026-03-08T09:00"),
        ("0 9 * * 7", "2026-03-04T12:00", EVERY_DAY, "2026-03-08T09:00"),
        # The night in which 02:30 does not exist, and the night after.
        ("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00", EVERY_DAY, "2026-03-29T01:00"),
        ("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29T02:00", EVERY_DAY, "2026-03-30T00:30"),
    ],
)
def test_the_next_start(schedule: str, after: str, days: int, expected: str) -> None:
    assert next_start(parse_weekly(schedule), at(after), days=days) == at(expected)


def test_no_allowed_day_means_never() -> None:
    assert next_start(parse_weekly("0 9 * * *"), NOW, days=0) is None
    assert next_start(parse_weekly("0 9 * * 6"), NOW, days=0b0011111) is None


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.integers(1, EVERY_DAY),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
)
def test_a_start_is_later_and_on_an_allowed_local_day(
    minute: int, hour: int, zone: str, days: int, moment: datetime
) -> None:
    after = moment.replace(tzinfo=UTC)
    schedule = parse_weekly(f"CRON_TZ={zone} {minute} {hour} * * *")
    found = next_start(schedule, after, days=days)
    assert found is not None
    assert after < found <= after + timedelta(days=9)
    assert days & 1 << found.astimezone(schedule.zone).weekday()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0 9 * *",
        "0 0 9 * * 1",
        "61 9 * * *",
        "0 9 1 * *",
        "0 9 * 1 *",
        "@daily",
        "0 9 * * 8",
        "0 9 * * L5",
        "H 9 * * *",
        "CRON_TZ= 0 9 * * *",
        "CRON_TZ=Mars/Base 0 9 * * *",
        "CRON_TZ=../../etc/passwd 0 9 * * *",
        "TZ=UTC 0 9 * * *",
        "0 9 * * 1;ls",
    ],
)
def test_unusable_schedules_are_refused_in_words(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"\w+ "):
        parse_weekly(text)


def test_days_in_words() -> None:
    assert day_names(0b1000001) == ("Monday", "Sunday")


def policy(own: bool = True, default: int = 0, longest: int = 0, bump: int = HOUR) -> AutostopPolicy:
    return AutostopPolicy(
        allow_user_autostop=own, default_ttl_ms=default, max_ttl_ms=longest, activity_bump_ms=bump
    )


def hours(value: float | None) -> datetime | None:
    return None if value is None else NOW + timedelta(hours=value)


@pytest.mark.parametrize(
    ("own_allowed", "default", "longest", "own", "deadline", "latest"),
    [
        (True, 8, 0, 2, 2, None),
        (True, 8, 0, None, None, None),  # the default was copied at creation; afterwards the owner decides
        (False, 8, 0, 2, 8, None),
        (False, 0, 0, 2, None, None),
        (True, 0, 4, 8, 4, 4),
        (True, 0, 4, None, 4, 4),
        (True, 0, 24, 8, 8, 24),
    ],
)
def test_deadlines_of_a_start(
    own_allowed: bool,
    default: int,
    longest: int,
    own: int | None,
    deadline: float | None,
    latest: float | None,
) -> None:
    found = at_start(policy(own_allowed, default * HOUR, longest * HOUR), own * HOUR if own else None, NOW)
    assert found == Deadlines(hours(deadline), hours(latest))


@pytest.mark.parametrize(
    ("deadline", "latest", "bump", "next_start_in", "expected"),
    [
        (0.5, None, 1, None, 1),
        (0.96, None, 1, None, None),  # not worth a write
        (3, None, 1, None, None),  # never earlier
        (None, None, 1, None, None),  # nothing to move
        (0.5, None, 0, None, None),  # the template says no
        (0.5, 0.75, 1, None, 0.75),  # the longest life holds
        (0.5, 0.5, 1, None, None),
        (0.5, None, 1, 0.8, 8.8),  # as if the coming start had happened: its ttl of 8 h from then
        (0.5, None, 1, 2, 1),
    ],
)
def test_activity_moves_the_deadline(
    deadline: float | None,
    latest: float | None,
    bump: int,
    next_start_in: float | None,
    expected: float | None,
) -> None:
    found = after_activity(
        policy(bump=bump * HOUR),
        8 * HOUR,
        Deadlines(hours(deadline), hours(latest)),
        next_start=hours(next_start_in),
        now=NOW,
    )
    assert found == hours(expected)


@pytest.mark.parametrize(
    ("wanted", "latest", "problem"),
    [(0.5, None, ""), (0.49, None, "30 minutes"), (-1, None, "30 minutes"), (2, 1, "until"), (1, 1, "")],
)
def test_extensions(wanted: float, latest: float | None, problem: str) -> None:
    target = hours(wanted)
    assert target is not None
    found = extension_problem(target, Deadlines(NOW, hours(latest)), NOW)
    assert problem in found
    assert bool(problem) == bool(found)
