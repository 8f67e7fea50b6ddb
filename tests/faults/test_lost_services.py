"""Redis goes away and comes back while builds run: they are only later, and wake-ups work again."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coder_admin.provisioning import wake
from coder_admin.provisioning.choices import JobStatus, JobType
from coder_admin.provisioning.models import ProvisionerJob
from tests.brokers import broker_at
from tests.provisioning.conftest import Recorder, eventually, make_job, organization, person, recorder
from tests.provisioning.test_killed_workers import environment
from tests.workspaces.world import World

from .conftest import Nursery
from .test_killed_workers import Load, world

__all__ = ["make_job", "organization", "person", "recorder", "world"]  # fixtures of other rooms

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

BUILDS = 16
SEED = 3


class Redis:
    """A server of the test's own that can be killed and started again at its address."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._command = [program, "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        eventually(self._answers, what="Redis")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """Also the broker of this process, which announces the jobs."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    server = Redis(program, tmp_path)
    server.start()
    with broker_at(server.url):
        yield server
    server.kill()


def test_builds_end_while_redis_comes_and_goes(world: World, redis: Redis) -> None:
    nursery = Nursery(REDIS_URL=redis.url)
    try:
        nursery.spawn()
        chance = random.Random(SEED)
        load = Load(world, chance)
        for n in range(400):
            if load.made >= BUILDS:
                break
            if n % 12 == 4:
                redis.kill()
            if n % 12 == 8:
                redis.start()
            began = time.monotonic()
            load.step()
            assert time.monotonic() - began < 20, "asking for a build waits for no broker"
            time.sleep(chance.uniform(0.02, 0.15))
        assert load.made >= BUILDS
        redis.kill()
        load.step()
        builds = ProvisionerJob.objects.filter(type=JobType.WORKSPACE_BUILD)
        eventually(
            lambda: not builds.filter(completed_at=None).exists(), within=60, what="the end of every job"
        )
        assert not builds.filter(job_status=JobStatus.FAILED).exists()
    finally:
        nursery.close()


def test_a_worker_hears_again_after_redis_was_away(
    redis: Redis, make_job: Callable[..., ProvisionerJob], recorder: Recorder
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provisioning.worker_process", "far", "30", "600"],
        env={**environment(), "REDIS_URL": redis.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run_one() -> None:
        job = make_job()

        def ended() -> Any:
            # A message while nobody listens is lost, and the next sweep is ten minutes away.
            wake.nudge(job.tags)
            time.sleep(0.2)
            job.refresh_from_db()
            return job.completed_at

        eventually(ended, within=60, what="the job's end")

    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        run_one()
        run_one()
        redis.kill()
        redis.start()
        run_one()
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
