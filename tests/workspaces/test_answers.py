"""Every row of the builder's table (reference 4.2) over HTTP: its code, its text, its place in the order."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces import builder
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from tests.catalog.factories import make_file, make_template, make_version
from tests.people import client, person

from .world import IMPORT, MAIN_TF, World, fail, finish, latest_build, reread

API = "/api/v2"
NOBODY = "00000000-0000-4000-8000-000000000000"
STATE = base64.b64encode(b"{}").decode()


def post(http: APIClient, workspace: Workspace, **body: Any) -> Any:
    return http.post(f"{API}/workspaces/{workspace.id}/builds", body)


def waiting_version(world: World) -> str:
    return str(world.new_version(done=False).id)


def failed_version(world: World, **fields: Any) -> str:
    version = world.new_version()
    ended = {"error": "main.tf line 3", **fields}
    ProvisionerJob.objects.filter(pk=version.job_id).update(**ended)
    return str(version.id)


def canceled_version(world: World) -> str:
    return failed_version(world, error="", canceled_at=timezone.now())


def foreign_version(world: World) -> str:
    other = make_template(world.boss, world.organization, "other")
    return str(other.active_version_id)


def nothing(world: World, workspace: Workspace) -> None:
    """The workspace as it is: running."""


def active(world: World, workspace: Workspace) -> None:
    assert post(client(world.boss), workspace, transition="stop").status_code == 201


def asleep(world: World, workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(dormant_at=timezone.now())


Prepare = Callable[[World, Workspace], None]
Body = dict[str, Any] | Callable[[World], dict[str, Any]]

ROWS: list[tuple[str, Prepare, Body, int, str]] = [
    ("ada", nothing, {"transition": "restart"}, 400, '"restart" is not a transition.'),
    ("ada", nothing, {}, 400, "Validation failed."),
    ("curator", nothing, {"transition": "stop"}, 403, "You do not have permission to stop this workspace."),
    ("curator", nothing, {"transition": "start"}, 403, "You do not have permission to start this workspace."),
    ("curator", nothing, {"transition": "delete"}, 403, "You do not have permission to delete"),
    ("bob", nothing, {"transition": "stop"}, 404, "Resource not found"),
    ("ada", nothing, {"transition": "delete", "orphan": True}, 403, "Only template managers may provide"),
    ("ada", nothing, {"transition": "stop", "state": STATE}, 403, "Only template managers may provide"),
    ("boss", nothing, {"transition": "delete", "orphan": "on"}, 400, "Validation failed."),
    ("boss", nothing, {"transition": "stop", "orphan": True}, 400, "Orphan is only permitted when deleting"),
    (
        "boss",
        nothing,
        {"transition": "delete", "orphan": True, "state": STATE},
        400,
        "Custom state cannot be given together with orphan.",
    ),
    ("boss", nothing, {"transition": "stop", "state": "%%"}, 400, "The state cannot be read."),
    ("ada", nothing, {"transition": "stop", "log_level": "debug"}, 400, "Log level debug is not available."),
    ("boss", nothing, {"transition": "stop", "log_level": "debug"}, 400, "Log level debug is not available."),
    ("boss", nothing, {"transition": "stop", "log_level": "loud"}, 400, '"loud" is not a log level.'),
    (
        "ada",
        nothing,
        {"transition": "start", "template_version_id": NOBODY},
        400,
        "The template version does not exist.",
    ),
    (
        "ada",
        nothing,
        lambda world: {"transition": "start", "template_version_id": foreign_version(world)},
        400,
        "The template version does not exist or belongs to another template.",
    ),
    (
        "ada",
        nothing,
        lambda world: {"transition": "start", "template_version_id": waiting_version(world)},
        406,
        "has not finished",
    ),
    (
        "ada",
        nothing,
        lambda world: {"transition": "start", "template_version_id": failed_version(world)},
        400,
        "its import failed",
    ),
    (
        "ada",
        nothing,
        lambda world: {"transition": "start", "template_version_id": canceled_version(world)},
        400,
        "its import was canceled",
    ),
    ("ada", active, {"transition": "start"}, 409, "A workspace build is already active."),
    (
        "ada",
        nothing,
        {"transition": "start", "rich_parameter_values": [{"name": "size", "value": "99"}]},
        400,
        "Unable to validate parameters",
    ),
    (
        "ada",
        nothing,
        {"transition": "start", "rich_parameter_values": [{"name": "region", "value": "us"}]},
        400,
        "Unable to validate parameters",
    ),
    ("ada", asleep, {"transition": "start"}, 409, "The workspace is dormant."),
]


@pytest.mark.parametrize(
    ("who", "prepare", "body", "status", "message"), ROWS, ids=[f"{r[3]}-{r[4][:34]}" for r in ROWS]
)
def test_each_row(world: World, who: str, prepare: Prepare, body: Body, status: int, message: str) -> None:
    workspace = world.running()
    people = {"ada": world.ada, "boss": world.boss}
    roles = ["template-admin"] if who == "curator" else []
    user = people.get(who) or person(who, roles=roles)
    prepare(world, workspace)
    before = WorkspaceBuild.objects.count(), ProvisionerJob.objects.filter(type="workspace_build").count()
    answer = post(client(user), workspace, **(body(world) if callable(body) else body))
    assert answer.status_code == status, answer.content
    assert message in answer.json()["message"]
    after = WorkspaceBuild.objects.count(), ProvisionerJob.objects.filter(type="workspace_build").count()
    assert after == before, "a refusal leaves nothing behind"


def test_the_parameter_row_names_its_field(world: World) -> None:
    values = [{"name": "size", "value": "99"}, {"name": "region", "value": "us"}]
    answer = post(client(world.ada), world.running(), transition="start", rich_parameter_values=values)
    assert [v["field"] for v in answer.json()["validations"]] == ["region", "size"]


def test_tags_that_cannot_be_evaluated(world: World) -> None:
    source = MAIN_TF + 'data "coder_workspace_tags" "t" {\n  tags = { zone = resource.none.such }\n}\n'
    file = make_file(world.boss, {"main.tf": source})
    version = make_version(world.boss, world.organization, template=world.template, result=IMPORT, file=file)
    answer = post(client(world.ada), world.running(), transition="start", template_version_id=str(version.id))
    assert answer.status_code == 400, answer.content


def test_a_lost_race_for_the_number_is_a_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import IntegrityError

    def lose(request: Any, inputs: Any) -> WorkspaceBuild:
        raise IntegrityError("build_number_unique")

    workspace = world.running()
    monkeypatch.setattr(builder, "_insert_rows", lose)
    answer = post(client(world.ada), workspace, transition="stop")
    assert answer.status_code == 409
    assert "at the same moment" in answer.json()["message"]


def test_the_checks_come_in_their_order(world: World) -> None:
    """A request that is wrong in every way is answered by the first row that applies; then that is mended."""
    workspace = world.running()
    active(world, workspace)
    boss, version = client(world.boss), waiting_version(world)
    body: dict[str, Any] = {
        "transition": "restart",
        "orphan": True,
        "log_level": "debug",
        "template_version_id": version,
        "rich_parameter_values": [{"name": "size", "value": "99"}],
    }
    curator = client(person("curator", roles=["template-admin"]))

    def said(http: APIClient) -> tuple[int, str]:
        answer = post(http, workspace, **body)
        return answer.status_code, answer.json()["message"]

    assert said(boss)[1] == '"restart" is not a transition.'
    body["transition"] = "start"
    assert said(client(person("bob")))[0] == 404
    assert said(curator) == (403, "You do not have permission to start this workspace.")
    asleep(world, workspace)
    assert said(client(world.ada)) == (403, "Only template managers may provide custom state")
    assert said(boss)[1] == "Orphan is only permitted when deleting a workspace."
    body["orphan"] = False
    assert said(boss)[1] == "Log level debug is not available."
    body["log_level"] = ""
    assert said(boss)[0] == 406
    del body["template_version_id"]
    assert said(boss) == (409, "A workspace build is already active.")
    finish(latest_build(workspace))
    assert said(boss)[1] == "Unable to validate parameters"
    body["rich_parameter_values"] = []
    assert said(boss) == (409, "The workspace is dormant.")
    Workspace.objects.update(dormant_at=None)
    assert post(boss, workspace, **body).status_code == 201


def test_debug_output_where_the_deployment_allows_it(world: World, settings: Any) -> None:
    settings.ENABLE_TERRAFORM_DEBUG_MODE = True
    workspace = world.running()
    refused = post(client(world.ada), workspace, transition="stop", log_level="debug")
    assert refused.status_code == 400, "it needs the right to read the deployment's configuration"
    begun = post(client(world.boss), workspace, transition="stop", log_level="debug")
    assert begun.status_code == 201
    job = ProvisionerJob.objects.get(pk=latest_build(workspace).job_id)
    assert job.input["log_level"] == "debug"


def test_a_delete_names_no_version_preset_or_parameters(world: World) -> None:
    workspace = world.running()
    answer = post(
        client(world.ada),
        workspace,
        transition="delete",
        template_version_id=NOBODY,
        template_version_preset_id=NOBODY,
        rich_parameter_values=[{"name": "size", "value": "99"}],
    )
    assert answer.status_code == 201, answer.content
    assert answer.json()["template_version_id"] == str(world.version.id)
    assert answer.json()["template_version_preset_id"] is None


# --- cancel (4.1) ---------------------------------------------------------------------------------


def cancel(http: APIClient, workspace: Workspace, query: str = "") -> Any:
    return http.patch(f"{API}/workspacebuilds/{reread(workspace).latest_build_id}/cancel{query}")


def test_each_row_of_cancel(world: World) -> None:
    workspace = world.create()
    ada, boss = client(world.ada), client(world.boss)
    job = latest_build(workspace).job_id
    assert cancel(client(person("bob")), workspace).status_code == 404
    assert cancel(ada, workspace, "?expect_status=failed").status_code == 400
    refused = cancel(ada, workspace)
    assert refused.status_code == 403
    assert "does not let people cancel" in refused.json()["message"]
    assert cancel(boss, workspace, "?expect_status=running").status_code == 412
    ProvisionerJob.objects.filter(pk=job).update(started_at=timezone.now())
    assert cancel(ada, workspace, "?expect_status=pending").status_code == 412
    assert cancel(boss, workspace, "?expect_status=running").status_code == 200
    assert latest_build(workspace).job.job_status == "canceling"
    assert "canceled already" in cancel(boss, workspace).json()["message"]
    ProvisionerJob.objects.filter(pk=job).update(completed_at=timezone.now(), error="x", canceled_at=None)
    ended = cancel(boss, workspace)
    assert (ended.status_code, ended.json()["message"]) == (400, "The build has ended already.")
    assert boss.patch(f"{API}/workspacebuilds/{NOBODY}/cancel").status_code == 404


def test_a_waiting_build_ends_at_once(world: World) -> None:
    workspace = world.create()
    assert cancel(client(world.ada), workspace, "?expect_status=pending").status_code == 200
    job = latest_build(workspace).job
    assert (job.job_status, job.completed_at is not None) == ("canceled", True)
    assert cancel(client(world.boss), workspace).status_code == 400


def test_the_template_may_let_people_cancel(world: World) -> None:
    from coder_admin.catalog.models import Template

    workspace = world.create()
    Template.objects.update(allow_user_cancel_workspace_jobs=True)
    assert cancel(client(world.ada), workspace).status_code == 200


def test_a_failed_build_can_be_followed_by_another(world: World) -> None:
    workspace = world.create()
    fail(latest_build(workspace))
    assert post(client(world.ada), workspace, transition="start").status_code == 201
