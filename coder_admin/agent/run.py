"""One run: the time from a manifest until the next one (a claim) or the end of the agent."""

from __future__ import annotations

import os
import threading
import time

from . import processes
from .cron import CronError, parse_cron
from .manifest import Manifest, Script, path_inside
from .measure import Measuring
from .scripts import ScriptProcess, ScriptResult
from .settings import AgentSettings, script_environment
from .uplink import Uplink, now_text

STOP_GRACE = 3.0  # seconds between the polite and the forced end of the scripts' processes
STOP_SCRIPT_LIMIT = 60.0  # seconds for a stop script that declares no timeout


class Run:
    """Runs the scripts of one manifest and reports lifecycle states for the agent that it names.

    After `stop` nothing of this run is left: no process, and no report under the next owner's name
    (each report and line names the agent and the run it belongs to).
    """

    def __init__(self, settings: AgentSettings, manifest: Manifest, uplink: Uplink) -> None:
        self._settings = settings
        self._manifest = manifest
        self._uplink = uplink
        self._id = f"{manifest.agent_id}:{time.time_ns():x}"
        self._started: list[ScriptProcess] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self.directory = self._prepare_directory()
        self._env = script_environment(
            os.environ,
            settings,
            {
                "CODER_WORKSPACE_NAME": manifest.workspace_name,
                "CODER_WORKSPACE_OWNER_NAME": manifest.owner_username,
                "CODER_WORKSPACE_AGENT_NAME": manifest.agent_name,
            },
            manifest.environment_variables,
        )
        self._measuring = Measuring(manifest, settings.folder, self.directory, self._env, uplink)

    @property
    def identity(self) -> tuple[str, str]:
        return self._manifest.identity

    def start(self) -> None:
        """Report `starting`, run the start scripts side by side, then report how they ended."""
        self._report("created")
        self._report("starting")
        scripts = [s for s in self._manifest.scripts if s.run_on_start]
        threading.Thread(target=self._run_start_scripts, args=(scripts,), name="start", daemon=True).start()
        timed = [s for s in self._manifest.scripts if s.cron]
        if timed:
            threading.Thread(target=self._run_cron, args=(timed,), name="cron", daemon=True).start()
        self._measuring.start()

    def stop(self) -> None:
        """End every process of this run; used before the next run begins."""
        self._ending.set()
        self._measuring.stop()
        self._end_processes()
        self._uplink.forget_measured()

    def shut_down(self) -> None:
        """End the start scripts, run the stop scripts, and report how that went."""
        self._ending.set()
        self._measuring.stop()
        self._report("shutting_down")
        self._end_processes()
        results = self._wait_all(
            [self._spawn(self._limited(s), "stop") for s in self._manifest.scripts if s.run_on_stop]
        )
        self._end_processes()
        self._report(_state(results, "shutdown_timeout", "shutdown_error", "off"))

    def groups(self) -> list[int]:
        """Process groups of the scripts that were started and may still run."""
        with self._lock:
            return [process.pid for process in self._started if process.pid]

    def running_pids(self) -> list[int]:
        with self._lock:
            return [process.pid for process in self._started if process.running]

    def _run_start_scripts(self, scripts: list[Script]) -> None:
        results = self._wait_all([self._spawn(script, "start") for script in scripts])
        if not self._ending.is_set():
            self._report(_state(results, "start_timeout", "start_error", "ready"))

    def _run_cron(self, scripts: list[Script]) -> None:
        plans = []
        for script in scripts:
            try:
                plans.append((script, parse_cron(script.cron)))
            except CronError as error:
                self._log(script, "error", f"The script will not run by its schedule: {error}")
        last: dict[str, ScriptProcess] = {}
        begun = time.time()
        minute = int(begun) // 60
        while plans and not self._ending.wait(max(0.0, minute * 60 - time.time())):
            at = time.localtime(minute * 60)
            due = [
                (second, script)
                for script, cron in plans
                for second in cron.seconds_within(at)
                if minute * 60 + second >= begun
            ]
            for second, script in sorted(due, key=lambda item: item[0]):
                if self._ending.wait(max(0.0, minute * 60 + second - time.time())):
                    return
                if script.id in last and last[script.id].running:
                    self._log(script, "warn", "Skipped: the last run by this schedule has not ended yet.")
                else:
                    last[script.id] = self._spawn(script, "cron")
            minute = max(minute + 1, int(time.time()) // 60)

    def _spawn(self, script: Script, stage: str) -> ScriptProcess:
        begun = now_text()

        def emit(level: str, line: str) -> None:
            self._log(script, level, line)

        def ended(result: ScriptResult) -> None:
            self._uplink.measured(
                f"timing:{script.id}:{stage}",
                "/script-timings",
                timings=[
                    {
                        "script_id": script.id,
                        "started_at": begun,
                        "ended_at": now_text(),
                        "exit_code": result.exit_code if result.exit_code is not None else -1,
                        "stage": stage,
                        "status": _status(result),
                    }
                ],
            )

        with self._lock:
            self._started = [process for process in self._started if process.running]
            process = ScriptProcess(
                script, self._settings.folder, self.directory, self._env, emit, on_end=ended
            )
            self._started.append(process)
        return process

    def _wait_all(self, started: list[ScriptProcess]) -> list[ScriptResult]:
        return [process.wait() for process in started]

    def _end_processes(self) -> None:
        processes.end_all(self.groups(), STOP_GRACE)
        processes.reap_adopted(self.groups())

    def _limited(self, script: Script) -> Script:
        return script if script.timeout > 0 else script._replace(timeout=STOP_SCRIPT_LIMIT)

    def _prepare_directory(self) -> str:
        """The agent's `directory` if it lies within its folder, else the folder itself; made if missing."""
        path = path_inside(self._settings.folder, self._manifest.directory) or self._settings.folder
        try:
            os.makedirs(path, exist_ok=True)
        except OSError:
            return self._settings.folder
        return path

    def _log(self, script: Script, level: str, line: str) -> None:
        self._uplink.log(self._id, script.log_source_id, level, line)

    def _report(self, state: str) -> None:
        self._uplink.report(
            "/lifecycle", state=state, changed_at=now_text(), agent_id=self._manifest.agent_id
        )


def _status(result: ScriptResult) -> str:
    if result.timed_out:
        return "timed_out"
    return "ok" if result.ok else "exit_failure"


def _state(results: list[ScriptResult], on_timeout: str, on_error: str, on_success: str) -> str:
    if any(result.timed_out for result in results):
        return on_timeout
    return on_success if all(result.ok for result in results) else on_error
