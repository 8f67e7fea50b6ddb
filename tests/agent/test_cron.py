from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.agent.cron import CronError, parse_cron


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    # cronsim reads "4-4/2" as "4/2" (to the end of the field); here as everywhere a range is a range.
    wide = st.tuples(number, number).filter(lambda pair: pair[0] != pair[1])
    base = st.one_of(st.just("*"), wide.map(lambda pair: f"{min(pair)}-{max(pair)}"))
    step = base.flatmap(lambda base: st.integers(1, 20).map(lambda n: f"{base}/{n}"))
    item = st.one_of(number.map(str), span, step)
    return st.one_of(st.just("*"), st.lists(item, min_size=1, max_size=3).map(",".join))


expressions = st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)).map(
    " ".join
)
minutes = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


def _reference_matches(expression: str, at: datetime) -> bool:
    try:
        return next(CronSim(expression, at - timedelta(minutes=1))) == at
    except StopIteration:
        return False


@given(expressions, minutes)
def test_matches_as_cronsim_does(expression: str, at: datetime) -> None:
    # Day of month beginning with a star and a step is where crons differ (vixie's star flag): left out.
    day, weekday = expression.split()[2], expression.split()[4]
    if "*/" in day or "*/" in weekday:
        return
    due = parse_cron(expression).seconds_within(at.timetuple())
    assert due == ((0,) if _reference_matches(expression, at) else ())


def test_six_fields_have_seconds_in_front() -> None:
    at = time.strptime("2026-03-02 07:30", "%Y-%m-%d %H:%M")
    assert parse_cron("*/20 30 7 * * mon-fri").seconds_within(at) == (0, 20, 40)
    assert parse_cron("5 30 7 * * sun").seconds_within(at) == ()
    assert parse_cron("30 7 * mar 7,1").seconds_within(at) == (0,)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("* * * *", "4 fields"),
        ("60 * * * *", "minute"),
        ("* * 0 * *", "day"),
        ("*/0 * * * *", "step"),
        ("5-1 * * * *", "minute"),
        ("* * * * fry", "weekday"),
        ("@daily", "fields"),
    ],
)
def test_says_what_is_wrong(expression: str, complaint: str) -> None:
    with pytest.raises(CronError, match=complaint):
        parse_cron(expression)
