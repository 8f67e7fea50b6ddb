"""One job on one thread: its handler, and the end that follows from what the handler did."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections
from django.utils import timezone

from . import handlers, queue, services
from .context import JobContext
from .handlers import JobCanceled, JobError, JobFailed, JobInterrupted
from .logs import LogFlusher
from .models import ProvisionerJob

log = structlog.get_logger(__name__)

END_ATTEMPTS = (
    5  # of storing an end while the database stumbles; then the lease runs out and others take over
)
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
        log.info(
            "job ended",
            job=str(claim.job_id),
            outcome=outcome,
            attempt=claim.attempt,
            seconds=round(time.monotonic() - started, 3),
        )


def _run(claim: queue.Claim, context: JobContext, flusher: LogFlusher) -> str:
    close_old_connections()
    context.begin(ProvisionerJob.objects.get(id=claim.job_id))
    handler = handlers.find(context.job.type)
    try:
        if handler is None:
            raise JobFailed(f'Nothing here can run a job of the type "{context.job.type}".')
        result = handler.execute(context)
    except JobInterrupted:
        flusher.close(context.buffer)
        queue.release(claim, now=timezone.now(), count_attempt=False)
        return "interrupted"
    except JobError as error:
        return _fail(claim, context, flusher, error)
    except Exception as error:
        log.exception("job failed unexpectedly", job=str(claim.job_id), type=context.job.type)
        return _fail(claim, context, flusher, unexpected(error))
    flusher.close(context.buffer)
    try:
        _store(lambda: services.job_complete(claim=claim, result=result, timings=context.timings))
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
    flusher.close(context.buffer)
    _store(lambda: services.job_fail(claim=claim, error=error, timings=context.timings))
    return "canceled" if isinstance(error, JobCanceled) else "failed"


def _store(write: Callable[[], object]) -> None:
    """Run the write, again after a while when the database is briefly away."""
    for attempt in range(1, END_ATTEMPTS + 1):
        try:
            write()
        except DatabaseError as error:
            if attempt == END_ATTEMPTS or isinstance(error, REFUSALS):
                raise
            log.warning("job end not stored yet", error=str(error), attempt=attempt)
            close_old_connections()
            time.sleep(0.2 * 2**attempt)
        else:
            return
