"""Builds: the embedded engine's own cost, what the queue adds, and a long log on its way to a browser."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .figure import Figure
from .reconcile import database

RESOURCES = 20
ROUNDS = 15
BUILDS, WARMING, WORKERS = 200, 20, 2
LINES = 10_000
TEMPLATE = """
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}
data "coder_parameter" "region" {
  name    = "region"
  default = "eu"
}
data "coder_parameter" "size" {
  name    = "size"
  type    = "number"
  default = "1"
  mutable = true
}
resource "random_id" "name" {
  byte_length = 4
}
"""
PLAIN = TEMPLATE + 'resource "terraform_data" "machine" {\n  input = random_id.name.hex\n}\n'


def twenty() -> str:
    """A template of 20 resources that depend on each other as real ones do."""
    parts = [TEMPLATE, 'resource "coder_agent" "main" {\n  os   = "linux"\n  arch = "amd64"\n}\n']
    for n in range((RESOURCES - 2) // 3):
        parts.append(
            f"""
            locals {{
              label{n} = "${{data.coder_workspace_owner.me.name}}-${{random_id.name.hex}}-{n}"
            }}
            resource "random_string" "s{n}" {{ length = 12 }}
            resource "local_file" "f{n}" {{
              filename = "config/{n}.json"
              content  = jsonencode({{ label = local.label{n}, agent = coder_agent.main.id }})
            }}
            resource "terraform_data" "t{n}" {{
              input            = {{ for k in ["a", "b", "c"] : k => "${{k}}-${{local.label{n}}}" }}
              triggers_replace = [random_string.s{n}.result, local_file.f{n}.content_sha256]
            }}
            """
        )
    return "\n".join(parts)


def measure() -> Iterator[Figure]:
    """One figure after the other, as they are measured."""
    yield _engine()
    yield from _queue()
    yield from _log()


def _engine() -> Figure:
    return Figure(f"plan and apply of {RESOURCES} resources, processor", _engine_ms(twenty()), 150, "ms")


def _engine_ms(template: str) -> float:
    """Milliseconds of processor time for a first plan and apply, everything read anew each time."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from coder_admin.provisioning.engines import EngineRequest, WorkspaceMetadata, engine_named
    from coder_admin.provisioning.engines.base import never_canceled
    from coder_admin.terraform import MemoryFileSystem

    engine = engine_named("embedded")
    metadata = WorkspaceMetadata(workspace_id="w", workspace_name="dev", owner={"name": "ada"})
    times = []
    for n in range(ROUNDS):
        # A comment of its own: no cache knows the file.
        source = MemoryFileSystem({"main.tf": f"# {n}\n{template}".encode()})
        with tempfile.TemporaryDirectory() as folder:
            request = EngineRequest(source=source, workdir=Path(folder), metadata=metadata)
            began = time.process_time()
            plan = engine.plan(request, _silent)
            result = engine.apply(request, plan, _silent, never_canceled)
            times.append((time.process_time() - began) * 1000)
        assert result.error is None, result.error
        assert plan.counts[0] in (2, RESOURCES), plan.counts
    return statistics.median(times)


def _silent(stage: str, output: str, level: str = "info", source: str = "provisioner") -> None:
    return None


def _queue() -> list[Figure]:
    """What a build costs beside its engine: processor of the worker, and wall time of the worker's slot.

    All builds wait before the workers begin. The first ones warm the workers (imports, connections, first
    queries) and do not count: what is told is what one more build costs.
    """
    with database():
        from tests.workspaces.world import make_world

        world = make_world()
        _use(world, PLAIN)
        with workers(WORKERS) as (release, processor):
            for n in range(WARMING + BUILDS):
                world.create(f"w{n}", actor=_actor(world))
            release()
            warm = _done(WARMING)
            before, began = processor(), time.perf_counter()
            done = _done(WARMING + BUILDS) - warm
            took = (time.perf_counter() - began) / done * 1000
            spent = (processor() - before) / done * 1000
        overhead = _slot_ms(WARMING)
    engine = _engine_ms(PLAIN)
    print(f"  a build of these takes {spent:.1f} ms of processor, {engine:.1f} of them the engine's")
    return [
        Figure(f"a build of {BUILDS} without its engine, processor", spent - engine, 20, "ms"),
        Figure(f"the same, wall time of one of {WORKERS} slots", overhead, 20, "ms"),
        Figure("the same with the engine, wall time of all", took, 100, "ms"),
    ]


def _done(count: int) -> int:
    """How many builds have ended, once there are as many as that."""
    from coder_admin.provisioning.models import ProvisionerJob

    ended = ProvisionerJob.objects.filter(type="workspace_build", completed_at__isnull=False)
    while (found := ended.count()) < count:
        time.sleep(0.02)
    return found


