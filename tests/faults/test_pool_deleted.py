"""A template is deleted with its pool: from the service over the pass to the last job of a real worker."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path

import pytest
from django.db import transaction

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.catalog.services import template_delete
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces import processes, services
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds.passes import reconcile_once
from tests.catalog.factories import make_file, make_version
from tests.people import subject
from tests.provisioning.conftest import eventually
from tests.workspaces.world import IMPORT, World, fail, make_world

from .conftest import Nursery, workspace_ids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

TEMPLATE = """
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
resource "local_file" "disk" {
  filename = "disk.txt"
  content  = "disk"
}
"""


@pytest.fixture
def world() -> World:
    world = make_world()
    with transaction.atomic():
        file = make_file(world.boss, {"main.tf": TEMPLATE})
        world.activate(
            make_version(world.boss, world.organization, template=world.template, result=IMPORT, file=file)
        )
    size_is(world, 3)
    return world


def size_is(world: World, size: int) -> None:
    TemplateVersionPreset.objects.filter(template_version=world.version, name="big").update(
        desired_instances=size
    )


def files() -> list[Path]:
    folders = (processes.workspace_folder(uuid.UUID(pk)) for pk in workspace_ids())
    return [folder / "disk.txt" for folder in folders if (folder / "disk.txt").exists()]


def everything_ended() -> bool:
    return not ProvisionerJob.objects.filter(type="workspace_build", completed_at=None).exists()


def pool() -> Counter[tuple[str, str]]:
    rows = Workspace.objects.filter(owner=PREBUILDS_USER_ID, deleted=False)
    return Counter(rows.values_list("latest_build__transition", "latest_build__job__job_status"))


def test_a_deleted_template_takes_its_pool_along_to_the_last_file(world: World, nursery: Nursery) -> None:
    worker = nursery.spawn()
    reconcile_once()
    eventually(everything_ended, within=30, what="the pool")
    assert pool() == {("start", "succeeded"): 3}
    parked = Workspace.objects.filter(owner=PREBUILDS_USER_ID).earliest("created_at")
    services.workspace_stop(actor=subject(world.boss), workspace=parked)
    eventually(everything_ended, within=30, what="the stop")
    nursery.kill(worker)
    # One fails, and one waits for ever: no worker is left.
    size_is(world, 4)
    reconcile_once()
    fail(WorkspaceBuild.objects.filter(job__job_status="pending").earliest("created_at"))
    mixed = {
        ("start", "succeeded"): 2,
        ("start", "failed"): 1,
        ("start", "pending"): 1,
        ("stop", "succeeded"): 1,
    }
    assert pool() == mixed
    assert len(files()) == 3

    template_delete(actor=subject(world.boss), template=world.template)
    assert pool() == mixed  # nothing of it happens in the request
    stats = reconcile_once()
    assert (stats.errors, stats.created, stats.deleted, stats.canceled) == ([], 0, 4, 1)
    # The killed worker still counts as alive, so that also what was never provisioned waits for one.
    assert pool() == {("delete", "pending"): 5}
    nursery.spawn()
    eventually(lambda: not pool(), within=30, what="the end of the pool")
    assert everything_ended()
    assert set(Workspace.objects.values_list("deleted", "latest_build__job__job_status")) == {
        (True, "succeeded")
    }
    assert files() == []
    stats = reconcile_once()
    assert (stats.presets_total, stats.created, stats.deleted, stats.errors) == (0, 0, 0, [])
