"""Lines on their way from a running job into the database: gathered briefly, written together.

One thread per worker serves all its jobs. A line is stored at most ``DELAY`` after it was written; a job that
writes faster than the database takes it waits, so memory stays bounded.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque

import structlog
from django.db import DatabaseError, close_old_connections, connection

from .limits import Line
from .services import LogCount, log_append

log = structlog.get_logger(__name__)

DELAY = 0.05  # seconds a line may wait for company
PENDING_LINES = 2_000  # of one job; more and the job waits
BATCH = 500


class JobLogBuffer:
    """The lines of one job that are not stored yet, in order."""

    def __init__(self, job_id: uuid.UUID, changed: threading.Event) -> None:
        self.job_id = job_id
        self._lines: deque[Line] = deque()
        self._room = threading.Condition()
        self._writing = threading.Lock()  # one writer at a time keeps the order
        self._changed = changed
        self.count: LogCount | None = None  # the job's counters as last seen here

    def add(self, line: Line) -> None:
        with self._room:
            while len(self._lines) >= PENDING_LINES:
                self._room.wait(timeout=1.0)
            self._lines.append(line)
        self._changed.set()

    def flush(self) -> None:
        """Store everything that was added before the call."""
        with self._writing:
            while batch := self._take():
                try:
                    self.count = log_append(job_id=self.job_id, lines=batch, known=self.count)
                except DatabaseError:
                    with self._room:
                        self._lines.extendleft(reversed(batch))
                    raise
                with self._room:
                    self._room.notify_all()

    def _take(self) -> list[Line]:
        with self._room:
            return [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]


class LogFlusher:
    """The thread that stores what jobs write."""

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._buffers: dict[uuid.UUID, JobLogBuffer] = {}
        self._thread = threading.Thread(target=self._run, name="job-logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._changed.set()
        self._thread.join(timeout=10)

    def open(self, job_id: uuid.UUID) -> JobLogBuffer:
        buffer = JobLogBuffer(job_id, self._changed)
        with self._lock:
            self._buffers[job_id] = buffer
        return buffer

    def close(self, buffer: JobLogBuffer) -> None:
        """Store the rest and forget the job. Lines that cannot be stored are still there for another try."""
        buffer.flush()
        self.forget(buffer)

    def forget(self, buffer: JobLogBuffer) -> None:
        """The run is over: what is not stored by now is not this run's to store any more."""
        with self._lock:
            if self._buffers.get(buffer.job_id) is buffer:
                del self._buffers[buffer.job_id]

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changed.wait()
            self._stopping.wait(DELAY)
            self._changed.clear()
            with self._lock:
                buffers = list(self._buffers.values())
            for buffer in buffers:
                self._flush(buffer)
        connection.close()

    def _flush(self, buffer: JobLogBuffer) -> None:
        try:
            buffer.flush()
        except DatabaseError as error:
            # The lines stay in the buffer; the database may be back in a moment.
            log.warning("job log not written", job=str(buffer.job_id), error=str(error))
            close_old_connections()
            self._stopping.wait(1.0)
            self._changed.set()
