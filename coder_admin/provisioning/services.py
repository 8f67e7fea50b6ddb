"""Writes of this room: creating, canceling and ending jobs, and their log lines.

A job is part of a larger fact (a build, an import): the room that creates it authorises and audits that
fact. Here each function keeps the job's row, its handler's rows and its log consistent in one transaction;
what others must hear leaves through ``foundation.events`` after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid, NotFound, PreconditionFailed
from rbac import PREBUILDS_USER_ID, Subject

from . import handlers, wake
from .choices import JobPriority, JobStatus, JobType, LogLevel, LogSource
from .handlers import JobCanceled, JobError
from .limits import Admission, Line, admit, clean
from .models import ProvisionerJob, ProvisionerJobLog, ProvisionerJobTiming
from .queue import Claim
from .states import Event, Facts, derive, step
from .tags import TagError, normalise


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one stage, or one resource in it, took."""

    stage: str
    started_at: datetime
    ended_at: datetime
    source: str = ""
    action: str = ""
    resource: str = ""


TOO_LATE = "The cancel came when the work was already done: the job has succeeded."


class ClaimLost(Exception):
    """The job is no longer this worker's; whatever it did is not stored."""


def job_create(
    *,
    actor: Subject,
    organization_id: uuid.UUID,
    initiator_id: uuid.UUID,
    type: JobType,
    input: Mapping[str, Any],
    file_id: uuid.UUID | None = None,
    tags: Mapping[str, str] | None = None,
    provisioner: str = "",
) -> ProvisionerJob:
    """A waiting job, inside the caller's transaction; workers hear of it after the commit.

    ``actor`` has been authorised for the fact that the job belongs to. Jobs of the prebuilds user wait
    behind those of people. ``provisioner``: the engine that has to run it, else that of the settings.
    """
    try:
        settled = normalise(tags, user_id=str(initiator_id))
    except TagError as error:
        raise Invalid("The provisioner tags are not valid.", detail=str(error)) from None
    prebuild = str(initiator_id) == PREBUILDS_USER_ID
    job = ProvisionerJob.objects.create(
        organization_id=organization_id,
        initiator_id=initiator_id,
        provisioner=provisioner or settings.PROVISIONER_ENGINE,
        type=type,
        input=dict(input),
        file_id=file_id,
        tags=dict(sorted(settled.items())),  # one order: SQLite compares JSON as text
        priority=JobPriority.PREBUILD if prebuild else JobPriority.HUMAN,
    )
    wake.nudge_after_commit(settled)
    return job


@transaction.atomic
def job_cancel(*, actor: Subject, job_id: uuid.UUID, expect_status: str = "") -> ProvisionerJob:
    """Ask a job to end: a waiting one has ended when this returns, a running one is interrupted.

    The caller has authorised ``actor``. expect_status: "running", "pending" or "" for either; 412 when the
    job is in another status, 400 when it has ended or was canceled before.
    """
    if expect_status not in {"", JobStatus.RUNNING, JobStatus.PENDING}:
        raise Invalid(f'expect_status must be "running" or "pending", not "{expect_status}".')
    job = locked(job_id)
    status = derive(facts_of(job))
    if job.completed_at is not None:
        raise Invalid("The job has already completed, it cannot be canceled.")
    if job.canceled_at is not None:
        raise Invalid("The job is being canceled already.")
    if expect_status and status != expect_status:
        raise PreconditionFailed(f"The job is {status}, not {expect_status}; it was not canceled.")
    now = timezone.now()
    outcome = step(facts_of(job), Event.CANCEL, now=now)
    apply_facts(job, outcome, now=now)
    if outcome.completed_at is None:
        events.publish(f"job:{job.id}", {"kind": "status"})
        events.publish(f"job:{job.id}", {"kind": "canceling"})
        return job
    ended(job, JobCanceled("The job was canceled while it waited."))
    return job


def job_complete(*, claim: Claim, result: object, timings: Sequence[Timing] = ()) -> ProvisionerJob:
    """End the job with success and store what its handler makes of ``result``, all or nothing."""
    with transaction.atomic():
        job = _held(claim)
        now = timezone.now()
        if job.canceled_at is not None:
            line = Line(now, "Completed", TOO_LATE, LogLevel.WARN, LogSource.PROVISIONER_DAEMON)
            log_append(job_id=job.id, lines=[line])
        apply_facts(job, step(facts_of(job), Event.COMPLETE, now=now), now=now)
        _store_timings(job, timings)
        handler = handlers.find(job.type)
        if handler is not None:
            handler.complete(job, result)
        _announce_end(job)
    return job


def job_fail(*, claim: Claim, error: JobError, timings: Sequence[Timing] = ()) -> ProvisionerJob:
    """End the job without success; its handler stores what is to be kept (a state, deadlines)."""
    with transaction.atomic():
        job = _held(claim)
        now = timezone.now()
        # A message may quote the template; one that the database refuses would keep the job running.
        apply_facts(job, step(facts_of(job), Event.FAIL, now=now, error=clean(error.message)), now=now)
        if job.error:
            ProvisionerJob.objects.filter(id=job.id).update(error_code=error.code)
            job.error_code = error.code
        _store_timings(job, timings)
        ended(job, error)
    return job


