"""Cron ranges: grammar, the exact boundaries, clock changes of 2026, overlap."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from coder_admin.parameters.cron import cron_problem
from prebuilds.desired import desired_instances, next_changes, preset_schedule_problems, week_map
from prebuilds.overlap import find_collision, schedule_problems
from prebuilds.schedule import CronRange, ScheduleError, load_zone, parse_cron
from prebuilds.snapshot import Preset, Schedule
from tests.parameters.shared_cases import rows, says

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.parametrize(
    ("instant", "inside"),
    [
        ("2026-06-01T08:59:59.999999", False),
        ("2026-06-01T09:00:00", True),
        ("2026-06-01T12:30:17", True),
        ("2026-06-01T18:59:59.999999", True),
        ("2026-06-01T19:00:00", False),
        ("2026-06-06T12:00:00", False),
        ("2026-06-07T12:00:00", False),
    ],
)
def test_working_hours_cover_whole_hours_to_the_last_microsecond(instant: str, inside: bool) -> None:
    cron = parse_cron("* 9-18 * * 1-5")
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        local = at(instant, zone)
        assert cron.covers(local, ZoneInfo(zone)) is inside
        assert cron.covers(local.astimezone(UTC), ZoneInfo(zone)) is inside


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "0 fields"),
        ("9-18 * * 1-5", "4 fields"),
        ("0 * 9-18 * * 1-5", "6 fields"),
        ("@hourly", "1 fields"),
        ("CRON_TZ=UTC * 9 * * *", "6 fields"),
        ("0 9 * * *", "minute"),
        ("*/1 9 * * *", "minute"),
        ("0-59 9 * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* -1 * * *", "hour"),
        ("* 9-25 * * *", "hour"),
        ("* 18-9 * * *", "ends before"),
        ("* 9 0 * *", "day of month"),
        ("* 9 32 * *", "day of month"),
        ("* 9 L * *", "day of month"),
        ("* 9 * 13 *", "month"),
        ("* 9 * 0 *", "month"),
        ("* 9 * * 7", "day of week"),
        ("* 9 * * 5-7", "day of week"),
        ("* 9 * * 1#2", "day of week"),
        ("* 9 * * L5", "day of week"),
        ("* H * * *", "hour"),
        ("* R * * *", "hour"),
        ("* 9/0 * * *", "hour"),
        ("* 9,, * * *", "hour"),
        ("* ٩ * * *", "hour"),
        ("* 9 * MON *", "month"),
        ("* 9 31 2 *", "ever match"),
    ],
)
def test_expressions_outside_the_grammar_are_refused_with_the_field(expression: str, words: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_cron(expression)
    assert words in str(caught.value)
    assert expression in str(caught.value)


@pytest.mark.parametrize(
    "part", ["9" * 5000, "1-" + "9" * 5000, "*/" + "9" * 5000, "0" * 5000 + "1", "00001"]
)
@pytest.mark.parametrize("field", [1, 2, 3, 4])
def test_numbers_of_any_length_are_refused_in_a_short_sentence(part: str, field: int) -> None:
    fields = ["*"] * 5
    fields[field] = part
    with pytest.raises(ScheduleError) as caught:
        parse_cron(" ".join(fields))
    assert "in its" in str(caught.value)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "* */2 ? jan-MAR Mon-fri",
        "* 5/6 1,15 * *",
        "* 09 29 2 *",
        "* 0-23/3,5 * * 0",
        "* ? * * ?",
    ],
)
def test_usual_cron_grammar_is_read(expression: str) -> None:
    assert parse_cron(expression).hours


def test_day_fields_meet_when_one_is_a_star_and_join_otherwise() -> None:
    assert parse_cron("* 9 13 * *").covers_day(2, 13, 5)
    assert not parse_cron("* 9 13 * *").covers_day(2, 12, 5)
    either = parse_cron("* 9 13 * 5")
    assert either.covers_day(1, 13, 2)
    assert either.covers_day(1, 9, 5)
    assert not either.covers_day(1, 10, 6)
    # A written-out full range is not a star in cron: either side suffices, so this is every day.
    assert parse_cron("* 9 1-31 * 1").covers_day(1, 7, 3)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    span = st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, high).map(lambda n: f"*/{n}")
    part = st.one_of(value.map(str), span, step)
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


crons = st.tuples(numbers(0, 23), numbers(1, 31), numbers(1, 12), numbers(0, 6)).map(
    lambda fields: "* " + " ".join(fields)
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31))


def parsed_or_skipped(expression: str) -> None:
    assume(croniter.is_valid(expression, strict=True))


@given(crons, moments)
@settings(max_examples=300)
def test_matching_agrees_with_croniter_on_local_minutes(expression: str, moment: datetime) -> None:
    parsed_or_skipped(expression)
    minute = moment.replace(second=0, microsecond=0)
    # Whether a step of one is still a star is read differently by the libraries.
    assume("*/1" not in expression)
    # croniter reads a range of one value, 1-1, as all values; cronsim and we do not.
    assume(not re.search(r"\b(\d+)-\1\b", expression))
    assert parse_cron(expression).covers_local(moment) == croniter.match(expression, minute)


@given(crons, moments)
@settings(max_examples=150)
def test_cronsim_says_the_same(expression: str, moment: datetime) -> None:
    parsed_or_skipped(expression)
    fields = expression.split()
    # cronsim, as vixie cron, takes any field that begins with a star (*/2) for a star; ours and robfig's do
    # not. They agree wherever no day field has a step.
    assume("/" not in fields[2] and "/" not in fields[4])
    minute = moment.replace(second=0, microsecond=0)
    following = next(CronSim(expression, minute - timedelta(minutes=1)), None)
    assert parse_cron(expression).covers_local(moment) == (following == minute)


tokens = st.sampled_from(
    [
        "*",
        "?",
        "0",
        "9",
        "18",
        "31",
        "7",
        "12",
        "9-17",
        "17-9",
        "*/2",
        "*/0",
        "1/3",
        "mon",
        "JAN",
        "L",
        "1#2",
        "",
    ]
)
fields = st.lists(tokens, min_size=1, max_size=2).map(",".join)


@given(st.tuples(fields, fields, fields, fields))
@settings(max_examples=300)
def test_import_and_loop_read_the_same_grammar(parts: tuple[str, ...]) -> None:
    expression = "* " + " ".join(parts)
    assume(len(expression.split()) == 5)
    try:
        parse_cron(expression)
    except ScheduleError as error:
        # Only the loop knows the calendar: an import's form check lets the 31st of February pass.
        assume("ever match" not in str(error))
        assert cron_problem(expression) is not None
    else:
        assert cron_problem(expression) is None


# -- clock changes of 2026 -------------------------------------------------------------------------

CLOCK_CHANGES = [
    # zone, cron of the hour, minutes of that local day that must match
    ("America/New_York", "* 2 8 3 *", 0),  # 02:00 springs to 03:00
    ("America/New_York", "* 3 8 3 *", 60),
    ("America/New_York", "* 1 1 11 *", 120),  # 01:00 to 01:59 comes twice
    ("Europe/Berlin", "* 2 29 3 *", 0),
    ("Europe/Berlin", "* 3 29 3 *", 60),
    ("Europe/Berlin", "* 2 25 10 *", 120),
    ("Australia/Lord_Howe", "* 1 5 4 *", 90),  # 02:00 falls back by half an hour to 01:30
    ("Australia/Lord_Howe", "* 2 5 4 *", 60),
    ("Australia/Lord_Howe", "* 2 4 10 *", 30),  # 02:00 springs to 02:30
    ("Africa/Casablanca", "* 2 15 2 *", 120),  # Ramadan begins: 03:00 falls back to 02:00
    ("Africa/Casablanca", "* 2 22 3 *", 0),  # and ends: 02:00 springs to 03:00
    ("Africa/Casablanca", "* 3 22 3 *", 60),
]


@pytest.mark.parametrize(("zone", "expression", "minutes"), CLOCK_CHANGES)
def test_clock_changes_of_2026(zone: str, expression: str, minutes: int) -> None:
    info = load_zone(zone)
    _, hour, day, month, _ = expression.split()
    start = datetime(2026, int(month), int(day), tzinfo=UTC) - timedelta(hours=24)
    cron = parse_cron(expression)
    inside = [
        instant
        for instant in (start + timedelta(minutes=n) for n in range(72 * 60))
        if cron.covers(instant, info)
    ]
    assert len(inside) == minutes
    assert {instant.astimezone(info).hour for instant in inside} <= {int(hour)}


# -- overlap ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "hour"),
    [
        ("* 9-18 * * 1-5", "* 18-20 * * 5", "Friday 18:00"),
        ("* 9 */30 * *", "* 9 2 * 1-5", "Monday 09:00"),
        ("* 9 1 * MON", "* 9 2 * TUE", "Tuesday 09:00"),
        ("* 9 31 2,3 *", "* 9 * 2 *", "Monday 09:00"),
        ("* 9 * * 1", "* 9 1 * *", "Monday 09:00"),
        ("* */2 * * *", "* 4 * * SUN", "Sunday 04:00"),
        ("* * * * *", "* * * * *", "Monday 00:00"),
        ("* 9 13 * TUE", "* 9 * * 3", "Wednesday 09:00"),
    ],
)
def test_overlap_names_both_expressions_and_an_hour_of_the_week(first: str, second: str, hour: str) -> None:
    problems = schedule_problems("UTC", ((first, 1), (second, 2)))
    assert len(problems) == 1
    for words in (f'"{first}"', f'"{second}"', hour):
        assert words in problems[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("* 9-17 * * 1-5", "* 18-20 * * 1-5"),
        ("* 9 * * 1-5", "* 9 * * 0,6"),
        ("* 9 * 1-6 *", "* 9 * 7-12 *"),
        ("* 9 1-15 * *", "* 9 16-31 * *"),
        ("* 1-23/2 * * *", "* */2 * * *"),
        ("* 9 30 * *", "* 9 31 * *"),
        # Both cover a 1st that is a weekday; Coder reads them and lets them pass, and so do we.
        ("* 9 1 * *", "* 9 2 * 1-5"),
        ("* 9-18 1 * 1-3", "* 9-18 2 * 4-5"),
    ],
)
def test_disjoint_schedules_pass(first: str, second: str) -> None:
    assert schedule_problems("UTC", ((first, 1), (second, 2))) == ()


def shared_in_the_calendar(first: str, second: str) -> bool:
    one, two = parse_cron(first), parse_cron(second)
    # 28 years from 2001 on hold every combination of date and weekday of the Gregorian cycle's heart.
    days = (date(2001, 1, 1) + timedelta(days=n) for n in range(28 * 366))
    shared_day = any(
        one.covers_day(day.month, day.day, day.isoweekday() % 7)
        and two.covers_day(day.month, day.day, day.isoweekday() % 7)
        for day in days
    )
    return bool(one.hours & two.hours) and shared_day


@given(crons, crons)
@example("* 9 31/1 * *", "* 9 * 4,6,9,11 0")
@settings(max_examples=60)
def test_overlap_is_true_exactly_if_some_hour_of_the_calendar_is_shared(first: str, second: str) -> None:
    parsed_or_skipped(first)
    parsed_or_skipped(second)
    # Of plain numbers, ranges and lists Coder has a verdict, which stands: the next test.
    assume(re.search(r"[/?a-zA-Z]", first + second))
    collision = find_collision(first, second)
    assert (collision is not None) == shared_in_the_calendar(first, second)
    if collision:
        assert collision.date is not None
        for cron in (parse_cron(first), parse_cron(second)):
            assert collision.hour in cron.hours
            assert cron.covers_day(*collision.date, collision.weekday)


def numbers_of(text: str, low: int, high: int) -> set[int]:
    """A plain field as Coder's check reads it."""
    if text == "*":
        return set(range(low, high + 1))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def coders_verdict(first: str, second: str) -> bool:
    """The pairwise rule of section 4.3, written down once more from its text."""
    one, two = first.split(), second.split()
    hours, dates, months, weekdays = (
        bool(numbers_of(one[n], low, high) & numbers_of(two[n], low, high))
        for n, low, high in ((1, 0, 23), (2, 1, 31), (3, 1, 12), (4, 0, 6))
    )
    if "*" in (one[2], two[2]):
        days = weekdays
    elif "*" in (one[4], two[4]):
        days = dates
    else:
        days = dates or weekdays
    return months and days and hours


