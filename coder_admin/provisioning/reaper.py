"""Jobs that nobody will finish: back to the queue, or ended with the reason in their log.

Every worker sweeps every few seconds; each decision is made again under the row's lock, so any number of
sweeps at once does each thing once (reference: "Reaper").
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from coder_admin.foundation import events

from . import wake
from .choices import JobStatus, LogSource
from .handlers import JobCanceled, JobReaped
from .limits import Line
from .models import ProvisionerJob, ProvisionerJobLog
from .services import apply_facts, ended, facts_of, locked, log_append
from .states import Event, derive, step

log = structlog.get_logger(__name__)

HUNG_AFTER = timedelta(minutes=5)
PENDING_AFTER = timedelta(minutes=30)
CANCEL_MARGIN = timedelta(minutes=1)  # beyond the grace that a worker's engine has after a cancel
MAX_ATTEMPTS = 3  # a job whose workers die three times is taken to be the reason
PER_SWEEP = 10


class Verdict(StrEnum):
    KEEP = "keep"
    RELEASE = "release"
    CANCEL = "cancel"
    LOST = "lost"  # one worker after the other died with it
    HUNG = "hung"
    PENDING = "pending"


@dataclass(frozen=True)
class Row:
    """What the verdict depends on."""

    status: JobStatus
    updated_at: datetime
    lease_expires_at: datetime | None
    attempt: int
    canceled_at: datetime | None = None


def judge(row: Row, *, now: datetime, grace: timedelta = HUNG_AFTER) -> Verdict:
    """Pure: what is to happen with a job at this time. ``grace``: what a canceled job may take to end."""
    if row.status is JobStatus.PENDING:
        return Verdict.PENDING if now - row.updated_at >= PENDING_AFTER else Verdict.KEEP
    if row.status not in {JobStatus.RUNNING, JobStatus.CANCELING}:
        return Verdict.KEEP
    if row.status is JobStatus.CANCELING and row.canceled_at is not None and now - row.canceled_at >= grace:
        return Verdict.CANCEL  # its worker lives, but does not let go of it
    silent = now - row.updated_at >= HUNG_AFTER
    expired = row.lease_expires_at is not None and row.lease_expires_at <= now
    if not silent and not expired:
        return Verdict.KEEP
    if row.status is JobStatus.CANCELING:
        return Verdict.CANCEL
    if expired:
        return Verdict.RELEASE if row.attempt < MAX_ATTEMPTS else Verdict.LOST
    return Verdict.HUNG


def candidates(now: datetime) -> QuerySet[ProvisionerJob]:
    """Jobs that may need a decision, oldest first."""
    running = Q(started_at__isnull=False) & (
        Q(lease_expires_at__lte=now) | Q(updated_at__lte=now - HUNG_AFTER)
    )
    stuck = Q(canceled_at__lte=now - cancel_grace())
    pending = Q(started_at__isnull=True, updated_at__lte=now - PENDING_AFTER)
    return ProvisionerJob.objects.filter(running | stuck | pending, completed_at__isnull=True).order_by(
        "updated_at"
    )


def cancel_grace() -> timedelta:
    """How long a canceled job may take to end: the engine kills what it runs after its own grace."""
    return timedelta(seconds=settings.TERRAFORM_GRACE_SECONDS) + CANCEL_MARGIN


def sweep(*, now: datetime) -> int:
    """Decide at most ten jobs, each in a transaction of its own; how many were changed.

    A job whose transaction fails is logged and left for the next sweep; it never stops the others.
    """
    changed = 0
    for job_id in list(candidates(now).values_list("id", flat=True)[:PER_SWEEP]):
        try:
            changed += _decide(job_id, now)
        except Exception:
            log.exception("job not reaped", job=str(job_id))
    return changed


@transaction.atomic
def _decide(job_id: uuid.UUID, now: datetime) -> bool:
    job = locked(job_id)
    row = Row(derive(facts_of(job)), job.updated_at, job.lease_expires_at, job.attempt, job.canceled_at)
    verdict = judge(row, now=now, grace=cancel_grace())
    match verdict:
        case Verdict.KEEP:
            return False
        case Verdict.RELEASE:
            _release(job, now)
        case Verdict.CANCEL:
            apply_facts(job, step(facts_of(job), Event.REAP, now=now), now=now)
            ended(job, JobCanceled("The job was canceled; its worker did not end it in time."))
        case Verdict.LOST | Verdict.HUNG | Verdict.PENDING:
            _end(job, verdict, now)
    log.warning("job reaped", job=str(job.id), verdict=str(verdict), attempt=job.attempt)
    return True


def _release(job: ProvisionerJob, now: datetime) -> None:
    """The worker died with the job: another one takes it."""
    worker = job.worker.name if job.worker else "unknown"
    text = (
        f'Worker "{worker}" stopped answering. The job goes back to the queue '
        f"(attempt {job.attempt} of {MAX_ATTEMPTS})."
    )
    log_append(job_id=job.id, lines=[_line(job, text, now, "warn")])
    apply_facts(job, step(facts_of(job), Event.RELEASE, now=now), now=now)
    job.worker = None
    job.save(update_fields=["worker"])
    events.publish(f"job:{job.id}", {"kind": "status"})
    wake.nudge_after_commit(job.tags)


def _end(job: ProvisionerJob, verdict: Verdict, now: datetime) -> None:
    text = _reason(verdict)
    rule = "=" * 20
    lines = [_line(job, output, now, "error") for output in ("", rule, f"Coder: {text}", rule, "")]
    log_append(job_id=job.id, lines=lines)
    message = f"Coder: {text}"
    apply_facts(job, step(facts_of(job), Event.REAP, now=now, error=message), now=now)
    ended(job, JobReaped(message, code="reaped"))


def _reason(verdict: Verdict) -> str:
    if verdict is Verdict.LOST:
        return f"Build was given up: {MAX_ATTEMPTS} workers in a row stopped answering while they ran it."
    minutes = int((HUNG_AFTER if verdict is Verdict.HUNG else PENDING_AFTER).total_seconds() // 60)
    return (
        f"Build has been detected as {verdict} for {minutes} minutes and has been terminated by the reaper."
    )


def _line(job: ProvisionerJob, output: str, now: datetime, level: str) -> Line:
    last = ProvisionerJobLog.objects.filter(job=job).order_by("-id").values_list("stage", flat=True).first()
    return Line(now, last or "Unknown", output, level, LogSource.PROVISIONER_DAEMON)
