"""What a handler holds while it works: its job, a log, timings, and whether to go on."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from django.db import DatabaseError
from django.utils import timezone

from .handlers import JobCanceled, JobInterrupted
from .limits import Line
from .logs import JobLogBuffer
from .models import ProvisionerJob
from .queue import Claim
from .services import LogCount, Timing

MAX_TIMINGS = 5_000  # of one job; a template cannot fill the table


class JobContext:
    """One run of one job by one worker."""

    job: ProvisionerJob  # set by `begin`, before the handler sees the context

    def __init__(self, claim: Claim, buffer: JobLogBuffer) -> None:
        self.claim = claim
        self.buffer = buffer
        self.timings: list[Timing] = []
        self._canceled = threading.Event()
        self._interrupted = threading.Event()
        self._ending = threading.Event()

    def begin(self, job: ProvisionerJob) -> None:
        """The runner has read the job's row."""
        self.job = job
        self.buffer.count = LogCount(job.logs_length, job.logs_overflowed)

    def log(self, stage: str, output: str, level: str = "info", source: str = "provisioner") -> None:
        """One or more lines for the job's log; stored within a tenth of a second."""
        now = timezone.now()
        for part in output.split("\n"):
            self.buffer.add(Line(now, stage, part.rstrip("\r"), level, source))

    def flush(self) -> None:
        """Store the lines that wait, so that a stage that is over is also over in the log. Lines that cannot
        be stored now are tried again by the flusher."""
        with suppress(DatabaseError):
            self.buffer.flush()

    @contextmanager
    def timing(self, stage: str, *, source: str = "", action: str = "", resource: str = "") -> Iterator[None]:
        """Measures its body; kept with the job whether the body succeeds or not."""
        started = timezone.now()
        try:
            yield
        finally:
            if len(self.timings) < MAX_TIMINGS:
                self.timings.append(Timing(stage, started, timezone.now(), source, action, resource))

    def add_timings(self, timings: Iterable[Timing]) -> None:
        """Timings that somebody else measured, as far as there is room."""
        self.timings.extend(islice(timings, max(0, MAX_TIMINGS - len(self.timings))))

    def check_canceled(self) -> None:
        """Raises when the work is to end here: JobCanceled for good, JobInterrupted to be run again."""
        if self._canceled.is_set():
            raise JobCanceled()
        if self._interrupted.is_set():
            raise JobInterrupted("the worker is stopping or has lost the job")

    def wait(self, seconds: float) -> None:
        """Sleeps, but not past a cancel."""
        self._ending.wait(seconds)
        self.check_canceled()

    @property
    def ending(self) -> bool:
        """Somebody wants the work to end; ``check_canceled`` says how."""
        return self._ending.is_set()

    def cancel(self) -> None:
        """The worker learned that the job was canceled."""
        self._canceled.set()
        self._ending.set()

    def interrupt(self) -> None:
        """The worker stops, or somebody else has the job."""
        self._interrupted.set()
        self._ending.set()