def plain(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    return st.just("*") | st.lists(number.map(str) | span, min_size=1, max_size=2).map(",".join)


plain_crons = st.tuples(plain(0, 23), plain(1, 31), plain(1, 12), plain(0, 6)).map(
    lambda parts: "* " + " ".join(parts)
)


@given(plain_crons, plain_crons)
def test_of_plain_expressions_coders_verdict_stands(first: str, second: str) -> None:
    parsed_or_skipped(first)
    parsed_or_skipped(second)
    collision = find_collision(first, second)
    assert (collision is not None) == coders_verdict(first, second)
    if collision:
        assert collision.hour in parse_cron(first).hours & parse_cron(second).hours


@pytest.mark.parametrize("row", rows("parameters/provider_table.json", "schedule_overlap"))
def test_the_providers_pairs(row: dict[str, Any]) -> None:
    problems = schedule_problems("UTC", ((row["a"], 1), (row["b"], 1)))
    assert bool(problems) is (row["expect"].get("overlap", True))


@pytest.mark.parametrize("row", rows("parameters/provider_table.json", "schedule_sets"))
def test_the_providers_sets(row: dict[str, Any]) -> None:
    problems = schedule_problems("UTC", tuple((cron, 1) for cron in row["schedules"]))
    gist = row["expect"].get("error_gist")
    assert bool(problems) is bool(gist)
    assert all(says(problem, gist) for problem in problems)


def test_problems_are_all_told_at_once() -> None:
    problems = schedule_problems("Mars/Olympus", (("* 9 * * *", -1), ("9 9 * * *", 2)))
    assert len(problems) == 3
    assert "Mars/Olympus" in problems[0]
    assert "-1 instances" in problems[1]
    assert "minute" in problems[2]


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b"])
def test_unknown_zones_are_refused(zone: str) -> None:
    with pytest.raises(ScheduleError, match="IANA"):
        load_zone(zone)


# -- desired size ----------------------------------------------------------------------------------


def pool(
    *schedules: tuple[str, int], zone: str = "Europe/Berlin", base: int = 1
) -> tuple[Preset, list[Schedule]]:
    return (
        Preset(id="p", desired_instances=base, scheduling_timezone=zone),
        [Schedule("p", cron, size) for cron, size in schedules],
    )


def test_desired_size_is_that_of_the_covering_schedule_else_the_base() -> None:
    preset, schedules = pool(("* 8-17 * * 1-5", 5), ("* 8-17 * * 6", 2))
    sizes = {
        day: desired_instances(preset, schedules, at(f"2026-06-{day:02d}T10:00", "Europe/Berlin")).instances
        for day in range(1, 8)
    }
    assert sizes == {1: 5, 2: 5, 3: 5, 4: 5, 5: 5, 6: 2, 7: 1}


@pytest.mark.parametrize(
    ("zone", "schedules", "problem"),
    [
        ("", [("* * * * *", 9)], "timezone"),
        ("Nowhere/Land", [("* * * * *", 9)], "Nowhere/Land"),
        ("UTC", [("0 * * * *", 9)], "minute"),
        ("UTC", [("* 9 * * *", 9), ("* 9-10 * * *", 3)], "overlap"),
        ("UTC", [("* * * * *", -2)], "-2"),
    ],
)
def test_broken_schedules_fall_back_to_the_base_size_and_say_why(
    zone: str, schedules: list[tuple[str, int]], problem: str
) -> None:
    preset, rows = pool(*schedules, zone=zone, base=4)
    desired = desired_instances(preset, rows, at("2026-06-01T09:30"))
    assert desired.instances == 4
    assert problem in " ".join(desired.problems)
    assert next_changes(preset, rows, at("2026-06-01T09:30")) == []
    assert set(sum(week_map(preset, rows, date(2026, 6, 1)).hours, ())) == {4}


def test_next_changes_tell_the_edges_of_the_working_week() -> None:
    preset, schedules = pool(("* 9-17 * * 1-5", 5))
    changes = next_changes(preset, schedules, at("2026-10-23T12:34:56", "Europe/Berlin"), limit=3)
    local = [(change.at.astimezone(BERLIN).isoformat(), change.instances) for change in changes]
    assert local == [
        ("2026-10-23T18:00:00+02:00", 1),
        ("2026-10-26T09:00:00+01:00", 5),
        ("2026-10-26T18:00:00+01:00", 1),
    ]


@pytest.mark.parametrize(
    "zone", ["Australia/Lord_Howe", "America/New_York", "Africa/Casablanca", "Asia/Kathmandu"]
)
def test_changes_are_exactly_where_the_size_differs(zone: str) -> None:
    preset, schedules = pool(("* 1 * * *", 3), ("* 2 * * *", 7), zone=zone)
    start = datetime(2026, 1, 1, 0, 7, tzinfo=UTC)
    changes = next_changes(preset, schedules, start, limit=5000, horizon=timedelta(days=365))
    size, found = desired_instances(preset, schedules, start).instances, []
    instant = datetime(2026, 1, 1, 0, 15, tzinfo=UTC)
    while instant <= start + timedelta(days=365):
        wanted = desired_instances(preset, schedules, instant).instances
        if wanted != size:
            found.append((instant, wanted))
            size = wanted
        instant += timedelta(minutes=15)
    assert [(change.at, change.instances) for change in changes] == found


def walked(
    preset: Preset, schedules: list[Schedule], start: datetime, limit: int, horizon: timedelta
) -> list[tuple[datetime, int]]:
    """The changes of size as looking at every quarter of an hour finds them: no offset of a zone, and no
    change of one, is finer."""
    zone = load_zone(preset.scheduling_timezone)
    crons = [(parse_cron(row.cron_expression), row.desired_instances) for row in schedules]

    def size_at(instant: datetime) -> int:
        local = instant.astimezone(zone)
        return next((size for cron, size in crons if cron.covers_local(local)), preset.desired_instances)

    quarter = timedelta(minutes=15)
    size = size_at(start)
    found: list[tuple[datetime, int]] = []
    instant = datetime.fromtimestamp(start.timestamp() // 900 * 900, UTC) + quarter
    while instant <= start + horizon and len(found) < limit:
        if size_at(instant) != size:
            size = size_at(instant)
            found.append((instant, size))
        instant += quarter
    return found


# Fields that leave most days alone, or none: both ways of skipping, and of not skipping, are met.
sparse_crons = st.tuples(
    st.sampled_from(["*", "0", "23", "0-8", "9-17", "1-2"]),
    st.sampled_from(["*", "1", "29", "31", "24-26", "28-31", "4,25"]),
    st.sampled_from(["*", "2", "3", "10", "12", "4,9,10", "6-8"]),
    st.sampled_from(["*", "0", "6", "1-5"]),
).map(lambda parts: "* " + " ".join(parts))

# Changes at midnight, by half an hour, by two hours, twice a year around Ramadan; days that never were
# (Samoa) and that lasted 27 hours (Casey, whose clock has gone back by three).
CLOCKS = {
    "Europe/Berlin": 2026,
    "Australia/Lord_Howe": 2026,
    "America/Havana": 2026,
    "Africa/Cairo": 2026,
    "Africa/Casablanca": 2026,
    "Antarctica/Troll": 2026,
    "Asia/Kathmandu": 2026,
    "America/Asuncion": 2023,
    "Pacific/Apia": 2011,
    "Antarctica/Casey": 2018,
}


@settings(max_examples=40)
@given(
    st.lists(st.tuples(sparse_crons, st.integers(0, 3)), min_size=1, max_size=4),
    st.sampled_from(sorted(CLOCKS)),
    st.integers(0, 365 * 24 * 3600),
    st.integers(0, 60 * 24),
    st.integers(1, 30),
)
@example([("* * 29 2 *", 3)], "Europe/Berlin", 0, 60 * 24, 5)
@example([("* * 31 12 *", 3)], "Pacific/Apia", 363 * 24 * 3600 + 3000, 30 * 24, 5)
@example([("* * 30 12 *", 3)], "Pacific/Apia", 350 * 24 * 3600, 30 * 24, 5)
@example([("* 23 11 3 *", 3)], "Antarctica/Casey", 60 * 24 * 3600, 30 * 24, 5)
@example([("* * 25 3 *", 3)], "America/Asuncion", 80 * 24 * 3600, 30 * 24, 5)
@example([("* 23 25 3 *", 3)], "America/Asuncion", 80 * 24 * 3600, 30 * 24, 5)
def test_the_next_changes_are_those_that_a_look_at_every_quarter_of_an_hour_finds(
    schedules: list[tuple[str, int]], zone: str, second: int, hours: int, limit: int
) -> None:
    for cron, _ in schedules:
        parsed_or_skipped(cron)
    preset, rows = pool(*schedules, zone=zone)
    assume(not preset_schedule_problems(preset, rows))
    start = datetime(CLOCKS[zone], 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    horizon = timedelta(hours=hours)
    changes = next_changes(preset, rows, start, limit=limit, horizon=horizon)
    assert [(change.at, change.instances) for change in changes] == walked(
        preset, rows, start, limit, horizon
    )
    for change in changes:
        assert change.schedule == desired_instances(preset, rows, change.at).schedule


@pytest.mark.parametrize(
    ("schedules", "found"),
    [
        ([("* 9 29 2 *", 3)], 0),
        ([("* * * * *", 3)], 0),
        ([("* 9-17 * * *", 1)], 0),
        ([("* * 24-26 12 *", 3)], 1),
        ([(f"* 9-17 {day} 1 *", 3) for day in range(1, 32)], 1),
    ],
)
def test_days_without_a_change_cost_no_look_at_their_hours(
    schedules: list[tuple[str, int]], found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page computes this for each of its pools; 400 days have 9,600 hours."""
    looks: list[str] = []
    of_hours, of_days = CronRange.covers_local, CronRange.covers_day

    def covers_local(self: CronRange, local: datetime) -> bool:
        looks.append("hour")
        return of_hours(self, local)

    def covers_day(self: CronRange, month: int, day: int, weekday: int) -> bool:
        looks.append("day")
        return of_days(self, month, day, weekday)

    preset, rows = pool(*schedules)
    preset_schedule_problems(preset, rows)  # found once, and remembered
    monkeypatch.setattr(CronRange, "covers_local", covers_local)
    monkeypatch.setattr(CronRange, "covers_day", covers_day)
    start = datetime(2026, 2, 2, 10, 20, tzinfo=UTC)
    assert len(next_changes(preset, rows, start, limit=1)) == found
    assert looks.count("hour") <= 50 * len(rows)
    assert looks.count("day") <= 1100 + 50 * len(rows)


def test_week_map_shows_a_lost_hour_as_missing() -> None:
    preset, schedules = pool(("* 2-3 * * *", 6), base=0)
    hours = week_map(preset, schedules, date(2026, 3, 26)).hours
    assert [row[2] for row in hours] == [6, 6, 6, 6, 6, 6, None]
    assert [row[3] for row in hours] == [6] * 7
    lord_howe, rows = pool(("* 2 * * *", 6), zone="Australia/Lord_Howe", base=0)
    assert week_map(lord_howe, rows, date(2026, 10, 4)).hours[6][2] == 6
