"""Workers killed at random instants under a mixed load: nothing is lost, nothing is left over.

``FAULT_BUILDS`` says how many builds (40; the long run has 200), ``FAULT_SEED`` which story.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from coder_admin.foundation.errors import ServiceError
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus, JobType
from coder_admin.provisioning.engines import engine_of_state
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces import builder, processes, services
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild
from tests.catalog.factories import make_file, make_version
from tests.people import subject
from tests.provisioning.conftest import eventually
from tests.workspaces.world import IMPORT, World, make_world, orchestrator, reread

from .conftest import Nursery, agent_processes, workspace_ids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

BUILDS = int(os.environ.get("FAULT_BUILDS", "40"))
SEED = int(os.environ.get("FAULT_SEED", "5"))
WORKERS = 2
LIVE = 6  # workspaces at a time
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
resource "coder_agent" "main" {
  count = data.coder_workspace.me.start_count
  os    = "linux"
  arch  = "amd64"
}
resource "random_id" "name" {
  byte_length = 4
}
resource "local_file" "disk" {
  filename = "res-${random_id.name.hex}.txt"
  content  = "disk"
}
resource "time_sleep" "boot" {
  create_duration  = "30ms"
  destroy_duration = "30ms"
  triggers         = { owner = data.coder_workspace_owner.me.name }
}
resource "local_file" "home" {
  count      = data.coder_workspace.me.start_count
  depends_on = [time_sleep.boot]
  filename   = "res-home-${random_id.name.hex}.txt"
  content    = data.coder_workspace_owner.me.name
}
"""


@dataclass
class Load:
    """Asks for one thing after the other, as people, the pool and schedules do."""

    world: World
    random: random.Random
    made: int = 0
    asked: dict[str, int] = field(default_factory=dict)

    def step(self) -> None:
        """One more wish, whatever is possible now."""
        live = list(Workspace.objects.filter(deleted=False).select_related("latest_build__job", "owner"))
        idle = [w for w in live if w.latest_build is not None and not active(w.latest_build.job)]
        mine = [w for w in idle if w.owner_id != PREBUILDS_USER_ID]
        busy = [w for w in live if w not in idle and w.owner_id != PREBUILDS_USER_ID]
        wishes: list[tuple[str, Any]] = []
        if len(live) < LIVE:
            wishes += [("create", None), ("prebuild", None)]
        if any(w.owner_id == PREBUILDS_USER_ID and running(w) for w in idle):
            wishes += [("claim", None)] * 3
        wishes += [("stop" if running(w) else "start", w) for w in mine]
        wishes += [("delete", w) for w in mine[:2]]
        wishes += [("cancel", w) for w in busy[:1]]
        if not wishes:
            return
        name, workspace = self.random.choice(wishes)
        try:
            getattr(self, f"_{name}")(workspace)
        except ServiceError:
            return  # the state changed since it was read: the wish is refused, as for a person
        self.asked[name] = self.asked.get(name, 0) + 1
        self.made += name != "cancel"

    def _create(self, _: object) -> None:
        self.world.create(f"w{self.made}")

    def _prebuild(self, _: object) -> None:
        self.world.prebuild(settle=False)

    def _claim(self, _: object) -> None:
        # No server runs here that agents could tell that they are ready.
        pool = Workspace.objects.filter(owner_id=PREBUILDS_USER_ID, deleted=False)
        WorkspaceAgent.objects.filter(resource__workspace_build__workspace__in=pool).update(
            lifecycle_state="ready"
        )
        preset = self.world.version.presets.get(name="big")
        claimed = self.world.create(f"w{self.made}", preset_id=preset.id)
        build = reread(claimed).latest_build
        if build is not None and build.build_number > 1:
            self.asked["claimed"] = self.asked.get("claimed", 0) + 1

    def _start(self, workspace: Workspace) -> None:
        services.workspace_start(actor=subject(self.world.ada), workspace=reread(workspace))

    def _stop(self, workspace: Workspace) -> None:
        services.workspace_stop(actor=subject(self.world.ada), workspace=reread(workspace))

    def _delete(self, workspace: Workspace) -> None:
        services.workspace_delete(actor=subject(self.world.ada), workspace=reread(workspace))

    def _cancel(self, workspace: Workspace) -> None:
        build = reread(workspace).latest_build
        assert build is not None
        services.build_cancel(actor=subject(self.world.boss), build_=build, expect_status="")


def something_runs() -> bool:
    return ProvisionerJob.objects.filter(job_status=JobStatus.RUNNING).exists()


def active(job: ProvisionerJob) -> bool:
    return job.completed_at is None


def running(workspace: Workspace) -> bool:
    build = workspace.latest_build
    return build is not None and build.transition == "start" and build.job.job_status == JobStatus.SUCCEEDED


@pytest.fixture
def world() -> World:
    world = make_world()
    file = make_file(world.boss, {"main.tf": TEMPLATE})
    with transaction.atomic():
        version = make_version(
            world.boss, world.organization, template=world.template, result=IMPORT, file=file
        )
    world.activate(version)
    return world