def _slot_ms(warming: int) -> float:
    """Milliseconds per build in which a worker's slot was its, less the engine's stages."""
    from datetime import timedelta

    from django.db.models import F, Sum

    from coder_admin.provisioning.choices import JobStatus
    from coder_admin.provisioning.models import ProvisionerJob, ProvisionerJobTiming

    jobs = ProvisionerJob.objects.filter(type="workspace_build", job_status=JobStatus.SUCCEEDED)
    counted = list(jobs.order_by("started_at")[warming:])
    assert len(counted) == BUILDS
    stages = ProvisionerJobTiming.objects.filter(resource="", job__in=[job.pk for job in counted])
    engines: timedelta = stages.aggregate(t=Sum(F("ended_at") - F("started_at")))["t"]
    first = min(job.started_at for job in counted if job.started_at is not None)
    last = max(job.completed_at for job in counted if job.completed_at is not None)
    return (WORKERS * (last - first).total_seconds() - engines.total_seconds()) / BUILDS * 1000


def _actor(world: Any) -> Any:
    from tests.people import subject

    return subject(world.ada)


def _use(world: Any, template: str) -> None:
    from django.db import transaction

    from tests.catalog.factories import make_file, make_version
    from tests.workspaces.world import IMPORT

    file = make_file(world.boss, {"main.tf": template})
    with transaction.atomic():
        version = make_version(
            world.boss, world.organization, template=world.template, result=IMPORT, file=file
        )
    world.activate(version)


@contextmanager
def workers(count: int) -> Iterator[Any]:
    """Worker processes of one job at a time, that begin together when told."""
    from tests.provisioning.test_killed_workers import environment

    code = (
        "import sys, threading, django; django.setup();"
        "from coder_admin.provisioning.worker import Worker;"
        "from coder_admin.provisioning.engines.embedded import engine;"
        "print('ready', flush=True); sys.stdin.readline();"
        "worker = Worker(name=sys.argv[1], concurrency=1); worker.start(); threading.Event().wait()"
    )
    env = {**environment(), "CODER_ADMIN_LOG_LEVEL": "ERROR"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"bench-{n}"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]

    def release() -> None:
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def processor() -> float:
        """Seconds of processor time that the workers have used."""
        ticks = 0
        for process in started:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield release, processor
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _log() -> list[Figure]:
    """Seconds from the writing of the last of many lines until Chromium shows it, and the server's growth."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with database():
        from django.urls import reverse
        from playwright.sync_api import sync_playwright

        from tests.browser.conftest import FLAGS, _chromium, session_cookie
        from tests.serving import serving
        from tests.workspaces.world import make_world

        world = make_world()
        build = world.create("dev").latest_build
        assert build is not None
        job = _begun(build.job_id)
        with serving() as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
            # Playwright evaluates what it waits for, which the page's policy rightly forbids.
            context = browser.new_context(base_url=address, bypass_csp=True)
            context.add_cookies([session_cookie(world.boss, address)])
            page = context.new_page()
            page.goto(reverse("dashboard:build", args=("ada", "dev", 1)))
            page.wait_for_function("document.documentElement.dataset.connection === 'on'")
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            written: list[float] = []
            writer = threading.Thread(target=_write, args=(job, written))
            writer.start()
            page.wait_for_function(
                "document.querySelector('.log-lines')?.lastElementChild"
                f"?.textContent.includes('line {LINES - 1} ')",
                timeout=60_000,
            )
            seen = time.monotonic()
            writer.join()
            growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            shown = page.evaluate("document.querySelectorAll('.log-lines > *').length")
            browser.close()
        print(f"  {LINES} lines written in {written[1] - written[0]:.1f} s, {shown} kept on the page")
    return [
        Figure(f"last of {LINES} log lines in the browser", seen - written[1], 2, "s"),
        Figure("growth of the server meanwhile", growth, 64, "MiB"),
    ]


def _begun(job_id: Any) -> Any:
    from datetime import timedelta

    from django.utils import timezone

    from coder_admin.provisioning import queue
    from coder_admin.provisioning.choices import JobType
    from tests.provisioning.test_queue import worker

    taker = queue.Taker(
        worker(), {"scope": "organization", "owner": ""}, job_id, JobType.values, (), ("embedded",)
    )
    claim = queue.claim(taker, now=timezone.now(), lease=timedelta(minutes=5))
    assert claim is not None
    return claim.job_id


def _write(job_id: Any, written: list[float]) -> None:
    """As a build does it: by the worker's buffer, as fast as the database takes the lines."""
    from django.db import connection
    from django.utils import timezone

    from coder_admin.provisioning.limits import Line
    from coder_admin.provisioning.logs import LogFlusher

    flusher = LogFlusher()
    flusher.start()
    buffer = flusher.open(job_id)
    written.append(time.monotonic())
    for n in range(LINES):
        buffer.add(Line(timezone.now(), "Applying", f"line {n} of what the build has to say"))
    written.append(time.monotonic())
    flusher.close(buffer)
    flusher.stop()
    connection.close()
