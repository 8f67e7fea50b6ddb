"""The job state machine: the table, and rows driven through it."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.states import (
    ACTIVE,
    FINAL,
    TRANSITIONS,
    Event,
    Facts,
    TransitionError,
    after,
    derive,
    step,
)

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("started", "canceled", "completed", "error", "status"),
    [
        (0, 0, 0, "", "pending"),
        (1, 0, 0, "", "running"),
        (1, 1, 0, "", "canceling"),
        (0, 1, 0, "", "canceling"),
        (1, 0, 1, "", "succeeded"),
        (1, 1, 1, "", "canceled"),
        (0, 1, 1, "", "canceled"),
        (1, 0, 1, "x", "failed"),
        (1, 1, 1, "x", "failed"),
        (1, 0, 0, "x", "failed"),
    ],
)
def test_status_follows_from_the_row(
    started: int, canceled: int, completed: int, error: str, status: str
) -> None:
    at = {True: T0, False: None}
    facts = Facts(at[bool(started)], at[bool(canceled)], at[bool(completed)], error)
    assert derive(facts) == status


@pytest.mark.parametrize(("status", "event"), list(product(JobStatus, Event)))
def test_every_pair_is_in_the_table_or_refused(status: JobStatus, event: Event) -> None:
    if (status, event) in TRANSITIONS:
        assert after(status, event) in ACTIVE | FINAL
        assert status in ACTIVE
    else:
        with pytest.raises(TransitionError, match=f"a {status} job cannot {event}"):
            after(status, event)


@given(st.lists(st.sampled_from(list(Event)), max_size=12))
def test_a_row_always_has_the_status_that_the_table_says(events: list[Event]) -> None:
    facts = Facts()
    for minute, event in enumerate(events):
        status = derive(facts)
        try:
            facts = step(facts, event, now=T0 + timedelta(minutes=minute), error="broken")
        except TransitionError:
            assert (status, event) not in TRANSITIONS
            continue
        assert derive(facts) == TRANSITIONS[status, event]
        if derive(facts) in FINAL:
            assert facts.completed_at is not None
            assert bool(facts.error) == (derive(facts) is JobStatus.FAILED)


def test_a_failure_without_words_still_has_an_error() -> None:
    running = Facts(started_at=T0)
    assert step(running, Event.FAIL, now=T0).error


def test_a_reaped_pending_job_has_a_start() -> None:
    assert step(Facts(), Event.REAP, now=T0, error="gone").started_at == T0
