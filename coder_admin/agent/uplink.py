"""Everything the agent says to the server, in the order in which it happened, by one thread.

Log lines and reports wait in one queue, so a script's last line is stored before its end is reported.
Nothing is taken off the queue before the server has confirmed it, and lines carry their position, so an
answer that got lost neither loses nor doubles a line.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from typing import Any, NamedTuple

from .backoff import Backoff
from .client import Answer, Client, TransportError

HEARTBEAT_INTERVAL = 15.0
LINES_PER_BATCH = 500
BYTES_PER_BATCH = 128 * 1024
LINGER = 0.05  # seconds a line waits for company
# The server keeps 1 MiB of an agent's log (reference 3.2). Holding a little more is enough to make it
# notice the overflow; beyond that a line could never be stored, so memory stays bounded without loss.
LONGEST_QUEUE = 1024 * 1024 + BYTES_PER_BATCH

_PREFIX = "/api/v2/workspaceagents/me"


class _Line(NamedTuple):
    run: str
    source: str
    sequence: int
    created_at: str
    level: str
    output: str

    @property
    def size(self) -> int:
        return len(self.output) + 100


class _Report(NamedTuple):
    path: str
    body: dict[str, Any]


class _Slot(NamedTuple):
    """A place in the queue for the newest report of its name, whatever that is when its turn comes."""

    name: str


_Item = _Line | _Report | _Slot


def now_text() -> str:
    """The time now as RFC 3339 in UTC with microseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds // 1000:06d}Z"


