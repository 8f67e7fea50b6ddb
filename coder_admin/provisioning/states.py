"""The state machine of a provisioner job: one table, and the status as a function of the row.

No query here. A job's status is never stored by hand: it follows from four columns (reference: job status),
and each event of the table below says which columns it sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from .choices import ACTIVE_STATUSES, JobStatus


class Event(StrEnum):
    ACQUIRE = "acquire"  # a worker took it
    CANCEL = "cancel"  # somebody asked it to end
    COMPLETE = "complete"  # the worker finished the work
    FAIL = "fail"  # the worker reports an error
    RELEASE = "release"  # its worker vanished; back to the queue
    REAP = "reap"  # nobody will ever finish it


ACTIVE: Final = frozenset(ACTIVE_STATUSES)
FINAL: Final = frozenset({JobStatus.SUCCEEDED, JobStatus.CANCELED, JobStatus.FAILED})

# A job that was finished before its cancel reached it has succeeded: its result is stored, and agents, pools
# and schedules go by what is there. A worker that fails while canceling reports no error, since the
# interruption is the cause.
TRANSITIONS: Final[dict[tuple[JobStatus, Event], JobStatus]] = {
    (JobStatus.PENDING, Event.ACQUIRE): JobStatus.RUNNING,
    (JobStatus.PENDING, Event.CANCEL): JobStatus.CANCELED,
    (JobStatus.PENDING, Event.REAP): JobStatus.FAILED,
    (JobStatus.RUNNING, Event.CANCEL): JobStatus.CANCELING,
    (JobStatus.RUNNING, Event.COMPLETE): JobStatus.SUCCEEDED,
    (JobStatus.RUNNING, Event.FAIL): JobStatus.FAILED,
    (JobStatus.RUNNING, Event.RELEASE): JobStatus.PENDING,
    (JobStatus.RUNNING, Event.REAP): JobStatus.FAILED,
    (JobStatus.CANCELING, Event.COMPLETE): JobStatus.SUCCEEDED,
    (JobStatus.CANCELING, Event.FAIL): JobStatus.CANCELED,
    (JobStatus.CANCELING, Event.REAP): JobStatus.CANCELED,
}


class TransitionError(Exception):
    """The event is not possible in the job's present status."""

    def __init__(self, status: JobStatus, event: Event) -> None:
        super().__init__(f"a {status} job cannot {event}")
        self.status = status
        self.event = event


@dataclass(frozen=True)
class Facts:
    """The columns a status follows from."""

    started_at: datetime | None = None
    canceled_at: datetime | None = None
    completed_at: datetime | None = None
    error: str = ""


def derive(facts: Facts) -> JobStatus:
    """The status of a row (reference: generated column ``job_status``)."""
    if facts.completed_at is not None:
        if facts.error:
            return JobStatus.FAILED
        return JobStatus.SUCCEEDED if facts.canceled_at is None else JobStatus.CANCELED
    if facts.error:
        return JobStatus.FAILED
    if facts.canceled_at is not None:
        return JobStatus.CANCELING
    return JobStatus.PENDING if facts.started_at is None else JobStatus.RUNNING


def after(status: JobStatus, event: Event) -> JobStatus:
    """The status that the event leads to; raises TransitionError where there is none."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise TransitionError(status, event) from None


def step(facts: Facts, event: Event, *, now: datetime, error: str = "") -> Facts:
    """The row after the event. ``error`` is kept only where the outcome is a failure."""
    outcome = after(derive(facts), event)
    match event:
        case Event.ACQUIRE:
            return replace(facts, started_at=now)
        case Event.RELEASE:
            return replace(facts, started_at=None)
        case Event.CANCEL:
            return replace(
                facts, canceled_at=now, completed_at=now if outcome is JobStatus.CANCELED else None
            )
        case _:
            failed = outcome is JobStatus.FAILED
            return replace(
                facts,
                started_at=facts.started_at or now,
                canceled_at=None if outcome is JobStatus.SUCCEEDED else facts.canceled_at,
                completed_at=now,
                error=(error or "The job failed without saying why.") if failed else "",
            )