def test_nothing_is_lost_when_workers_are_killed(world: World, nursery: Nursery) -> None:
    chance = random.Random(SEED)
    load = Load(world, chance)
    for _ in range(WORKERS):
        nursery.spawn()
    kills = 0
    next_kill = time.monotonic() + 0.5
    while load.made < BUILDS:
        load.step()
        time.sleep(chance.uniform(0, 0.1))
        # Mostly while something runs: an idle worker's death proves little.
        if time.monotonic() >= next_kill and (chance.random() < 0.1 or something_runs()):
            time.sleep(chance.uniform(0, 0.2))
            nursery.kill(chance.choice(nursery.pids))
            nursery.spawn()
            kills += 1
            next_kill = time.monotonic() + chance.uniform(0, 0.8)
    print(f"{load.made} builds, {kills} workers killed, {load.asked}")
    assert kills > BUILDS / 10
    assert {"create", "prebuild", "claimed", "start", "stop", "delete", "cancel"} <= set(load.asked)

    builds = ProvisionerJob.objects.filter(type=JobType.WORKSPACE_BUILD)
    eventually(lambda: not builds.filter(completed_at=None).exists(), within=90, what="the end of every job")
    print(f"{builds.filter(attempt__gt=1).count()} builds were begun more than once")
    every_job_ended_for_a_reason(builds)
    logs_are_whole(builds)
    eventually(lambda: agents_here() == agents_wanted(), within=40, what="exactly the wanted agents")
    files_are_those_of_the_states()

    delete_everything(world)
    eventually(lambda: not agent_processes(), within=40, what="the end of all agents")
    eventually(lambda: not list(folders()), within=20, what="the end of all folders")


def every_job_ended_for_a_reason(builds: Any) -> None:
    """A failure may only be that one worker after the other died with the job."""
    assert not Workspace.objects.filter(latest_build__job__completed_at=None).exists()
    for error in builds.filter(job_status=JobStatus.FAILED).values_list("error", flat=True):
        assert "workers in a row stopped answering" in error


def logs_are_whole(builds: Any) -> None:
    """Lines keep their order; a stage that was followed by another one is there to its end."""
    for job in builds.prefetch_related("logs"):
        lines = [(line.stage, line.output) for line in job.logs.all()]
        text = "\n".join(output for _, output in lines)
        for attempt in re.split(r'Worker ".*" stopped answering.*\n?', text):
            if re.search(r": (Creating|Modifying|Destroying)\.\.\.", attempt):
                assert re.search(r"^Plan: |^No changes", attempt, re.M), text
        if job.job_status == JobStatus.SUCCEEDED and job.timings.filter(stage="apply").exists():
            last = text.split("stopped answering")[-1]
            assert "Apply complete!" in last, text
            for timing in job.timings.exclude(resource=""):
                assert f"{timing.resource}: " in last, (timing.resource, text)
                assert re.search(rf"{re.escape(timing.resource)}: \w+ complete after", last), text


def agents_wanted() -> list[str]:
    """The folder of the agent of each workspace that runs: its newest succeeded build is a start."""
    wanted = []
    for workspace in Workspace.objects.filter(deleted=False):
        build = (
            WorkspaceBuild.objects.filter(workspace=workspace, job__job_status=JobStatus.SUCCEEDED)
            .order_by("-build_number")
            .first()
        )
        if build is not None and build.transition == "start":
            wanted.append(str(processes.workspace_folder(workspace.id) / "agents" / "main"))
    return sorted(wanted)


def agents_here() -> list[str]:
    return sorted(str(path) for path in agent_processes())


def folders() -> list[Path]:
    every = (processes.workspace_folder(uuid.UUID(pk)) for pk in workspace_ids())
    return [path for path in every if path.is_dir()]


def files_are_those_of_the_states() -> None:
    """Every file that a killed build made is known to the state that is kept, or to its journal."""
    for workspace in Workspace.objects.filter(deleted=False):
        folder = processes.workspace_folder(workspace.id)
        there = {path.name for path in folder.glob("res-*")}
        build = reread(workspace).latest_build
        assert build is not None
        states = [build.provisioner_state or b"{}"]
        journal = folder / ".coder-admin" / "state.json"
        if journal.exists():
            states.append(journal.read_bytes())
        known = set()
        for state in states:
            assert engine_of_state(state) in {"embedded", ""}
            for row in json.loads(state).get("resources", []):
                if row["type"] == "local_file" and row["attributes"]:
                    known.add(row["attributes"]["filename"])
        assert there <= known, (workspace.name, build.transition, build.job.job_status)


def delete_everything(world: World) -> None:
    """What is left is deleted in order, by the workers that are left."""
    for workspace in Workspace.objects.filter(deleted=False):
        if workspace.owner_id == PREBUILDS_USER_ID:
            with transaction.atomic(), orchestrator() as actor:
                builder.build(actor=actor, workspace=reread(workspace), transition="delete", stage="create")
        else:
            services.workspace_delete(actor=subject(world.boss), workspace=reread(workspace))
    eventually(
        lambda: not Workspace.objects.filter(deleted=False).exists(),
        within=60,
        what="the end of every workspace",
    )
