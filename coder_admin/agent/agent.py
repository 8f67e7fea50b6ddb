"""The agent as a whole: connect, run, start over for a new owner, and end with whoever started it."""

from __future__ import annotations

import os
import queue
import select
import signal
import stat
import threading
import time
from typing import NoReturn

from . import VERSION, processes
from .backoff import Backoff
from .client import Client, TransportError
from .manifest import Manifest, manifest_from
from .reinit import Reinit, ReinitListener
from .run import Run
from .settings import AgentSettings
from .uplink import Uplink, note

FLUSH_BEFORE_REINIT = 2.0
FLUSH_AT_END = 5.0
PARENT_CHECK = 2.0
REAP_INTERVAL = 30.0


class _Stop:
    """Command: SIGTERM or SIGINT arrived."""


class Agent:
    """Owns the uplink, the reinit listener and the present run; all decisions fall on its main thread."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._client = Client(settings.url, settings.token)
        self._uplink = Uplink(Client(settings.url, settings.token))
        self._commands: queue.SimpleQueue[Reinit | _Stop] = queue.SimpleQueue()
        self._run: Run | None = None

    def run(self) -> int:
        """Serve until told to stop. Returns the exit code."""
        os.makedirs(self._settings.folder, exist_ok=True)
        processes.become_subreaper()
        left = processes.end_leftovers(f"CODER_SCRIPT_DATA_DIR={self._settings.folder}")
        if left:
            note(f"ended {left} processes that an earlier agent of this folder left behind")
        signals = _signals_as_bytes(signal.SIGTERM, signal.SIGINT)
        threading.Thread(target=self._watch, args=(signals,), name="watch", daemon=True).start()
        self._uplink.start()
        manifest = self._fetch_manifest()
        if manifest is not None:
            self._begin(manifest)
            self._uplink.start_heartbeat()
            listener = Client(self._settings.url, self._settings.token)
            ReinitListener(listener, self._commands.put).start()
            self._serve()
        self._end()
        return 0

    def _serve(self) -> None:
        while True:
            try:
                command = self._commands.get(timeout=REAP_INTERVAL)
            except queue.Empty:
                processes.reap_adopted(self._run.running_pids() if self._run else ())
                continue
            if isinstance(command, _Stop) or not self._start_over(command):
                return

    def _start_over(self, event: Reinit) -> bool:
        """Serve the owner and build that the event names. False if told to stop meanwhile."""
        if self._run is not None and event.identity == self._run.identity:
            return True
        note(f"reinitialising ({event.reason})")
        if self._run is not None:
            self._run.stop()
        self._uplink.flush(FLUSH_BEFORE_REINIT)
        manifest = self._fetch_manifest()
        if manifest is None:
            return False
        self._begin(manifest)
        return True

    def _begin(self, manifest: Manifest) -> None:
        note(f"serving {manifest.owner_username}/{manifest.workspace_name} as {manifest.agent_name}")
        self._run = Run(self._settings, manifest, self._uplink)
        self._uplink.report(
            "/startup", version=VERSION, expanded_directory=self._run.directory, subsystems=[]
        )
        self._run.start()

    def _fetch_manifest(self) -> Manifest | None:
        """Ask until there is an answer. None if told to stop before."""
        backoff = Backoff()
        while True:
            try:
                answer = self._client.call("GET", "/api/v2/workspaceagents/me/manifest")
                if answer.status == 200:
                    return manifest_from(answer.json())
                problem = f"answer {answer.status}: {answer.message}"
            except (TransportError, KeyError, TypeError, ValueError) as error:
                problem = str(error)
            delay = backoff.next()
            note(f"no manifest yet, next attempt in {delay:.1f} s: {problem}")
            if self._told_to_stop_within(delay):
                return None

    def _told_to_stop_within(self, delay: float) -> bool:
        until = time.monotonic() + delay
        while (left := until - time.monotonic()) > 0:
            try:
                # A reinit event that comes now is no news: the manifest being fetched is the newest.
                if isinstance(self._commands.get(timeout=left), _Stop):
                    return True
            except queue.Empty:
                return False
        return False

    def _end(self) -> None:
        if self._run is not None:
            self._run.shut_down()
            self._uplink.report("/disconnect")
        self._uplink.close(FLUSH_AT_END)

    def _watch(self, signals: int) -> None:
        """Pass signals on, and end with the parent: at the end of file on standard input, or when this
        process is re-parented.

        Not by PR_SET_PDEATHSIG: that signal fires when the *thread* that started the agent ends, and
        the app starts agents from short-lived worker threads.
        """
        parent = os.getppid()
        watched = [signals, 0] if _is_pipe(0) else [signals]
        while os.getppid() == parent:
            ready, _, _ = select.select(watched, [], [], PARENT_CHECK)
            if signals in ready and os.read(signals, 64):
                self._commands.put(_Stop())
            if 0 in ready and not os.read(0, 4096):
                break
        self._end_at_once()

    def _end_at_once(self) -> NoReturn:
        note("the process that started this agent has ended")
        processes.end_all(self._run.groups() if self._run else (), grace=0.3)
        os._exit(1)


def _signals_as_bytes(*numbers: signal.Signals) -> int:
    """A descriptor that becomes readable when one of the signals arrives.

    A handler in Python would wait until the main thread runs bytecode again, and a signal that comes just
    before that thread blocks (on the queue of commands) does not wake it.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return reading


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
