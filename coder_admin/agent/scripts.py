"""Running one script: its own session, its output line by line, a time limit, and a clean end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO, NamedTuple

from .manifest import Script, path_inside

LONGEST_LINE = 16 * 1024  # bytes; a longer one is cut into several
LOG_FILE_LIMIT = 5 * 1024 * 1024
TERM_GRACE = 3.0
_READ_SIZE = 32 * 1024
_TICK = 0.1  # seconds between looks at the process where the system has no pidfd

Emit = Callable[[str, str], None]  # (level, line)


class ScriptResult(NamedTuple):
    exit_code: int | None  # None: it never started
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.timed_out


class _LineCutter:
    """Cuts bytes into lines of text; holds the unfinished end until more comes."""

    def __init__(self, level: str, emit: Emit) -> None:
        self._level = level
        self._emit = emit
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._send(line)
        while len(self._rest) >= LONGEST_LINE:
            self._send(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]

    def end(self) -> None:
        if self._rest:
            self._send(self._rest)
            self._rest = b""

    def _send(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), LONGEST_LINE):
            text = line[start : start + LONGEST_LINE].rstrip(b"\r").decode("utf-8", "replace")
            # PostgreSQL stores no NUL in a text.
            self._emit(self._level, text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


class ScriptProcess:
    """A script that has been started. `wait` gives its result; its output is read by a thread.

    Processes that the script leaves in the background keep their output: it goes on being read until
    they close it or the agent's run ends, while the script itself counts as finished.
    """

    def __init__(
        self,
        script: Script,
        folder: str,
        workdir: str,
        env: dict[str, str],
        emit: Emit,
        *,
        on_end: Callable[[ScriptResult], None] | None = None,
    ) -> None:
        self._script = script
        self._on_end = on_end
        self._emit = emit
        self._done = threading.Event()
        self._result = ScriptResult(None)
        self._log_file = _open_log(script.log_path, folder)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                [*_interpreter(script.script), _write_script(script, folder)],
                cwd=workdir,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            emit("error", f"The script could not be started: {error}")
            self._done.set()
            return
        threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group; 0 if it never started."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return not self._done.is_set()

    def wait(self, timeout: float | None = None) -> ScriptResult:
        self._done.wait(timeout)
        return self._result

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        pipes = [(process.stdout, "info"), (process.stderr, "error")]
        with selectors.DefaultSelector() as selector:
            for pipe, level in pipes:
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    selector.register(pipe, selectors.EVENT_READ, _LineCutter(level, self._line))
            pidfd = _open_pidfd(process.pid)
            if pidfd is not None:
                selector.register(pidfd, selectors.EVENT_READ, None)
            try:
                self._loop(process, selector, pidfd)
            finally:
                if pidfd is not None:
                    os.close(pidfd)
                for pipe, _ in pipes:
                    if pipe is not None:
                        pipe.close()
                if self._log_file is not None:
                    self._log_file.close()

    def _loop(
        self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector, pidfd: int | None
    ) -> None:
        limit = time.monotonic() + self._script.timeout if self._script.timeout > 0 else None
        kill_at: float | None = None
        timed_out = False
        while self.running or selector.get_map():
            wait = None if pidfd is not None or not self.running else _TICK
            due = kill_at if kill_at is not None else limit
            if self.running and due is not None:
                left = max(0.0, due - time.monotonic())
                wait = left if wait is None else min(wait, left)
            for key, _ in selector.select(wait):
                if key.data is not None:
                    _read(selector, key)
            if not self.running:
                continue
            if process.poll() is not None:
                self._finish(selector, pidfd, ScriptResult(process.returncode, timed_out))
            elif limit is not None and kill_at is None and time.monotonic() >= limit:
                timed_out, kill_at = True, time.monotonic() + TERM_GRACE
                self._line("error", f"The script ran longer than {self._script.timeout:g} s and is stopped.")
                _signal_group(process.pid, signal.SIGTERM)
            elif kill_at is not None and time.monotonic() >= kill_at:
                kill_at = time.monotonic() + TERM_GRACE
                _signal_group(process.pid, signal.SIGKILL)

    def _finish(self, selector: selectors.BaseSelector, pidfd: int | None, result: ScriptResult) -> None:
        if pidfd is not None:
            selector.unregister(pidfd)
        for key in list(selector.get_map().values()):
            _read(selector, key, all_there_is=True)
        if result.exit_code != 0 and not result.timed_out:
            self._line("error", _ending(result.exit_code))
        self._result = result
        if self._on_end is not None:
            self._on_end(result)
        self._done.set()

    def _line(self, level: str, text: str) -> None:
        self._emit(level, text)
        if self._log_file is not None and self._log_file.tell() < LOG_FILE_LIMIT:
            self._log_file.write(text.encode() + b"\n")


def _read(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, *, all_there_is: bool = False
) -> None:
    while True:
        try:
            data = os.read(key.fd, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            key.data.end()
            selector.unregister(key.fileobj)
            return
        key.data.feed(data)
        if not all_there_is:
            return


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"The script was ended by signal {-exit_code}."
    return f"The script ended with exit code {exit_code}."


def _interpreter(script: str) -> list[str]:
    """The command of the script's `#!` line, else the shell.

    Named in the command rather than left to the kernel: executing a file that another thread's fork
    still holds open for writing fails with "text file busy".
    """
    first = script.partition("\n")[0].strip()
    if first.startswith("#!") and (words := first[2:].split(None, 1)):
        if os.path.basename(words[0]) == "env" and len(words) > 1:
            return [words[0], *words[1].split()]
        return words
    return ["/bin/sh"]


def _write_script(script: Script, folder: str) -> str:
    place = os.path.join(folder, ".coder", "scripts")
    os.makedirs(place, mode=0o700, exist_ok=True)
    path = os.path.join(place, "".join(c for c in script.id if c.isalnum() or c == "-") or "script")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(script.script)
    return path


def _open_log(log_path: str, folder: str) -> IO[bytes] | None:
    path = path_inside(folder, log_path) if log_path else None
    if path is None or path == folder:
        return None
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb", buffering=0)
    except OSError:
        return None  # the lines still reach the server


def _open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return
