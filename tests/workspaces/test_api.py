"""Workspaces and builds over HTTP: what is shown, to whom, at what cost."""

from __future__ import annotations

import base64
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.catalog.models import TemplateVersionParameter
from coder_admin.provisioning.models import ProvisionerJobLog
from coder_admin.workspaces.models import Workspace, WorkspaceAgent
from coder_admin.workspaces.selectors import agent_connection
from tests.people import client, organization, person

from .world import World, agent_of, reread, settled

API = "/api/v2"


def names(http: APIClient, query: str = "") -> list[str]:
    answer = http.get(f"{API}/workspaces", {"q": query})
    assert answer.status_code == 200, answer.content
    return sorted(w["name"] for w in answer.json()["workspaces"])


def test_one_workspace_in_full(world: World) -> None:
    workspace = world.running(parameters={"size": "8"})
    found = client(world.ada).get(f"{API}/workspaces/{workspace.id}").json()
    assert (found["name"], found["owner_name"], found["template_name"]) == ("dev", "ada", "web")
    assert (found["is_prebuild"], found["outdated"], found["ttl_ms"]) == (False, False, None)
    build = found["latest_build"]
    assert (build["build_number"], build["status"], build["transition"]) == (1, "running", "start")
    assert build["job"]["status"] == "succeeded"
    assert build["daily_cost"] == 3
    preset = world.version.presets.get(name="big")
    assert build["template_version_preset_id"] == str(preset.id)
    resource = build["resources"][0]
    assert resource["type"] == "coder_agent"
    assert resource["metadata"] == [
        {"key": "disk", "value": "10 GiB", "sensitive": False},
        {"key": "password", "value": "", "sensitive": True},
    ]
    agent = resource["agents"][0]
    assert (agent["name"], agent["status"], agent["lifecycle_state"]) == ("main", "connecting", "created")
    assert agent["scripts"][0]["display_name"] == "Startup Script"
    assert agent["apps"][0]["health"] == "initializing"
    assert "auth_token" not in str(found)
    assert str(agent_of(workspace).auth_token) not in str(found)


def test_what_somebody_last_chose_begins_their_next_form(world: World) -> None:
    TemplateVersionParameter.objects.filter(template_version=world.version, name="region").update(
        ephemeral=True
    )
    world.running("old", parameters={"size": "3"})
    world.running("new", parameters={"size": "4"})
    url = f"{API}/users/%s/autofill-parameters?template_id={world.template.id}"
    assert client(world.ada).get(url % "me").json() == [{"name": "size", "value": "4"}]
    assert client(world.boss).get(url % "ada").json() == [{"name": "size", "value": "4"}]
    assert client(world.boss).get(url % "me").json() == []
    assert client(world.ada).get(url % world.boss.username).status_code == 400
    for query, status in (("", 400), ("?template_id=x", 400), (f"?template_id={uuid.uuid4()}", 404)):
        answer = client(world.ada).get(f"{API}/users/me/autofill-parameters{query}")
        assert (answer.status_code, bool(answer.json()["message"])) == (status, True)


def test_who_sees_what(world: World) -> None:
    mine = world.running("mine")
    world.running("boss", user=world.boss)
    pooled = world.prebuild()
    elsewhere = person("eve", memberships={organization("elsewhere"): ["organization-admin"]})
    curator = person("curator", roles=["template-admin"])
    assert names(client(world.ada)) == ["mine"]
    assert names(client(world.boss)) == sorted(["boss", "mine", pooled.name])
    assert names(client(curator)) == sorted(["boss", "mine", pooled.name])
    assert names(client(elsewhere)) == []
    assert client().get(f"{API}/workspaces").status_code == 401
    for other in (person("bob"), elsewhere):
        assert client(other).get(f"{API}/workspaces/{mine.id}").status_code == 404
        assert client(other).get(f"{API}/workspacebuilds/{mine.latest_build_id}").status_code == 404
        agent = agent_of(mine)
        assert client(other).get(f"{API}/workspaceagents/{agent.id}").status_code == 404


