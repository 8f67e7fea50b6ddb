"""What the agent looks at while its scripts run: health of apps, metadata, connections and ports."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

from . import activity
from .client import TransportError, probe
from .manifest import App, Datum, Manifest, Script
from .scripts import ScriptProcess
from .uplink import Uplink, now_text

STATS_INTERVAL = 30.0
LONGEST_VALUE = 8 * 1024  # characters kept of a script's output; the server cuts to its own limit
DEFAULT_TIMEOUT = 10.0  # seconds for a metadata script that declares no timeout
SHORTEST_INTERVAL = 1.0


class Measuring:
    """One thread keeps the times; each look runs on a short-lived thread of its own, never twice at once."""

    def __init__(
        self, manifest: Manifest, folder: str, workdir: str, env: dict[str, str], uplink: Uplink
    ) -> None:
        self._uplink = uplink
        self._folder = folder
        self._workdir = workdir
        self._env = env
        self._agent_id = manifest.agent_id
        self._stopped = threading.Event()
        self._jobs = [_Job(STATS_INTERVAL, self._report_stats)]
        self._jobs += [_Job(app.interval, _Health(app, self._report_health).look) for app in manifest.apps]
        self._jobs += [
            _Job(datum.interval, self._collector(index, datum))
            for index, datum in enumerate(manifest.metadata)
        ]

    def start(self) -> None:
        threading.Thread(target=self._run, name="measure", daemon=True).start()

    def stop(self) -> None:
        """Look no more; nothing that is found from now on is reported."""
        self._stopped.set()

    def _run(self) -> None:
        for job in self._jobs:
            job.due = time.monotonic()
        while not self._stopped.is_set():
            now = time.monotonic()
            for job in self._jobs:
                job.run_if_due(now)
            waiting = [job.due for job in self._jobs if job.due is not None]
            self._stopped.wait(max(0.05, min(waiting) - time.monotonic()) if waiting else None)

    def _report_stats(self) -> None:
        found = activity.look(os.getpid())
        self._measured(
            "stats",
            "/report-stats",
            connection_count=found.connections,
            connections_by_proto={"TCP": found.connections} if found.connections else {},
            listening_ports=[
                {"port": port, "network": "tcp", "process_name": name} for port, name in found.listening
            ],
        )

    def _report_health(self, app: App, health: str) -> None:
        self._measured(f"health:{app.id}", "/app-health", healths={app.id: health})

    def _collector(self, index: int, datum: Datum) -> Callable[[], None]:
        script = Script(
            id=f"metadata-{index}",
            log_source_id="",
            log_path="",
            script=datum.script,
            cron="",
            timeout=datum.timeout or datum.interval or DEFAULT_TIMEOUT,
            run_on_start=False,
            run_on_stop=False,
            start_blocks_login=False,
            display_name=datum.key,
        )

        def collect() -> None:
            output = _Output()
            result = ScriptProcess(script, self._folder, self._workdir, self._env, output.add).wait()
            value, error = output.value, "" if result.ok else output.error
            self._measured(
                f"metadata:{datum.key}",
                "/metadata",
                metadata=[{"key": datum.key, "value": value, "error": error, "collected_at": now_text()}],
            )

        return collect

    def _measured(self, slot: str, path: str, **body: object) -> None:
        if not self._stopped.is_set():
            self._uplink.measured(slot, path, **body)


class _Job:
    """Something to do every `interval` seconds; one that is not through yet is not begun again."""

    def __init__(self, interval: float, look: Callable[[], None]) -> None:
        self.due: float | None = None
        self._interval = interval
        self._look = look
        self._thread: threading.Thread | None = None

    def run_if_due(self, now: float) -> None:
        if self.due is None or now < self.due:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="look", daemon=True)
            self._thread.start()
        self.due = now + max(SHORTEST_INTERVAL, self._interval) if self._interval > 0 else None


class _Health:
    """Counts failures of one app's check and reports each change of its health."""

    def __init__(self, app: App, report: Callable[[App, str], None]) -> None:
        self._app = app
        self._report = report
        self._failures = 0
        self._health = ""

    def look(self) -> None:
        if _answers(self._app.url, max(1.0, self._app.interval)):
            self._failures = 0
            self._become("healthy")
        else:
            self._failures += 1
            if self._failures >= self._app.threshold:
                self._become("unhealthy")

    def _become(self, health: str) -> None:
        if health != self._health:
            self._health = health
            self._report(self._app, health)


def _answers(url: str, timeout: float) -> bool:
    """Whether the app answers at all; only a server error counts against it, as in Coder."""
    try:
        return probe(url, timeout) < 500
    except (TransportError, ValueError):
        return False


class _Output:
    """The lines of a metadata script: standard output is the value, standard error the error."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {"info": [], "error": []}
        self._size = 0

    def add(self, level: str, line: str) -> None:
        if self._size < LONGEST_VALUE:
            self._size += len(line) + 1
            self._lines[level].append(line)

    @property
    def value(self) -> str:
        return "\n".join(self._lines["info"]).strip()[:LONGEST_VALUE]

    @property
    def error(self) -> str:
        return "\n".join(self._joined())[:LONGEST_VALUE]

    def _joined(self) -> Iterator[str]:
        yield from self._lines["error"]