def job_complete_without_worker(*, actor: Subject, job_id: uuid.UUID) -> ProvisionerJob:
    """End a waiting job as succeeded with no worker (an orphan delete when nothing could run it).

    The caller stores the outcome itself, in the same transaction.
    """
    job = locked(job_id)
    now = timezone.now()
    facts = step(facts_of(job), Event.ACQUIRE, now=now)
    apply_facts(job, step(facts, Event.COMPLETE, now=now), now=now)
    _announce_end(job)
    return job


@dataclass(frozen=True, slots=True)
class LogCount:
    """A job's counters of its log: bytes stored so far, and whether the limit was passed."""

    length: int
    overflowed: bool


@transaction.atomic
def log_append(*, job_id: uuid.UUID, lines: Sequence[Line], known: LogCount | None = None) -> LogCount | None:
    """Store lines within the job's allowance; the counters after it, None when there is no such job.
    Listeners hear after the commit.

    known: the counters as the caller left them, to save the look; when somebody else (the reaper) wrote
    since, they do not match and are read anew.
    """
    admission = _admit(job_id, lines, known) if known is not None else None
    if admission is None:
        row = ProvisionerJob.objects.select_for_update().filter(id=job_id)
        found = row.order_by().values_list("logs_length", "logs_overflowed").first()
        if found is None:
            return None
        admission = _admit(job_id, lines, LogCount(*found))
    if admission is None:
        raise DatabaseError(f"the log of the job {job_id} was written by two at once")
    _store_lines(job_id, admission.lines)
    return LogCount(admission.length, admission.overflowed)


def _admit(job_id: uuid.UUID, lines: Sequence[Line], count: LogCount) -> Admission | None:
    """What may be stored, booked on the job's row; None when its counters are not those."""
    admission = admit(lines, length=count.length, overflowed=count.overflowed)
    if not admission.lines:
        return admission
    row = ProvisionerJob.objects.filter(id=job_id, logs_length=count.length, logs_overflowed=count.overflowed)
    booked = row.update(logs_length=admission.length, logs_overflowed=admission.overflowed)
    return admission if booked else None


def _store_lines(job_id: uuid.UUID, lines: Sequence[Line]) -> None:
    if not lines:
        return
    rows = ProvisionerJobLog.objects.bulk_create(
        [
            ProvisionerJobLog(
                job_id=job_id,
                created_at=line.created_at,
                source=line.source if line.source in LogSource.values else LogSource.PROVISIONER,
                level=line.level if line.level in LogLevel.values else LogLevel.INFO,
                stage=clean(line.stage)[:128],
                output=line.output,
            )
            for line in lines
        ]
    )
    events.publish(f"job:{job_id}", {"kind": "logs", "after": min(row.id for row in rows) - 1})


# The rest is shared with the reaper, which ends jobs on its own conditions.


def locked(job_id: uuid.UUID) -> ProvisionerJob:
    """The row, locked for the caller's transaction (on SQLite the transaction itself is the lock)."""
    job = ProvisionerJob.objects.select_for_update().filter(id=job_id).first()
    if job is None:
        raise NotFound()
    return job


def facts_of(job: ProvisionerJob) -> Facts:
    return Facts(job.started_at, job.canceled_at, job.completed_at, job.error)


def apply_facts(job: ProvisionerJob, facts: Facts, *, now: datetime) -> None:
    """Write what a transition decided."""
    job.started_at, job.canceled_at = facts.started_at, facts.canceled_at
    job.completed_at, job.error, job.updated_at = facts.completed_at, facts.error, now
    fields = ["started_at", "canceled_at", "completed_at", "error", "updated_at"]
    if derive(facts) not in {JobStatus.RUNNING, JobStatus.CANCELING}:
        job.lease_expires_at = None
        fields.append("lease_expires_at")
    job.save(update_fields=fields)


def ended(job: ProvisionerJob, error: JobError) -> None:
    """The job ended without success: its handler, then everybody who listens."""
    handler = handlers.find(job.type)
    if handler is not None:
        handler.fail(job, error)
    _announce_end(job)


def _announce_end(job: ProvisionerJob) -> None:
    events.publish(f"job:{job.id}", {"kind": "status"})
    events.publish(f"job:{job.id}", {"kind": "end_of_logs"})


def _held(claim: Claim) -> ProvisionerJob:
    """The row of a claim that still holds, locked."""
    job = claim.rows().select_for_update().first()
    if job is None:
        raise ClaimLost(f"job {claim.job_id} is no longer this worker's")
    return job


def _store_timings(job: ProvisionerJob, timings: Sequence[Timing]) -> None:
    ProvisionerJobTiming.objects.bulk_create(
        [
            ProvisionerJobTiming(
                job=job,
                stage=clean(t.stage)[:16],
                source=clean(t.source)[:64],
                action=clean(t.action)[:32],
                resource=clean(t.resource)[:256],
                started_at=t.started_at,
                ended_at=t.ended_at,
            )
            for t in timings
        ]
    )