def test_search(world: World) -> None:
    http = client(world.boss)
    world.running("alpha", parameters={"size": "3"})
    world.create("beta")
    gone = world.running("gone", user=world.boss)
    Workspace.objects.filter(pk=gone.pk).update(deleted=True)
    mine = world.running("mine", user=world.boss)
    Workspace.objects.filter(pk=mine.pk).update(
        dormant_at=timezone.now(), last_used_at=timezone.now() - timedelta(days=9)
    )
    assert names(http) == ["alpha", "beta", "mine"]
    assert names(http, "owner:me") == ["mine"]
    assert names(http, "owner:ada alp") == ["alpha"]
    assert names(http, "ada/beta") == ["beta"]
    assert names(http, "status:pending") == ["beta"]
    assert names(http, "status:running,pending") == ["alpha", "beta", "mine"]
    assert names(http, "dormant:true") == ["mine"]
    week = (timezone.now() - timedelta(days=7)).isoformat()
    assert names(http, f'last_used_before:"{week}"') == ["mine"]
    assert names(http, f'last_used_after:"{week}"') == ["alpha", "beta"]
    assert names(http, "param:size=3") == ["alpha"]
    assert names(http, "param:region name:beta") == ["beta"]
    assert names(http, f"id:{mine.id}") == ["mine"]
    assert names(http, "template:nothing") == []
    assert names(http, "organization:coder") == ["alpha", "beta", "mine"]
    assert names(http, "outdated:true") == []
    world.activate(world.new_version())
    assert names(http, "outdated:true") == ["alpha", "beta", "mine"]
    bad = http.get(f"{API}/workspaces", {"q": "status:asleep"})
    assert (bad.status_code, bad.json()["validations"][0]["field"]) == (400, "status")


@pytest.mark.parametrize("timeout", [0, 120])
@pytest.mark.parametrize("age", [10, 500])
@pytest.mark.parametrize("last", [None, 5, 100])
@pytest.mark.parametrize("left", [None, 1, 200])
def test_has_agent_asks_the_database_the_same_rule(
    world: World, timeout: int, age: int, last: int | None, left: int | None
) -> None:
    workspace = world.running()
    now = timezone.now()

    def ago(seconds: int | None) -> Any:
        return None if seconds is None else now - timedelta(seconds=seconds)

    WorkspaceAgent.objects.update(
        created_at=ago(age),
        first_connected_at=ago(last),
        last_connected_at=ago(last),
        disconnected_at=ago(left),
        connection_timeout_seconds=timeout,
    )
    expected = agent_connection(agent_of(workspace), now).value
    http = client(world.ada)
    found = [
        state
        for state in ("connecting", "connected", "disconnected", "timeout")
        if names(http, f"has-agent:{state}")
    ]
    assert found == [expected]


def test_a_list_costs_the_same_however_long(world: World) -> None:
    http = client(world.boss)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert http.get(f"{API}/workspaces?limit=100").status_code == 200
        return len(captured)

    world.running("first")
    http.get(f"{API}/workspaces")
    few = statements()
    for number in range(6):
        world.running(f"more-{number}")
    assert statements() == few
    assert few <= 16


def test_paging(world: World) -> None:
    for number in range(3):
        world.create(f"w{number}")
    http = client(world.ada)
    page = http.get(f"{API}/workspaces?limit=2&offset=2").json()
    assert (len(page["workspaces"]), page["count"]) == (1, 3)
    assert http.get(f"{API}/workspaces?limit=x").status_code == 400


def test_create_for_oneself_and_by_template_or_version(world: World) -> None:
    http = client(world.ada)
    path = f"{API}/organizations/{world.organization.id}/members/me/workspaces"
    body = {
        "template_id": str(world.template.id),
        "name": "dev",
        "rich_parameter_values": [{"name": "size", "value": "4"}],
        "ttl_ms": 3_600_000,
    }
    answer = http.post(path, body)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["owner_name"], answer.json()["latest_build"]["status"]) == ("ada", "pending")
    build = answer.json()["latest_build"]["id"]
    assert http.get(f"{API}/workspacebuilds/{build}/parameters").json() == [
        {"name": "region", "value": "eu"},
        {"name": "size", "value": "4"},
    ]
    assert http.post(path, body).status_code == 409
    version = {"template_version_id": str(world.version.id), "name": "two"}
    assert http.post(f"{API}/users/ada/workspaces", version).status_code == 201
    by_name = http.get(f"{API}/users/me/workspace/two")
    assert (by_name.status_code, by_name.json()["name"]) == (200, "two")
    assert http.get(f"{API}/users/me/workspace/two/builds/1").json()["build_number"] == 1
    assert http.get(f"{API}/users/me/workspace/two/builds/9").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "x"}, 400, "template_id"),
        ({"name": "x", "template_id": str(uuid.uuid4())}, 404, None),
        ({"name": "a b", "template": True}, 400, "name"),
        ({"template": True}, 400, "name"),
        ({"name": "x", "template": True, "ttl_ms": 5}, 400, "ttl_ms"),
        ({"name": "x", "template": True, "template_version_preset_id": str(uuid.uuid4())}, 400, None),
        (
            {"name": "x", "template": True, "rich_parameter_values": [{"name": "size", "value": "99"}]},
            400,
            "size",
        ),
        (
            {"name": "x", "template": True, "rich_parameter_values": [{"name": "a", "value": ""}] * 2},
            400,
            "rich_parameter_values",
        ),
    ],
)
def test_bad_creations(world: World, body: dict[str, Any], status: int, field: str | None) -> None:
    if body.pop("template", False):
        body["template_id"] = str(world.template.id)
    answer = client(world.ada).post(f"{API}/users/me/workspaces", body)
    assert answer.status_code == status, answer.content
    if field:
        assert answer.json()["validations"][0]["field"] == field
    assert not Workspace.objects.exists()
    body["template"] = True  # parameters of a parametrized test are shared


