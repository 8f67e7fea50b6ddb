"""Who does the work of a job: the registry that the rooms above fill at start-up.

This room does not know what a job is for. A room registers one handler for a job type in its
``AppConfig.ready``; the worker calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .choices import JobType

if TYPE_CHECKING:
    from .context import JobContext
    from .models import ProvisionerJob


class JobError(Exception):
    """Why a job ended without success; ``message`` becomes the job's error."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class JobFailed(JobError):
    """The work cannot be done: the message says what is wrong, where, and what to do."""


class JobCanceled(JobError):
    """Somebody asked the job to end."""

    def __init__(self, message: str = "The job was canceled.") -> None:
        super().__init__(message)


class JobReaped(JobError):
    """Nobody will ever finish the job: its worker or every worker for it is gone."""


class JobInterrupted(Exception):
    """The worker is stopping, or has lost the job to another one; the job is not over."""


class JobHandler(Protocol):
    """What a room registers. ``complete`` and ``fail`` run inside the transaction that ends the job."""

    def execute(self, ctx: JobContext) -> object:
        """The long part, outside any transaction. Raises JobFailed; lets JobCanceled pass."""
        ...

    def complete(self, job: ProvisionerJob, result: Any) -> None: ...

    def fail(self, job: ProvisionerJob, error: JobError) -> None: ...


_handlers: dict[str, JobHandler] = {}
_local: set[str] = set()


def register(job_type: JobType, handler: JobHandler, *, local: bool = False) -> None:
    """Make ``handler`` the one for this type; a second registration replaces the first.

    local: a run leaves something on its machine that the next attempt needs (files, a newer state).
    """
    _handlers[job_type.value] = handler
    (_local.add if local else _local.discard)(job_type.value)


def find(job_type: str) -> JobHandler | None:
    return _handlers.get(job_type)


def registered() -> frozenset[str]:
    """The types of jobs that this process can run."""
    return frozenset(_handlers)


def local() -> frozenset[str]:
    """The types of jobs whose next attempt belongs on the machine of the last one."""
    return frozenset(_local)
