"""`manage.py provisioner` as a process, and waking it through a broker."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from coder_admin.provisioning import wake
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.models import ProvisionerDaemon, ProvisionerJob
from tests.brokers import broker_at
from tests.provisioning.conftest import Recorder, eventually
from tests.provisioning.test_killed_workers import environment

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


def manage(*arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        env={**environment(), **env},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_registers_drains_and_goes(db: None) -> None:
    process = manage("provisioner", "--tags", "region=eu", "--concurrency", "2", "--name", "remote")
    try:
        assert process.stdout is not None
        assert "remote runs up to 2 jobs" in process.stdout.readline()
        daemon = ProvisionerDaemon.objects.get(name="remote")
        assert daemon.tags == {"owner": "", "region": "eu", "scope": "organization"}
        assert daemon.last_seen_at is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        daemon.refresh_from_db()
        assert daemon.last_seen_at is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--tags", "nonsense"], "name=value"), (["--concurrency", "0"], "at least 1")]
)
def test_the_command_refuses_nonsense_in_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("provisioner", *arguments)
    assert not ProvisionerDaemon.objects.exists()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """A Redis for the test: the one that the whole run uses, else one of its own."""
    if settings.REDIS_URL:
        yield settings.REDIS_URL
        return
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [server, "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}/0"

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers)
    yield url
    process.kill()
    process.wait()


def test_a_worker_elsewhere_is_woken_through_redis(
    redis: str,
    make_job: Callable[..., ProvisionerJob],
    recorder: Recorder,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provisioning.worker_process", "far", "30", "600"],
        env={**environment(), "REDIS_URL": redis},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def run_one() -> None:
            job = make_job()

            def ended() -> bool:
                # A message before the subscription stands is lost; a sweep is ten minutes away.
                wake.nudge(job.tags)
                time.sleep(0.2)
                job.refresh_from_db()
                return job.completed_at is not None

            eventually(ended, within=60, what="the job's end")
            assert job.job_status == JobStatus.SUCCEEDED

        # The first may be found by the worker's own look at its start, the second only by the message.
        with broker_at(redis):
            run_one()
            run_one()
    finally:
        process.kill()
        process.communicate()
