"""One job on one thread: its handler, and the end that follows from what the handler did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections
from django.utils import timezone

from . import handlers, queue, services
from .context import JobContext
from .handlers import JobCanceled, JobError, JobFailed, JobInterrupted
from .logs import LogFlusher
from .models import ProvisionerJob

log = structlog.get_logger(__name__)
T = TypeVar("T")

END_ATTEMPTS = 5  # while the database stumbles; then the lease runs out and others take over
#: The database answered, and its answer will be the same the next time.
REFUSALS = (DataError, IntegrityError)


def run_job(claim: queue.Claim, context: JobContext, flusher: LogFlusher) -> None:
    """Run the job and store its end. Never raises: what cannot be stored is left to the reaper."""
    started = time.monotonic()
    outcome = "lost"
    try:
        outcome = _run(claim, context, flusher)
    except services.ClaimLost:
        log.warning("job lost", job=str(claim.job_id), attempt=claim.attempt)
    except Exception:
        log.exception("job not ended", job=str(claim.job_id), attempt=claim.attempt)
    finally:
        flusher.forget(context.buffer)
        log.info(
            "job ended",
            job=str(claim.job_id),
            outcome=outcome,
            attempt=claim.attempt,
            seconds=round(time.monotonic() - started, 3),
        )


def _run(claim: queue.Claim, context: JobContext, flusher: LogFlusher) -> str:
    close_old_connections()
    context.begin(_persist(lambda: ProvisionerJob.objects.get(id=claim.job_id)))
    handler = handlers.find(context.job.type)
    try:
        if handler is None:
            raise JobFailed(f'Nothing here can run a job of the type "{context.job.type}".')
        result = handler.execute(context)
    except JobInterrupted:
        _persist(lambda: flusher.close(context.buffer))
        _persist(lambda: queue.release(claim, now=timezone.now(), count_attempt=False))
        return "interrupted"
    except JobError as error:
        return _fail(claim, context, flusher, error)
    except Exception as error:
        log.exception("job failed unexpectedly", job=str(claim.job_id), type=context.job.type)
        return _fail(claim, context, flusher, unexpected(error))
    _persist(lambda: flusher.close(context.buffer))
    try:
        _persist(lambda: services.job_complete(claim=claim, result=result, timings=context.timings))
    except services.ClaimLost:
        raise
    except JobError as error:
        return _fail(claim, context, flusher, error)
    except DatabaseError as error:
        if not isinstance(error, REFUSALS):
            raise
        log.exception("job result not stored", job=str(claim.job_id), type=context.job.type)
        return _fail(claim, context, flusher, unexpected(error))
    except Exception as error:
        # What the handler made of its result could not be stored; the transaction is undone.
        log.exception("job result not stored", job=str(claim.job_id), type=context.job.type)
        return _fail(claim, context, flusher, unexpected(error))
    return "completed"


def unexpected(error: Exception) -> JobFailed:
    """An error of the program, not of the template: named, without the details that only the log has."""
    return JobFailed(
        f"An unexpected error ended the job ({type(error).__name__}). The server's log has the details.",
        code="internal",
    )


def _fail(claim: queue.Claim, context: JobContext, flusher: LogFlusher, error: JobError) -> str:
    level = "warn" if isinstance(error, JobCanceled) else "error"
    context.log("Canceled" if level == "warn" else "Failed", error.message, level, "provisioner_daemon")
    _persist(lambda: flusher.close(context.buffer))
    _persist(lambda: services.job_fail(claim=claim, error=error, timings=context.timings))
    return "canceled" if isinstance(error, JobCanceled) else "failed"


def _persist(use: Callable[[], T]) -> T:
    """Use the database, again after a while when it is briefly away."""
    for attempt in range(1, END_ATTEMPTS):
        try:
            return use()
        except DatabaseError as error:
            if isinstance(error, REFUSALS):
                raise
            log.warning("the database does not answer a job yet", error=str(error), attempt=attempt)
            close_old_connections()
            time.sleep(0.2 * 2**attempt)
    return use()