def note(text: str) -> None:
    """One line for the log of whoever started the agent, if there still is somebody to read it.

    A parent that was killed leaves a broken pipe; the agent has to get on with ending all the same.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"agent: {text}\n")
        sys.stderr.flush()


class Uplink:
    """The ordered way to the server. `log` and `report` return at once; a thread of its own sends."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: deque[_Item] = deque()
        self._latest: dict[str, _Report] = {}
        self._queued_bytes = 0
        self._sequences: dict[tuple[str, str], int] = {}
        self._full: set[str] = set()  # runs whose log the server has closed
        self._changed = threading.Condition()
        self._closing = False
        self._ended = False
        self._beating = False
        self._thread = threading.Thread(target=self._send_forever, name="uplink", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def start_heartbeat(self) -> None:
        with self._changed:
            self._beating = True
            self._changed.notify_all()

    def log(self, run: str, source: str, level: str, output: str) -> None:
        """Queue one line of a script. `run` names the agent's run, `source` the script's log source."""
        created_at = now_text()
        with self._changed:
            if run in self._full or self._queued_bytes > LONGEST_QUEUE:
                return
            sequence = self._sequences.get((run, source), 0)
            self._sequences[run, source] = sequence + 1
            line = _Line(run, source, sequence, created_at, level, output)
            self._queue.append(line)
            self._queued_bytes += line.size
            self._changed.notify_all()

    def report(self, path: str, **body: Any) -> None:
        """Queue a report to `/api/v2/workspaceagents/me<path>`."""
        with self._changed:
            self._queue.append(_Report(path, body))
            self._changed.notify_all()

    def measured(self, slot: str, path: str, **body: Any) -> None:
        """Queue a report of which only the newest counts: while one waits, the next takes its place, so that
        measuring goes on without a server and without memory."""
        with self._changed:
            if slot not in self._latest:
                self._queue.append(_Slot(slot))
            self._latest[slot] = _Report(path, body)
            self._changed.notify_all()

    def forget_measured(self) -> None:
        """Drop waiting measurements: they were taken for the owner before."""
        with self._changed:
            self._latest.clear()

    def flush(self, timeout: float) -> bool:
        """Wait until everything queued so far is confirmed; False if `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue, timeout)

    def close(self, timeout: float) -> None:
        """Send what waits for at most `timeout` seconds, then stop.

        From now on a refused token is final: the workspace's next build is through, nobody listens.
        """
        self._closing = True
        self.flush(timeout)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(timeout=1.0)

    def _send_forever(self) -> None:
        backoff = Backoff()
        next_beat = 0.0
        while True:
            batch = self._wait_for_batch(next_beat)
            if batch is None:
                return
            try:
                if not batch:
                    self._heartbeat()
                    next_beat = time.monotonic() + HEARTBEAT_INTERVAL
                else:
                    self._deliver(batch)
                backoff.reset()
            except TransportError as error:
                delay = backoff.next()
                note(f"server not reached, next attempt in {delay:.1f} s: {error}")
                self._pause(delay)

    def _wait_for_batch(self, next_beat: float) -> list[_Item] | None:
        """The next things to send; [] when a heartbeat is due; None at the end."""
        with self._changed:
            while not self._ended:
                if self._beating and time.monotonic() >= next_beat:
                    return []
                if self._queue:
                    if isinstance(self._queue[-1], _Line) and len(self._queue) < LINES_PER_BATCH:
                        self._changed.wait_for(self._is_hasty, LINGER)
                    return self._batch()
                self._changed.wait(max(0.01, next_beat - time.monotonic()) if self._beating else None)
            return None

    def _is_hasty(self) -> bool:
        return self._ended or not isinstance(self._queue[-1], _Line) or len(self._queue) >= LINES_PER_BATCH

    def _batch(self) -> list[_Item]:
        """From the head of the queue: one report, or the lines of one source that follow each other."""
        batch: list[_Item] = []
        size = 0
        for item in self._queue:
            if not isinstance(item, _Line):
                return batch or [item]
            first = batch[0] if batch else item
            size += item.size
            fits = len(batch) < LINES_PER_BATCH and size <= BYTES_PER_BATCH
            if batch and not (isinstance(first, _Line) and first[:2] == item[:2] and fits):
                break
            batch.append(item)
        return batch

    def _deliver(self, batch: list[_Item]) -> None:
        first = batch[0]
        if isinstance(first, _Slot):
            self._deliver_newest(first)
            return
        if isinstance(first, _Report):
            answer = self._client.call("POST", _PREFIX + first.path, first.body)
        else:
            answer = self._client.call("PATCH", _PREFIX + "/logs", _log_body(batch))
        if _is_temporary(answer) and not (self._closing and answer.status == 401):
            raise TransportError(f"answer {answer.status}: {answer.message}")
        if answer.status >= 400 and not (isinstance(first, _Line) and answer.status == 413):
            what = first.path if isinstance(first, _Report) else "logs"
            note(f"the server refused {what} with {answer.status}: {answer.message}")
        with self._changed:
            for _ in batch:
                self._drop_first()
            if isinstance(first, _Line) and answer.status == 413:
                self._close_log(first.run)
            self._changed.notify_all()

    def _deliver_newest(self, slot: _Slot) -> None:
        with self._changed:
            report = self._latest.get(slot.name)
        if report is not None:
            answer = self._client.call("POST", _PREFIX + report.path, report.body)
            if _is_temporary(answer) and not (self._closing and answer.status == 401):
                raise TransportError(f"answer {answer.status}: {answer.message}")
            if answer.status >= 400:
                note(f"the server refused {report.path} with {answer.status}: {answer.message}")
        with self._changed:
            self._queue.popleft()
            if self._latest.get(slot.name) is not report:
                self._queue.append(slot)  # a newer one came while this one was on its way
            elif report is not None:
                del self._latest[slot.name]
            self._changed.notify_all()

    def _drop_first(self) -> None:
        item = self._queue.popleft()
        if isinstance(item, _Line):
            self._queued_bytes -= item.size

    def _close_log(self, run: str) -> None:
        note("the server's limit for this agent's log is reached; later lines are dropped")
        self._full.add(run)
        kept = [item for item in self._queue if not (isinstance(item, _Line) and item.run == run)]
        self._queue = deque(kept)
        self._queued_bytes = sum(item.size for item in kept if isinstance(item, _Line))

    def _heartbeat(self) -> None:
        answer = self._client.call("POST", _PREFIX + "/heartbeat", {})
        if answer.status >= 400:
            raise TransportError(f"heartbeat refused with {answer.status}: {answer.message}")

    def _pause(self, delay: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended, delay)


def _is_temporary(answer: Answer) -> bool:
    # 401 too: around a claim or a restart of the server the token may be unknown for a moment.
    return answer.status >= 500 or answer.status in (401, 408, 425, 429)


def _log_body(batch: list[_Item]) -> dict[str, Any]:
    lines = [item for item in batch if isinstance(item, _Line)]
    return {
        "log_source_id": lines[0].source,
        "run_id": lines[0].run,
        "sequence": lines[0].sequence,
        "logs": [{"created_at": i.created_at, "output": i.output, "level": i.level} for i in lines],
    }