def test_stop_start_delete(world: World) -> None:
    http = client(world.ada)
    workspace = world.running()
    path = f"{API}/workspaces/{workspace.id}/builds"
    for number, (transition, status) in enumerate(
        [("stop", "stopped"), ("start", "running"), ("delete", "deleted")], start=2
    ):
        answer = http.post(path, {"transition": transition, "reason": "dashboard"})
        assert answer.status_code == 201, answer.content
        assert (answer.json()["build_number"], answer.json()["reason"]) == (number, "dashboard")
        assert http.post(path, {"transition": "start"}).status_code == 409
        settled(reread(workspace))
        build = http.get(f"{API}/workspacebuilds/{answer.json()['id']}").json()
        assert build["status"] == status
    assert http.get(f"{API}/workspaces/{workspace.id}").status_code == 410
    shown = http.get(f"{API}/workspaces/{workspace.id}?include_deleted=true")
    assert shown.json()["latest_build"]["status"] == "deleted"
    assert len(http.get(path).json()) == 4


def test_rename_over_http(world: World) -> None:
    workspace = world.running()
    path = f"{API}/workspaces/{workspace.id}"
    assert client(world.ada).patch(path, {"name": "new"}).status_code == 204
    assert client(world.ada).patch(path, {"name": "-"}).status_code == 400
    assert client(person("bob")).patch(path, {"name": "x"}).status_code == 404


def test_logs_with_bounds(world: World) -> None:
    workspace = world.running()
    build = workspace.latest_build
    assert build is not None
    rows = [
        ProvisionerJobLog.objects.create(job=build.job, stage="Planning", output=f"line {n}")
        for n in range(4)
    ]
    http = client(world.ada)
    path = f"{API}/workspacebuilds/{build.id}/logs"
    lines = http.get(path).json()
    assert [line["output"] for line in lines] == [f"line {n}" for n in range(4)]
    assert set(lines[0]) == {"id", "created_at", "log_source", "log_level", "stage", "output"}
    between = http.get(f"{path}?after={rows[0].id}&before={rows[3].id}").json()
    assert [line["id"] for line in between] == [rows[1].id, rows[2].id]
    for text in ("x", "--5", "1" * 19, "\u0663"):
        assert http.get(f"{path}?after={text}").status_code == 400
    assert http.get(f"{path}?after=-5").status_code == 200
    assert client(person("bob")).get(path).status_code == 404


def test_state_is_for_template_managers(world: World) -> None:
    workspace = world.running()
    path = f"{API}/workspacebuilds/{workspace.latest_build_id}/state"
    assert client(world.ada).get(path).status_code == 403
    answer = client(world.boss).get(path)
    assert (answer.status_code, answer.content) == (200, b'{"state": 1}')
    builds = f"{API}/workspaces/{workspace.id}/builds"
    bad = client(world.boss).post(builds, {"transition": "stop", "state": "%%%"})
    assert (bad.status_code, bad.json()["validations"][0]["field"]) == (400, "state")
    good = {"transition": "stop", "state": base64.b64encode(b"mine").decode()}
    assert client(world.boss).post(builds, good).status_code == 201


def test_cancel_over_http(world: World) -> None:
    workspace = world.create()
    path = f"{API}/workspacebuilds/{workspace.latest_build_id}/cancel"
    assert client(world.ada).patch(path).status_code == 403
    assert client(world.ada).patch(f"{path}?expect_status=running").status_code == 403
    assert client(world.boss).patch(f"{path}?expect_status=running").status_code == 412
    assert client(world.boss).patch(f"{path}?expect_status=x").status_code == 400
    assert client(world.ada).patch(f"{path}?expect_status=pending").status_code == 200
    assert client(world.boss).patch(path).status_code == 400
    shown = client(world.ada).get(f"{API}/workspaces/{workspace.id}").json()
    assert shown["latest_build"]["status"] == "canceled"
