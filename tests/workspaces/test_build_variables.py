"""Which values a build's engine gets for the template's variables, from an import to what is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coder_admin.catalog.models import TemplateVersion
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.worker import Worker
from coder_admin.workspaces import processes
from tests.catalog.factories import make_file, make_version
from tests.provisioning.conftest import eventually

from .world import World, make_world, reread

MAIN = """
variable "given" {
  default = "no"
}
variable "left" {
  default = "debian"
}
variable "number" {
  type    = number
  default = 2
}
variable "list" {
  type    = list(string)
  default = ["a", "b"]
}
variable "in_file" {
}
variable "asked" {
}
variable "nothing" {
}
resource "local_file" "said" {
  filename = "said.txt"
  content  = join(" ", concat(local.texts, var.list))
}
locals {
  texts = [var.given, var.left, var.number, var.in_file, var.asked, "<${var.nothing}>"]
}
"""


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """With a worker, which begins once the world is there."""
    made = make_world()
    with Worker(concurrency=1, name="builds", sweep_seconds=30):
        yield made


def ended(job_id: Any) -> None:
    def look() -> bool:
        return ProvisionerJob.objects.get(pk=job_id).completed_at is not None

    eventually(look, within=20, what="the end of the job")
    job = ProvisionerJob.objects.get(pk=job_id)
    assert job.job_status == "succeeded", job.error


def imported(world: World) -> TemplateVersion:
    files = {"main.tf": MAIN, "terraform.tfvars": 'in_file = "file"\n'}
    given = {"given": "yes", "asked": "answer", "nothing": ""}
    version = make_version(
        world.boss,
        world.organization,
        template=world.template,
        done=False,
        file=make_file(world.boss, files),
        variables=given,
    )
    ended(version.job_id)
    return version


def test_what_the_author_did_not_give_is_the_templates_own(world: World) -> None:
    world.activate(imported(world))
    workspace = world.create("dev")
    build = reread(workspace).latest_build
    assert build is not None
    ended(build.job_id)
    said = (processes.workspace_folder(workspace.id) / "said.txt").read_text()
    assert said == "yes debian 2 file answer <> a b"
