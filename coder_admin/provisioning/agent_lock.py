"""At most one process of this machine runs the agent of a folder, however many workers there are.

The lock is a file beside the agent's folder. Whoever runs the agent holds it, and the agent inherits it: it
is free when both have ended, in whatever way. In the file stands which process the agent is, so that another
worker can end it: it leaves a request beside the lock and interrupts the agent; the keeper finds the request
when the agent has ended, and does not start it again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coder_admin.agent.processes import descendants

FIRST_TRY, LONGEST_TRY = 0.02, 0.5  # seconds between tries
AFTER_FORCE: Final = 5.0  # seconds


@dataclass(frozen=True)
class Holder:
    """Who runs the agent: its process, and which agent it is (a digest of its token)."""

    pid: int
    agent: str


class AgentLock:
    """The lock of one agent's folder. Not shared by threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder.parent / f".{folder.name}.lock"
        self._request = folder.parent / f".{folder.name}.end"
        self.descriptor = -1

    def take(self, *, patience: float = 0.0) -> bool:
        """Whether it is held now; tries for ``patience`` seconds."""
        end = time.monotonic() + patience
        pause = FIRST_TRY
        while not self._try():
            if time.monotonic() >= end:
                return False
            time.sleep(min(pause, max(0.0, end - time.monotonic())))
            pause = min(pause * 2, LONGEST_TRY)
        # What stands there, and a request that nobody took back, was about an agent that is gone.
        os.ftruncate(self.descriptor, 0)
        self._request.unlink(missing_ok=True)
        return True

    def _try(self) -> bool:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The folder may have been removed and made anew since the file was opened.
            if os.fstat(descriptor).st_ino != self._path.stat().st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def note(self, pid: int, token: str) -> None:
        """Say which agent runs here and which process it is now; 0 while it has none."""
        data = json.dumps({"pid": pid, "agent": digest(token)}).encode()
        os.pwrite(self.descriptor, data, 0)
        os.ftruncate(self.descriptor, len(data))

    def end_is_requested(self, token: str) -> bool:
        """Whether another process wants the agent with this token to end."""
        try:
            return self._request.read_text() == digest(token)
        except (OSError, UnicodeDecodeError):
            return False

    def release(self) -> None:
        if self.descriptor >= 0:
            self._request.unlink(missing_ok=True)
            with suppress(OSError):
                os.ftruncate(self.descriptor, 0)
            os.close(self.descriptor)
            self.descriptor = -1

    def holder(self) -> Holder | None:
        """Who runs the agent, as far as it is written down."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._path.read_bytes())
            return Holder(int(found["pid"]), str(found["agent"]))
        return None

    def end_elsewhere(self, grace: float) -> bool:
        """Have the agent ended, whichever process runs it; by force after ``grace`` seconds. True when it is.

        Returns at once when nobody runs it.
        """
        if not self._path.exists() or self.take():
            self.release()
            return True
        wanted = self._agent_now(grace)
        if self._interrupt_until(wanted, grace, signal.SIGTERM):
            return True
        return self._interrupt_until(wanted, AFTER_FORCE, signal.SIGKILL)

    def _agent_now(self, patience: float) -> str:
        """Which agent runs there; "" when nobody says so in time."""
        end = time.monotonic() + patience
        while (holder := self.holder()) is None and time.monotonic() < end:
            time.sleep(FIRST_TRY)
        return holder.agent if holder is not None else ""

    def _interrupt_until(self, wanted: str, seconds: float, number: signal.Signals) -> bool:
        """Whether the agent has ended: the lock is free, or another agent has it."""
        told = 0
        end = time.monotonic() + seconds
        pause = FIRST_TRY
        while time.monotonic() < end:
            with suppress(OSError):
                self._request.write_text(wanted)
            holder = self.holder()
            if holder is not None and holder.agent != wanted:
                return True
            if holder is not None and holder.pid != told and self._is_ours(holder.pid):
                told = holder.pid
                _signal(holder.pid, number)
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_TRY)
            if self.take():
                self.release()
                return True
        return False

    def _is_ours(self, pid: int) -> bool:
        """Whether the process is the agent of this folder: its number may belong to another one by now."""
        if not pid:
            return False
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return f"CODER_AGENT_DIR={self._folder}".encode() in environment
        return False


def digest(token: str) -> str:
    """What may be written down of a token."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if number is not signal.SIGKILL:
            os.kill(pid, number)
            return
        below = descendants(pid)
        os.killpg(pid, number)
        for child in below:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, number)
