"""The application as its users have it: `manage.py up` as a process, spoken to by HTTP and websocket only."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a-long-enough-passphrase"
T = TypeVar("T")


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the application."""
    ours = ("CODER_", "DJANGO_", "DATABASE_", "REDIS_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def eventually(question: Callable[[], T], *, within: float, what: str, every: float = 0.1) -> T:
    """The first truthy answer; fails after ``within`` seconds with ``what`` and the last answer."""
    deadline = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within} s; last answer {answer!r}")
        time.sleep(every)


class Application:
    """One running `manage.py up`."""

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self.data = data
        env = clean_environment() | {"CODER_ADMIN_INITIAL_PASSWORD": PASSWORD, **environment}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0", "--data", str(data), *options],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output: list[str] = []
        self.address = ""
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._ready.wait(60) or not self.address:
            self.kill()
            raise AssertionError("the application did not start:\n" + "".join(self.output))
        self.seconds_to_ready = time.monotonic() - self.started
        self.client = httpx.Client(base_url=f"{self.address}/api/v2", timeout=20)

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.output.append(line)
            if found := re.search(r"ready at (http://\S+)", line):
                self.address = found[1]
                self._ready.set()
        self._ready.set()

    def log_in(self) -> None:
        """As the first admin, by token."""
        answer = self.client.post("/users/login", json={"email": "admin@example.com", "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        self.client.headers["Coder-Session-Token"] = answer.json()["session_token"]

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a route that must answer 200."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def prebuilds(self, template: str) -> list[dict[str, Any]]:
        """The prebuilt workspaces of a template whose agents are all ready."""
        found = self.get("/workspaces", q=f"owner:prebuilds template:{template}")["workspaces"]
        return [workspace for workspace in found if is_ready(workspace)]

    def processes(self) -> list[str]:
        """Command lines of every process that works in, or for, this application's data folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
                folder = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(self.data) in command + environment or folder.startswith(str(self.data)):
                found.append(f"{entry.name} {command}")
        return found

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """What a power cut does to the main process, and to it alone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)


def is_ready(workspace: dict[str, Any]) -> bool:
    """Running, and every agent (at least one) ready."""
    build = workspace["latest_build"]
    states = [a["lifecycle_state"] for r in build["resources"] for a in r.get("agents") or []]
    return build["status"] == "running" and bool(states) and set(states) == {"ready"}


@contextmanager
def running(data: Path, *options: str, **environment: str) -> Iterator[Application]:
    """A started application that is gone afterwards, whatever happens."""
    application = Application(data, *options, **environment)
    try:
        yield application
    finally:
        application.kill()
        eventually(lambda: not application.processes(), within=15, what="processes are gone")
