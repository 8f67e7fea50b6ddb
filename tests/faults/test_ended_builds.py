"""Builds of the embedded engine that are asked to end in the middle of a resource's work."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from coder_admin.provisioning import handlers, queue
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.context import JobContext
from coder_admin.provisioning.daemons import Registration, register
from coder_admin.provisioning.engines.embedded.state import load
from coder_admin.provisioning.host import host_id
from coder_admin.provisioning.logs import LogFlusher
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.run import run_job
from coder_admin.provisioning.tags import normalise
from coder_admin.workspaces import processes, services
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from tests.catalog.factories import make_file, make_version
from tests.people import subject
from tests.provisioning.conftest import eventually
from tests.workspaces.world import World, make_world, reread

from .conftest import Nursery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

GRACE = 5.0  # seconds; an hour's work ends within these
TEMPLATE = """
resource "local_file" "made" {
  filename = "made.txt"
  content  = "made"
}
resource "time_sleep" "long" {
  create_duration = "1h"
  depends_on      = [local_file.made]
}
resource "local_file" "never" {
  filename   = "never.txt"
  content    = "never"
  depends_on = [time_sleep.long]
}
"""


@pytest.fixture
def world() -> World:
    world = make_world()
    with transaction.atomic():
        file = make_file(world.boss, {"main.tf": TEMPLATE})
        world.activate(make_version(world.boss, world.organization, template=world.template, file=file))
    return world


def latest(workspace: Workspace) -> WorkspaceBuild:
    build = reread(workspace).latest_build
    assert build is not None
    return build


def waits(build: WorkspaceBuild) -> bool:
    return build.job.logs.filter(output="time_sleep.long: Creating...").exists()


def over(build: WorkspaceBuild) -> bool:
    build.job.refresh_from_db()
    return build.job.completed_at is not None


def test_a_cancel_ends_a_resource_that_would_take_an_hour(world: World, nursery: Nursery) -> None:
    workspace = world.create("dev")
    nursery.spawn()
    build = latest(workspace)
    eventually(lambda: waits(build), within=20, what="the long resource")
    services.build_cancel(actor=subject(world.boss), build_=latest(workspace), expect_status="running")
    began = time.monotonic()
    eventually(lambda: over(build), within=20, what="the end of the canceled job")
    assert time.monotonic() - began < GRACE
    assert build.job.job_status == JobStatus.CANCELED
    build.refresh_from_db()
    assert build.provisioner_state is not None
    assert set(load(bytes(build.provisioner_state)).resources) == {"local_file.made"}
    folder = processes.workspace_folder(workspace.id)
    assert (folder / "made.txt").exists()
    assert not (folder / "never.txt").exists()
    # What exists is known, so it can be cleaned up.
    services.workspace_delete(actor=subject(world.boss), workspace=reread(workspace))
    deletion = latest(workspace)
    eventually(lambda: over(deletion), within=20, what="the end of the deletion")
    assert deletion.job.job_status == JobStatus.SUCCEEDED, deletion.job.error
    assert not folder.exists()


def claimed() -> queue.Claim:
    """What a worker of this machine takes next."""
    worker = register(Registration("here", normalise({}), 1, ["embedded"]), now=timezone.now())
    taker = queue.Taker(
        worker_id=worker,
        tags=normalise({}),
        host=host_id(),
        types=handlers.registered(),
        local_types=handlers.local(),
        provisioners=["embedded"],
    )
    claim = queue.claim(taker, now=timezone.now(), lease=timedelta(seconds=60))
    assert claim is not None
    return claim


def run_here() -> None:
    """The next job, from its claim to its end."""
    flusher = LogFlusher()
    flusher.start()
    try:
        claim = claimed()
        run_job(claim, JobContext(claim, flusher.open(claim.job_id)), flusher)
    finally:
        flusher.stop()


def test_a_build_whose_worker_stops_goes_back_to_the_queue(world: World) -> None:
    """Not failed, and not canceled: nobody asked for that."""
    workspace = world.create("dev")
    build = latest(workspace)
    flusher = LogFlusher()
    flusher.start()
    try:
        claim = claimed()
        context = JobContext(claim, flusher.open(claim.job_id))

        def run() -> None:
            run_job(claim, context, flusher)
            connection.close()

        running = threading.Thread(target=run)
        running.start()
        eventually(lambda: waits(build), within=20, what="the long resource")
        context.interrupt()
        running.join(GRACE)
        assert not running.is_alive()
    finally:
        flusher.stop()
    job = ProvisionerJob.objects.get(pk=build.job_id)
    assert (job.job_status, job.error, job.attempt) == (JobStatus.PENDING, "", 0)
    build.refresh_from_db()
    assert build.provisioner_state is not None, "what exists is known wherever the next attempt runs"
    assert set(load(bytes(build.provisioner_state)).resources) == {"local_file.made"}


def test_what_a_lost_attempt_replaced_is_not_forgotten(world: World) -> None:
    """Its worker died after the replacement: the plan of the next attempt shows none."""
    with transaction.atomic():
        file = make_file(world.boss, {"main.tf": 'resource "terraform_data" "machine" {}\n'})
        world.activate(make_version(world.boss, world.organization, template=world.template, file=file))
    build = latest(world.create("dev"))
    lost = {"terraform_data.machine": ["triggers_replace"]}
    WorkspaceBuild.objects.filter(pk=build.pk).update(resource_replacements=lost)
    run_here()
    build.refresh_from_db()
    assert ProvisionerJob.objects.get(pk=build.job_id).job_status == JobStatus.SUCCEEDED
    assert build.resource_replacements == lost


def test_agents_of_one_name_are_told_of(world: World) -> None:
    with transaction.atomic():
        source = 'resource "coder_agent" "web" {\n  count = 2\n  os    = "linux"\n  arch  = "amd64"\n}\n'
        file = make_file(world.boss, {"main.tf": source})
        world.activate(make_version(world.boss, world.organization, template=world.template, file=file))
    build = latest(world.create("dev"))
    run_here()
    assert build.job.logs.filter(level="warn", output__startswith='2 agents are called "web"').exists()
