"""The whole product in one process: web server, reconciler, worker and notifier.

Background parts are started by the command, never from the ASGI lifespan (design, trap 7), and stopped in the
reverse order while the server still answers, so that agents can say goodbye.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from django.conf import settings
from django.db import connections

from coder_admin.organizations.services.bootstrap import ensure_initial_admin
from coder_admin.provisioning import confinement

from . import demo, prepare, server
from .early import reachable

log = structlog.get_logger(__name__)


class Part(Protocol):
    """A background part: both calls return soon, and stopping twice is harmless."""

    def start(self) -> object: ...
    def stop(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    host: str
    port: int
    demo: bool


@dataclass(slots=True)
class Application:
    """One run of ``up``."""

    options: Options
    say: Callable[[str], None]
    parts: list[tuple[str, Part]] = field(default_factory=list)
    password: str | None = None
    address: str = ""
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Prepare, serve until a signal, stop everything. Raises ServiceError before anything is started."""
        listener = server.bind(self.options.host, self.options.port)
        try:
            with prepare.only_instance(settings.DATA_DIR):
                self.address = f"http://{reachable(self.options.host)}:{listener.getsockname()[1]}"
                if "CODER_ADMIN_ACCESS_URL" not in os.environ:
                    settings.ACCESS_URL = self.address
                self.prepare()
                server.serve(listener, on_ready=self.start_parts, on_stop=self.stop_parts)
        finally:
            listener.close()
        self.say("Stopped.")

    def prepare(self) -> None:
        """Database, first admin and demo; each step says what it does only when there is something to do."""
        confinement.from_settings().check(settings.DATA_DIR)
        prepare.probe_database()
        prepare.probe_redis()
        if count := prepare.pending_migrations():
            self.say(f"Preparing the database ({count} steps) in {settings.DATA_DIR}")
            prepare.migrate()
        _, self.password = ensure_initial_admin(os.environ.get("CODER_ADMIN_INITIAL_PASSWORD") or None)
        if self.options.demo:
            demo.seed(self.say)
        # The threads that serve open connections of their own.
        connections.close_all()

    def start_parts(self) -> None:
        """Start the background parts, the consumers of work before its producers."""
        for name, make in _parts():
            part = make()
            part.start()
            self.parts.append((name, part))
        # What lives as long as the process is not looked at by every later collection of garbage: each full
        # one would stop all forms and streams for a tenth of a second.
        gc.collect()
        gc.freeze()
        seconds = time.monotonic() - self.started
        log.info("started", address=self.address, seconds=round(seconds, 1))
        self.say(f"Coder Admin is ready at {self.address} (after {seconds:.1f} s). Ctrl-C stops it.")
        if self.password:
            self.say(f"Sign in as admin with the password {self.password}")
            self.say("It is shown this once; change it under your name, or set CODER_ADMIN_INITIAL_PASSWORD.")

    def stop_parts(self) -> None:
        """Stop the background parts, producers of work first; one that fails does not keep the others."""
        self.say("Stopping")
        while self.parts:
            name, part = self.parts.pop()
            try:
                part.stop()
            except Exception:
                log.exception("part did not stop", part=name)
        connections.close_all()


def _parts() -> list[tuple[str, Callable[[], Part]]]:
    from coder_admin.notifications.dispatcher import Notifier
    from coder_admin.provisioning.worker import Worker
    from coder_admin.workspaces.lifecycle_loop import LifecycleExecutor
    from prebuilds.metrics import MetricsRefresher
    from prebuilds.reconciler import Reconciler

    return [
        ("notifier", Notifier),
        ("worker", lambda: Worker(tags={}, concurrency=settings.PROVISIONER_CONCURRENCY)),
        ("metrics", MetricsRefresher),
        ("reconciler", Reconciler),
        ("lifecycle", LifecycleExecutor),
    ]


def print_line(text: str) -> None:
    """One line of progress on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
