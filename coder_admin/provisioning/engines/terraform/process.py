"""Running one command: its output line by line, a cancel that first asks and then forces, a time limit."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coder_admin.provisioning.engines.base import CheckCanceled, EngineError

GUARD: Final = Path(__file__).with_name("guard.py")
LOOK_EVERY: Final = 0.2  # seconds between looks at the cancel flag
LONGEST_LINE: Final = 1024 * 1024  # bytes; the rest of a longer line is dropped
LAST_WORDS: Final = 2.0  # seconds for output that comes after the command's own end

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """``grace``: seconds between the interrupt and the kill. ``deadline``: of ``time.monotonic``."""

    grace: float
    deadline: float


@dataclass
class Finished:
    """``canceled``: what the cancel check raised. ``killed``: the grace was over before the command."""

    code: int = 0
    canceled: BaseException | None = None
    timed_out: bool = False
    killed: bool = False

    @property
    def interrupted(self) -> bool:
        return self.canceled is not None or self.timed_out


@dataclass
class _Lines:
    """Bytes in, whole lines out."""

    to: OnLine
    longest: int
    rest: bytearray = field(default_factory=bytearray)
    full: bool = False

    def feed(self, data: bytes) -> None:
        *whole, last = data.split(b"\n")
        for part in whole:
            self._add(part)
            self.end()
        self._add(last)

    def end(self) -> None:
        """The line is complete; an empty one counts only when it ended in a newline."""
        text = self.rest.decode("utf-8", "replace").rstrip("\r")
        self.rest.clear()
        self.to(text + (" … (cut)" if self.full else ""))
        self.full = False

    def _add(self, part: bytes) -> None:
        room = self.longest - len(self.rest)
        self.full = self.full or len(part) > room
        self.rest += part[: max(room, 0)]


def run(
    command: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    limits: Limits,
    check_canceled: CheckCanceled,
    out: OnLine,
    err: OnLine,
    keep_open: Sequence[int] = (),
    longest: int = LONGEST_LINE,
) -> Finished:
    """Run it to its end in a process group of its own; nothing of the group is left afterwards.

    On a cancel, or past the deadline, the command is interrupted once, as by Ctrl+C, and killed with all
    it started when it has not ended within the grace. ``keep_open``: descriptors it inherits (locks).
    Lines of its output are cut at ``longest`` bytes.
    """
    child = _start(command, folder, env, keep_open)
    try:
        return _attend(child, limits, check_canceled, _Lines(out, longest), _Lines(err, LONGEST_LINE))
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # plugins that their parent left behind
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def _start(
    command: Sequence[str], folder: Path, env: Mapping[str, str], keep_open: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *command],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(keep_open),
        )
    except OSError as problem:
        if problem.errno == errno.E2BIG:
            raise EngineError(
                "The parameters and variables of this build are too large for the system "
                "(128 KiB for one value, all together about 2 MiB): make them smaller."
            ) from None
        raise EngineError(f"Terraform cannot be started: {problem}.") from None


def _attend(
    child: subprocess.Popen[bytes],
    limits: Limits,
    check_canceled: CheckCanceled,
    out: _Lines,
    err: _Lines,
) -> Finished:
    finished = Finished()
    kill_at = last_at = float("inf")
    with selectors.DefaultSelector() as selector:
        for stream, lines in ((child.stdout, out), (child.stderr, err)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, lines)
        while selector.get_map():
            _read(selector)
            now = time.monotonic()
            if last_at == float("inf") and child.poll() is not None:
                last_at = now + LAST_WORDS
            if now >= last_at:
                break
            if (
                not finished.interrupted
                and last_at == float("inf")
                and _to_end(finished, check_canceled, late=now >= limits.deadline)
            ):
                # Only the command: it tells its plugins itself, in the right order.
                child.send_signal(signal.SIGINT)
                kill_at = now + limits.grace
            if now >= kill_at and not finished.killed:
                finished.killed = True
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        for key in list(selector.get_map().values()):
            if key.data.rest:
                key.data.end()
    finished.code = child.wait()
    return finished


def _read(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(LOOK_EVERY):
        data = os.read(key.fd, 65536)
        if data:
            key.data.feed(data)
        else:
            if key.data.rest:
                key.data.end()
            selector.unregister(key.fileobj)


def _to_end(finished: Finished, check_canceled: CheckCanceled, *, late: bool) -> bool:
    """Whether the command is to end, and notes why."""
    try:
        check_canceled()
    except Exception as canceled:
        finished.canceled = canceled
        return True
    finished.timed_out = late
    return late
