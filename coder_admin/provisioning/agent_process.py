"""One agent of this machine: its lock, its process, its output, and its next life when it died."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from coder_admin.agent.processes import descendants, end_leftovers

from .agent_lock import AgentLock
from .agent_output import OutputFile
from .confinement import PACKAGES, Confinement

log = structlog.get_logger(__name__)

ARGUMENTS: Final = ("-m", "coder_admin.agent")  # of the interpreter that the confinement names
OUTPUT_NAME: Final = ".agent.log"
PASSED_ON: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
GRACE = 15.0  # seconds for stop scripts before the forced end
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before an agent that died is started again
CALM = 60.0  # seconds of life after which earlier deaths are forgotten
LOOK_EVERY = 0.2  # seconds; only where the system has no pidfd
REQUEST_EVERY = 0.5  # seconds between looks for a request to end, while no process runs


@dataclass(frozen=True)
class AgentSpec:
    """One agent that is to run. ``env`` is added to the few plain variables that every agent gets."""

    name: str
    token: str
    url: str
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


class Keeper:
    """One agent: its thread starts the process, keeps its output and starts it again if need be."""

    def __init__(
        self, spec: AgentSpec, lock: AgentLock, *, command: tuple[str, ...] | None, confinement: Confinement
    ) -> None:
        self.spec = spec
        self._agent_lock = lock
        self._command = command or (confinement.python, *ARGUMENTS)
        self._confinement = confinement
        self._asked_to_end = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._patience = 0.0
        self._thread = threading.Thread(target=self._run, name=f"agent-{spec.name}", daemon=True)

    def start(self, *, patience: float) -> None:
        """Begin; waits up to ``patience`` seconds for whoever runs the agent of the folder until then."""
        self._patience = patience
        self._thread.start()

    @property
    def pid(self) -> int:
        """0 while no process runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    @property
    def over(self) -> bool:
        """Whether the keeper has ended: it was asked to, or another process runs the agent."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def ask_to_end(self) -> None:
        with self._lock:
            self._asked_to_end.set()
            self._signal(signal.SIGTERM)

    def wait_ended(self, seconds: float) -> bool:
        self._thread.join(timeout=max(0.0, seconds))
        return not self._thread.is_alive()

    def force_end(self) -> None:
        """Kill the agent's group and every process below it (the agent is the reaper of its scripts)."""
        with self._lock:
            process = self._process
            if process is None or process.returncode is not None:
                return
            below = descendants(process.pid)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            for pid in below:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _run(self) -> None:
        try:
            if not self._take_lock():
                return
        except OSError as error:
            log.warning("agent not started", agent=self.spec.name, error=str(error))
            return
        output = OutputFile(self.spec.folder / OUTPUT_NAME)
        try:
            self._keep_alive(output)
        finally:
            output.close()
            # Scripts of an agent that was killed belong to nobody; an orderly end leaves none.
            end_leftovers(f"CODER_SCRIPT_DATA_DIR={self.spec.folder}")
            self._agent_lock.release()

    def _take_lock(self) -> bool:
        """Whether the agent is this keeper's to run. Two agents never share a folder."""
        end = time.monotonic() + self._patience
        while not self._asked_to_end.is_set():
            if self._agent_lock.descriptor >= 0:
                return True
            left = end - time.monotonic()
            if not self._agent_lock.take(patience=min(0.5, max(0.0, left))) and left <= 0:
                log.info("agent runs elsewhere", agent=self.spec.name)
                return False
        self._agent_lock.release()
        return False

    def _keep_alive(self, output: OutputFile) -> None:
        pause = FIRST_PAUSE
        self._agent_lock.note(0, self.spec.token)
        while not self._is_to_end():
            began = time.monotonic()
            code = self._live(output)
            if self._is_to_end():
                return
            if time.monotonic() - began > CALM:
                pause = FIRST_PAUSE
            log.warning("agent died", agent=self.spec.name, code=code, restart_in=pause)
            self._pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _is_to_end(self) -> bool:
        return self._asked_to_end.is_set() or self._agent_lock.end_is_requested(self.spec.token)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._is_to_end():
            self._asked_to_end.wait(min(left, REQUEST_EVERY))

    def _live(self, output: OutputFile) -> int | None:
        """One life of the process; its exit code, None when it could not be started."""
        try:
            with self._lock:
                if self._is_to_end():
                    return None
                process = self._process = self._spawn()
        except (OSError, ValueError) as error:
            output.write(f"the agent could not be started: {error}\n".encode())
            log.warning("agent not started", agent=self.spec.name, error=str(error))
            return None
        _read_until_exit(process, output)
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        return code

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._confinement.make_folder(self.spec.folder, self.spec.folder.parents[2].parent)
        process = subprocess.Popen(
            self._confinement.wrap(self._command),
            cwd=self.spec.folder,
            env=environment(self.spec),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
            pass_fds=(self._agent_lock.descriptor,),
            **self._confinement.popen_options(),
        )
        self._agent_lock.note(process.pid, self.spec.token)
        return process


def environment(spec: AgentSpec) -> dict[str, str]:
    """What the agent's process sees of ours: a few plain variables, its own settings, and ``spec.env``."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env.update(spec.env)
    env.update(
        HOME=str(spec.folder),
        PYTHONPATH=PACKAGES,
        PYTHONUNBUFFERED="1",
        PYTHONDONTWRITEBYTECODE="1",
        CODER_AGENT_TOKEN=spec.token,
        CODER_AGENT_URL=spec.url,
        CODER_AGENT_DIR=str(spec.folder),
    )
    return env


def _read_until_exit(process: subprocess.Popen[bytes], output: OutputFile) -> None:
    """Keep what the process prints until it has ended, also when somebody else holds its output open."""
    if process.stdout is None:
        return
    reading = process.stdout.fileno()
    os.set_blocking(reading, False)
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        watched = _watch_end(process, selector)
        closed = False
        while process.poll() is None:
            # After end-of-file only the end itself is left to wait for.
            selector.select(timeout=None if watched >= 0 else LOOK_EVERY)
            if not closed and _drain(reading, output):
                closed = True
                selector.unregister(reading)
        _drain(reading, output)
    if watched >= 0:
        os.close(watched)


def _watch_end(process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> int:
    """A descriptor that becomes readable when the process ends; -1 where the system has none."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return -1
    selector.register(descriptor, selectors.EVENT_READ)
    return descriptor


def _drain(descriptor: int, output: OutputFile) -> bool:
    """Take what there is; True at the end of the file."""
    while True:
        try:
            data = os.read(descriptor, 65_536)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if not data:
            return True
        output.write(data)
