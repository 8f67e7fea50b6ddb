"""Workers as processes, killed without warning."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.db import connection

from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.models import ProvisionerJob
from tests.provisioning.conftest import Recorder, eventually

pytestmark = pytest.mark.django_db(transaction=True)

Spawn = Callable[[str], subprocess.Popen[str]]


def environment() -> dict[str, str]:
    """The processes see the test's database."""
    given = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.provisioning.process_settings"}
    given["TEST_DATABASE_NAME"] = str(connection.settings_dict["NAME"])
    given["CODER_ADMIN_DATA"] = str(settings.DATA_DIR)
    return given


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    running: list[subprocess.Popen[str]] = []

    def start(name: str, lease: float = 1.0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.provisioning.worker_process", name, str(lease)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=10)


def test_the_job_of_a_killed_worker_is_run_by_another(
    spawn: Spawn, make_job: Callable[..., ProvisionerJob], recorder: Recorder
) -> None:
    first = spawn("first")
    job = make_job(input={"seconds": 60})
    eventually(
        lambda: job.logs.filter(output=f"begun by {first.pid}").exists(), what="the first worker's line"
    )
    ProvisionerJob.objects.filter(id=job.id).update(input={"seconds": 0})
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = spawn("second")
    killed = time.monotonic()

    def done() -> bool:
        job.refresh_from_db()
        return job.completed_at is not None

    eventually(done, within=20, what="the job's end")
    assert job.job_status == JobStatus.SUCCEEDED
    assert job.attempt == 2
    assert job.worker is not None
    assert job.worker.name == "second"
    outputs = list(job.logs.values_list("output", flat=True))
    assert outputs[0] == f"begun by {first.pid}"
    assert outputs[1].startswith('Worker "first" stopped answering')
    assert outputs[2] == f"begun by {second.pid}"
    assert time.monotonic() - killed < 5
