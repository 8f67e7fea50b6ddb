"""Dry runs over HTTP: what a version would make with somebody's values, and who may ask for that."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient
from websockets.sync.client import connect

from coder_admin.catalog.imports import ImportedVariable, ImportResult
from coder_admin.catalog.models import TemplateVersion
from coder_admin.catalog.services import acl_update
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.handlers import JobFailed
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.worker import Worker
from coder_admin.workspaces.dry_run_job import DryRunHandler
from coder_admin.workspaces.models import DryRun, Workspace
from tests.people import client, organization, person, subject, token_of
from tests.provisioning.conftest import eventually
from tests.serving import serving

from .world import REGION, SIZE, World, make_world

API = "/api/v2"
SOURCE = """
variable "image" {
  default = "debian"
}
variable "disks" {
  type    = number
  default = 1
}
variable "token" {
  default   = "hush"
  sensitive = true
}
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
  validation {
    min = 1
    max = 8
  }
}
resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
  env  = { TOKEN = var.token }
}
resource "coder_app" "code" {
  agent_id = coder_agent.main.id
  slug     = "code"
}
resource "local_file" "disk" {
  count    = var.disks
  filename = "${data.coder_workspace.me.name}-${count.index}.txt"
  content  = "${coder_agent.main.id} ${var.image}"
}
resource "coder_metadata" "disk" {
  resource_id = local_file.disk[0].id
  daily_cost  = data.coder_parameter.size.value
  item {
    key   = "who"
    value = "${data.coder_workspace_owner.me.name} in ${data.coder_parameter.region.value}"
  }
  item {
    key       = "token"
    value     = var.token
    sensitive = true
  }
}
"""
FOUND = ImportResult(
    parameters=(REGION, SIZE),
    variables=(
        ImportedVariable(name="image", type="string", default_value="debian"),
        ImportedVariable(name="disks", type="number", default_value="1"),
        ImportedVariable(name="token", type="string", default_value="hush", sensitive=True),
    ),
)


@pytest.fixture
def world(db: None) -> World:
    return with_source(SOURCE)


def with_source(source: str) -> World:
    world = make_world()
    world.activate(world.new_version(result=FOUND, source=source))
    return world


def path(version: TemplateVersion, *parts: object) -> str:
    return "/".join([f"{API}/templateversions/{version.id}/dry-run", *map(str, parts)])


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def asked(http: APIClient, world: World, **body: Any) -> Any:
    return http.post(path(world.version), body, format="json")


def begun(http: APIClient, world: World, **body: Any) -> str:
    answer = asked(http, world, **body)
    assert answer.status_code == 201, answer.json()
    return str(answer.json()["id"])


def test_its_job_waits_in_the_queue(world: World) -> None:
    ada = client(world.ada)
    answer = asked(
        ada,
        world,
        workspace_name="try-me",
        rich_parameter_values=pairs(size="3"),
        user_variable_values=pairs(image="alpine"),
    )
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["type"], body["status"]) == ("template_version_dry_run", "pending")
    assert body["initiator_id"] == str(world.ada.id)
    assert body["input"] == {"template_version_id": str(world.version.id)}
    assert body["metadata"]["template_name"] == "web"
    assert body["metadata"]["workspace_name"] == "try-me"
    assert (body["queue_position"], body["queue_size"]) == (1, 1)
    job = ProvisionerJob.objects.get(pk=body["id"])
    assert job.file_id == world.version.job.file_id
    assert job.input["rich_parameter_values"] == pairs(region="eu", size="3")
    assert job.input["user_variable_values"] == pairs(image="alpine")
    again = ada.get(path(world.version, job.id))
    assert (again.status_code, again.json()["id"]) == (200, str(job.id))
    assert ada.get(path(world.version, job.id, "resources")).status_code == 400
    assert ada.get(path(world.version, job.id, "logs")).json() == []
    assert Workspace.objects.count() == 0


def test_everything_may_be_left_out(world: World) -> None:
    job = ProvisionerJob.objects.get(pk=begun(client(world.ada), world))
    assert job.input["workspace_name"] == "dry-run"
    assert job.input["rich_parameter_values"] == pairs(region="eu", size="1")


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        ({"workspace_name": "no spaces"}, "workspace_name", "letters"),
        ({"workspace_name": "x" * 33}, "workspace_name", "32"),
        ({"workspace_name": "x" * 65}, "workspace_name", "64"),
        ({"workspace_name": []}, "workspace_name", "string"),
        ({"rich_parameter_values": pairs(size="9")}, "size", "9"),
        ({"rich_parameter_values": pairs(size="many")}, "size", "number"),
        ({"rich_parameter_values": "size"}, "rich_parameter_values", "list"),
        ({"rich_parameter_values": [{"name": "size"}]}, "rich_parameter_values.0.value", "required"),
        ({"rich_parameter_values": pairs(size="1") * 2}, "rich_parameter_values", "more than once"),
        ({"rich_parameter_values": pairs(size="1") * 501}, "rich_parameter_values", "500"),
        ({"rich_parameter_values": pairs(region="\x00")}, "rich_parameter_values.0.value", "Null"),
        ({"user_variable_values": pairs(color="red")}, "user_variable_values", 'no variable "color"'),
        ({"user_variable_values": pairs(disks="two")}, "user_variable_values", "not a number"),
        ({"user_variable_values": pairs(image="a") * 2}, "user_variable_values", "more than once"),
    ],
)
def test_bad_input_is_refused_with_its_place(world: World, body: Any, field: str, word: str) -> None:
    answer = asked(client(world.ada), world, **body)
    assert answer.status_code == 400, answer.content
    told = {entry["field"]: entry["detail"] for entry in answer.json()["validations"]}
    assert word in told[field], told
    assert ProvisionerJob.objects.filter(type="template_version_dry_run").count() == 0


def test_ids_must_be_ids_and_name_something(world: World) -> None:
    ada = client(world.ada)
    job = begun(ada, world)
    for tail in ("", "/resources", "/logs", "/matched-provisioners"):
        assert ada.get(path(world.version, f"nonsense{tail}")).status_code == 400
        assert ada.get(path(world.version, f"{uuid.uuid4()}{tail}")).status_code == 404
    assert ada.post(f"{API}/templateversions/nonsense/dry-run", {}, format="json").status_code == 400
    assert ada.post(f"{API}/templateversions/{uuid.uuid4()}/dry-run", {}, format="json").status_code == 404
    for query in ("after=x", "before=1.5"):
        assert ada.get(path(world.version, job, f"logs?{query}")).status_code == 400
    # The job of another version, and one that is no dry run, are not found under this one.
    other = world.new_version(result=FOUND, source=SOURCE)
    assert ada.get(path(other, job)).status_code == 404
    assert ada.get(path(world.version, world.version.job_id)).status_code == 404


def test_the_import_must_have_succeeded(world: World) -> None:
    ada = client(world.ada)
    waiting = world.new_version(done=False, result=FOUND, source=SOURCE)
    early = ada.post(path(waiting), {}, format="json")
    assert (early.status_code, early.json()["message"]) == (425, "Template version job has not finished")
    now = timezone.now()
    row = ProvisionerJob.objects.filter(pk=waiting.job_id)
    row.update(started_at=now, completed_at=now, error="main.tf:1: broken")
    failed = ada.post(path(waiting), {}, format="json")
    assert failed.status_code == 412
    assert failed.json()["detail"] == "main.tf:1: broken"
    row.update(canceled_at=now, error="")
    assert ada.post(path(waiting), {}, format="json").status_code == 412


def test_who_may_ask_and_look(world: World) -> None:
    ada, boss, eve = client(world.ada), client(world.boss), client(person("eve"))
    stranger = client(person("foreign", memberships={organization("other"): []}))
    job = begun(ada, world)
    assert asked(stranger, world).status_code == 404
    # As with a workspace: its owner and who manages the organization's workspaces, nobody else.
    assert boss.get(path(world.version, job)).status_code == 200
    for http in (eve, stranger):
        for tail in ("", "/resources", "/logs", "/matched-provisioners"):
            assert http.get(path(world.version, f"{job}{tail}")).status_code == 404
        assert http.patch(path(world.version, job, "cancel")).status_code == 404
    assert ProvisionerJob.objects.get(pk=job).canceled_at is None


def test_who_may_not_create_a_workspace_may_not_try_one(world: World) -> None:
    """A site-wide reader of templates is no member here; a member may be barred from the template."""
    reader = client(person("reader", roles=["template-admin"], memberships={}))
    answer = asked(reader, world)
    assert answer.status_code == 403
    assert "workspaces in this organization" in answer.json()["message"]
    everyone = str(world.organization.id)
    acl_update(actor=subject(world.boss), template=world.template, group_perms={everyone: ""})
    assert asked(client(world.ada), world).status_code == 404
    assert DryRun.objects.count() == 0


def test_a_waiting_one_is_canceled_at_once(world: World) -> None:
    ada = client(world.ada)
    job = begun(ada, world)
    assert ada.patch(path(world.version, job, "cancel")).status_code == 200
    assert ada.get(path(world.version, job)).json()["status"] == "canceled"
    again = ada.patch(path(world.version, job, "cancel"))
    assert again.status_code == 400
    assert "already" in again.json()["message"]
    assert ada.get(path(world.version, job, "resources")).json() == []


def test_one_that_ended_cannot_be_canceled(world: World) -> None:
    ada = client(world.ada)
    job = begun(ada, world)
    now = timezone.now()
    ProvisionerJob.objects.filter(pk=job).update(started_at=now, completed_at=now)
    answer = ada.patch(path(world.version, job, "cancel"))
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "The job has already completed, it cannot be canceled.",
    )


def test_matched_provisioners_are_counted(world: World) -> None:
    ada = client(world.ada)
    job = begun(ada, world)
    nobody = {"count": 0, "available": 0, "most_recently_seen": None}
    assert ada.get(path(world.version, job, "matched-provisioners")).json() == nobody


def test_lists_of_jobs_know_them(world: World) -> None:
    job = begun(client(world.ada), world, workspace_name="try-me")
    boss = client(world.boss)
    found = boss.get(f"{API}/organizations/{world.organization.id}/provisionerjobs?ids={job}").json()
    assert [(one["type"], one["metadata"]["workspace_name"]) for one in found] == [
        ("template_version_dry_run", "try-me")
    ]


# --- with a worker ----------------------------------------------------------------------------------------


@pytest.fixture
def working(transactional_db: None) -> Iterator[World]:
    """With a worker, which begins once the world is there."""
    world = with_source(SOURCE)
    with Worker(concurrency=1, name="tries", sweep_seconds=30):
        yield world


def ended(job: str, status: str = JobStatus.SUCCEEDED) -> ProvisionerJob:
    def look() -> ProvisionerJob | None:
        found = ProvisionerJob.objects.get(pk=job)
        return found if found.completed_at is not None else None

    eventually(look, within=20, what="the end of the dry run")
    found = ProvisionerJob.objects.get(pk=job)
    assert found.job_status == status, found.error
    return found


def left_behind() -> list[Path]:
    return [entry for entry in (Path(settings.DATA_DIR) / "dry-runs").glob("**/*") if entry.is_file()]


def test_a_plan_is_made_and_nothing_else(working: World) -> None:
    world = working
    ada = client(world.ada)
    job = begun(
        ada,
        world,
        workspace_name="try-me",
        rich_parameter_values=pairs(size="3", region="us"),
        user_variable_values=pairs(disks="2", token="s3cret"),
    )
    ended(job)
    found = ada.get(path(world.version, job, "resources")).json()
    assert [one["address"] for one in found] == ["local_file.disk[0]", "local_file.disk[1]"]
    first = found[0]
    assert (first["type"], first["name"], first["job_id"]) == ("local_file", "disk", job)
    assert (first["workspace_transition"], first["daily_cost"]) == ("start", 3)
    assert first["metadata"] == [
        {"key": "who", "value": "ada in us", "sensitive": False},
        {"key": "token", "value": "", "sensitive": True},
    ]
    [agent] = first["agents"]
    assert (agent["name"], agent["operating_system"], agent["architecture"]) == ("main", "linux", "amd64")
    assert [app["slug"] for app in agent["apps"]] == ["code"]
    assert "s3cret" not in json.dumps(found)
    assert ada.get(path(world.version, job, "resources")).json() == found
    logs = ada.get(path(world.version, job, "logs")).json()
    assert "A dry run: nothing is made." in [line["output"] for line in logs]
    later = ada.get(path(world.version, job, f"logs?after={logs[0]['id']}")).json()
    assert later == logs[1:]
    matched = ada.get(path(world.version, job, "matched-provisioners")).json()
    assert (matched["count"], matched["available"]) == (1, 1)
    # The version's own values are as they were, and nothing was made anywhere.
    assert world.version.variables.get(name="disks").value == ""
    assert Workspace.objects.count() == 0
    assert left_behind() == []


def test_a_plan_that_fails_says_why(transactional_db: None) -> None:
    world = with_source(SOURCE + 'resource "unheard_of" "x" {}\n')
    ada = client(world.ada)
    job = begun(ada, world)
    with Worker(concurrency=1, name="tries", sweep_seconds=30):
        ended(job, JobStatus.FAILED)
    body = ada.get(path(world.version, job)).json()
    assert "unheard_of" in body["error"]
    assert ada.get(path(world.version, job, "resources")).json() == []
    assert any("unheard_of" in line["output"] for line in ada.get(path(world.version, job, "logs")).json())
    assert left_behind() == []


def test_its_log_can_be_followed(working: World) -> None:
    world = working
    with serving() as url:
        job = begun(client(world.ada), world)
        address = url.replace("http", "ws") + path(world.version, job, "logs?follow")
        with connect(address, additional_headers={"Coder-Session-Token": token_of(world.ada)}) as socket:
            lines = [json.loads(frame)["output"] for frame in socket]  # ends with a close in order
    assert socket.close_code == 1000
    assert "A dry run: nothing is made." in lines


def test_a_dry_run_of_a_version_that_is_gone_says_so(world: World) -> None:
    job = ProvisionerJob.objects.get(pk=begun(client(world.ada), world))
    job.input = {**job.input, "template_version_id": str(uuid.uuid4())}

    class Context:
        """What the handler looks at before anything else."""

    context: Any = Context()
    context.job = job
    with pytest.raises(JobFailed, match="does not exist any more"):
        DryRunHandler().execute(context)


def test_leftovers_of_a_killed_worker_are_removed_by_the_next_one(transactional_db: None) -> None:
    world = with_source(SOURCE)
    ada = client(world.ada)
    over, waiting = begun(ada, world), begun(ada, world)
    now = timezone.now()
    ProvisionerJob.objects.filter(pk=over).update(started_at=now, completed_at=now)
    root = Path(settings.DATA_DIR) / "dry-runs"
    unknown = str(uuid.uuid4())
    for name in (over, unknown):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "plan").write_text("secret")
    with Worker(concurrency=1, name="tries", sweep_seconds=30):
        ended(waiting)
    assert not (root / over).exists()
    assert not (root / waiting).exists()
    assert (root / unknown).exists(), "it may belong to another database"
    (root / unknown / "1" / "plan").unlink()


# --- elsewhere --------------------------------------------------------------------------------------------


def test_the_page_of_jobs_names_them_and_its_log_opens_for_those_who_may_see_it(world: World) -> None:
    job = begun(client(world.ada), world)
    page = Client()
    page.force_login(world.boss)
    log = reverse("dashboard:job-download", args=(job,))
    listed = page.get(reverse("dashboard:jobs"), {"filter": "type:template_version_dry_run"})
    shown = listed.content.decode()
    assert f"web: {world.version.name}: dry run" in shown
    assert log in shown
    assert page.get(log).status_code == 200
    other = Client()
    other.force_login(person("eve"))
    assert other.get(log).status_code == 404
