"""The running application: start, claim, idle memory and processor time, against the goals of the README."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.scenarios.application import Application, eventually, running
from tests.scenarios.test_main_job import TEMPLATES, claim, template_named

from .figure import Figure

CLAIMS = 9
IDLE_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")


def measure() -> list[Figure]:
    """Seconds to the ready page, seconds from click to running, MiB and percent of a core when idle."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "--demo") as app:
        app.log_in()
        for name in TEMPLATES:
            eventually(partial(app.prebuilds, name), within=60, what=f"{name}: a ready prebuild")
        figures = [Figure("start with demo, empty data folder", app.seconds_to_ready, 15, "s")]
        figures += _idle(app)
        figures.append(Figure(f"click to running, median of {CLAIMS} claims", _claims(app), 1.5, "s"))
        return figures


def _claims(app: Application) -> float:
    template = template_named(app, "scratchpad")
    seconds = []
    for number in range(CLAIMS):
        eventually(lambda: app.prebuilds("scratchpad"), within=60, what="a ready prebuild")
        workspace, taken = claim(app, template, f"bench-{number}")
        seconds.append(taken)
        app.client.post(f"/workspaces/{workspace['id']}/builds", json={"transition": "delete"})
    return statistics.median(seconds)


def _idle(app: Application) -> list[Figure]:
    time.sleep(5)
    before, began = _ticks(app), time.monotonic()
    time.sleep(IDLE_SECONDS)
    percent = 100 * (_ticks(app) - before) / TICKS / (time.monotonic() - began)
    return [
        Figure("idle memory, all processes (PSS)", _memory(app), 300, "MiB"),
        Figure("idle processor, all processes", percent, 3, "%"),
    ]


def _pids(app: Application) -> list[int]:
    return [int(line.split()[0]) for line in app.processes()]


def _memory(app: Application) -> float:
    total = 0
    for pid in _pids(app):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def _ticks(app: Application) -> int:
    total = 0
    for pid in _pids(app):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total
