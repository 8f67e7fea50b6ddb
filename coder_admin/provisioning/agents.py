"""The processes of agents on this machine: one per ``coder_agent`` of a running workspace.

Each agent leads a process group of its own and gets an environment that holds only what it needs; no secret
of the server is in it. It never outlives the process that started it: its standard input is a pipe whose
other end this process holds, so the kernel tells it of our end however we end. (A parent death signal would
not do: Linux sends it when the *thread* that started the child ends, and jobs run on short-lived threads.)

An agent that dies without having been asked is started again, after a pause that grows with each death.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from coder_admin.agent.processes import descendants, end_leftovers

from .agent_output import OutputFile

log = structlog.get_logger(__name__)

COMMAND: Final = (sys.executable, "-m", "coder_admin.agent")
PACKAGES: Final = str(Path(__file__).resolve().parents[2])  # where ``coder_admin`` is imported from
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


@dataclass(frozen=True)
class AgentSpec:
    """One agent that is to run. ``env`` is added to the few plain variables that every agent gets."""

    name: str
    token: str
    url: str
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


class AgentSupervisor:
    """Keeps the agents of workspaces running as last told. Any thread may call it at any time."""

    def __init__(self, *, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._keepers: dict[str, dict[str, _Keeper]] = {}  # workspace id -> token -> keeper
        self._closed = False

    def sync(self, workspace_id: object, specs: Iterable[AgentSpec]) -> None:
        """From now on the workspace has exactly these agents; returns at once.

        Starts those that are missing, leaves those with the same token alone (a claim), ends the others.
        """
        wished = {spec.token: spec for spec in specs}
        with self._lock:
            if self._closed:
                return
            present = self._keepers.setdefault(str(workspace_id), {})
            leaving = [present.pop(token) for token in list(present) if token not in wished]
            arriving = [
                _Keeper(spec, self._command) for token, spec in wished.items() if token not in present
            ]
            present.update({keeper.spec.token: keeper for keeper in arriving})
            if not present:
                del self._keepers[str(workspace_id)]
        _end_together(leaving, GRACE, wait=False)
        for keeper in arriving:
            keeper.start()

    def stop(self, workspace_id: object, *, grace: float = GRACE, wait: bool = True) -> bool:
        """End the workspace's agents with all they started; True when nothing of them is left."""
        with self._lock:
            leaving = list(self._keepers.pop(str(workspace_id), {}).values())
        return _end_together(leaving, grace, wait=wait)

    def stop_all(self, *, grace: float = 5.0) -> bool:
        """End every agent; nothing can be started afterwards. True when nothing is left."""
        with self._lock:
            self._closed = True
            leaving = [keeper for keepers in self._keepers.values() for keeper in keepers.values()]
            self._keepers.clear()
        return _end_together(leaving, grace, wait=True)

    def running(self, workspace_id: object | None = None) -> dict[str, int]:
        """Process ids by ``<workspace id>/<agent name>``."""
        with self._lock:
            return {
                f"{owner}/{keeper.spec.name}": keeper.pid
                for owner, keepers in self._keepers.items()
                for keeper in keepers.values()
                if keeper.pid and (workspace_id is None or owner == str(workspace_id))
            }


class _Keeper:
    """One agent: its thread starts the process, keeps its output and starts it again if need be."""

    def __init__(self, spec: AgentSpec, command: tuple[str, ...], *, after: Iterable[_Keeper] = ()) -> None:
        self.spec = spec
        # Two agents never share a folder: the next one begins when the scripts of the last have ended.
        self._after = [keeper for keeper in after if keeper.spec.folder == spec.folder]
        self._command = command
        self._asked_to_end = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=f"agent-{spec.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pid(self) -> int:
        """0 while no process runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

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
        pause = FIRST_PAUSE
        output = OutputFile(self.spec.folder / OUTPUT_NAME)
        for keeper in self._after:
            keeper.wait_ended(GRACE + 10)
        self._after.clear()
        try:
            while not self._asked_to_end.is_set():
                began = time.monotonic()
                code = self._live(output)
                if self._asked_to_end.is_set():
                    return
                if time.monotonic() - began > CALM:
                    pause = FIRST_PAUSE
                log.warning("agent died", agent=self.spec.name, code=code, restart_in=pause)
                self._asked_to_end.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            output.close()
            # Scripts of an agent that was killed belong to nobody; an orderly end leaves none.
            end_leftovers(f"CODER_SCRIPT_DATA_DIR={self.spec.folder}")

    def _live(self, output: OutputFile) -> int | None:
        """One life of the process; its exit code, None when it could not be started."""
        try:
            with self._lock:
                if self._asked_to_end.is_set():
                    return None
                process = self._process = self._spawn()
        except OSError as error:
            output.write(f"the agent could not be started: {error}\n".encode())
            return None
        _read_until_exit(process, output)
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        return code

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.spec.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return subprocess.Popen(
            self._command,
            cwd=self.spec.folder,
            env=environment(self.spec),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )


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


def _end_together(keepers: list[_Keeper], grace: float, *, wait: bool) -> bool:
    """End all of them at the same time: politely, after ``grace`` seconds by force."""
    if not keepers:
        return True
    for keeper in keepers:
        keeper.ask_to_end()
    if wait:
        return _see_to_the_end(keepers, grace)
    threading.Thread(target=_see_to_the_end, args=(keepers, grace), name="agents-end", daemon=True).start()
    return True


def _see_to_the_end(keepers: list[_Keeper], grace: float) -> bool:
    deadline = time.monotonic() + grace
    left = [keeper for keeper in keepers if not keeper.wait_ended(deadline - time.monotonic())]
    for keeper in left:
        log.warning("agent killed", agent=keeper.spec.name, pid=keeper.pid)
        keeper.force_end()
    deadline = time.monotonic() + 5.0
    return all(keeper.wait_ended(deadline - time.monotonic()) for keeper in left)
