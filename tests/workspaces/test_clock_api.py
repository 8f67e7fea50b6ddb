"""`/autostart`, `/ttl`, `/extend`, `/dormant` and what else a workspace's own clock and owner set."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.imports import ImportedParameter, ImportResult
from coder_admin.catalog.models import Template
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from coder_admin.workspaces.streams import PING, data_stream
from rbac.model import Subject
from tests.catalog.factories import make_file, make_version
from tests.people import client, person

from .world import MAIN_TF, World, agent_of, finish, latest_build, reread

API = "/api/v2"
HOUR = 3_600_000


@pytest.fixture
def workspace(world: World) -> Workspace:
    return world.running()


@pytest.fixture
def ada(world: World) -> APIClient:
    return client(world.ada)


def put(http: APIClient, workspace: Workspace, what: str, **body: Any) -> Any:
    return http.put(f"{API}/workspaces/{workspace.id}/{what}", body)


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("autostart", {"schedule": "0 9 * * 1-5"}),
    ("ttl", {"ttl_ms": HOUR}),
    ("extend", {"deadline": "2100-01-01T00:00:00Z"}),
    ("dormant", {"dormant": True}),
    ("autoupdates", {"automatic_updates": "always"}),
]


@pytest.mark.parametrize(("what", "body"), BODIES)
def test_who_may(world: World, workspace: Workspace, what: str, body: dict[str, Any]) -> None:
    WorkspaceBuild.objects.update(deadline=timezone.now() + timedelta(hours=1))
    assert put(client(), workspace, what, **body).status_code == 401
    assert put(client(person("bob")), workspace, what, **body).status_code == 404
    assert (
        put(client(person("curator", roles=["template-admin"])), workspace, what, **body).status_code == 403
    )
    assert put(client(world.boss), workspace, what, **body).status_code in (200, 204)


@pytest.mark.parametrize(("what", "body"), BODIES)
def test_a_prebuild_has_no_clock(world: World, what: str, body: dict[str, Any]) -> None:
    answer = put(client(world.boss), world.prebuild(), what, **body)
    assert answer.status_code == 409
    assert "prebuilt workspace" in answer.json()["message"]


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("autostart", {"schedule": "at nine"}, "schedule"),
        ("autostart", {"schedule": 9.5}, "schedule"),
        ("autostart", {"schedule": "x" * 200}, "schedule"),
        ("ttl", {}, "ttl_ms"),
        ("ttl", {"ttl_ms": "soon"}, "ttl_ms"),
        ("ttl", {"ttl_ms": -1}, "ttl_ms"),
        ("ttl", {"ttl_ms": 59_999}, "ttl_ms"),
        ("ttl", {"ttl_ms": 31 * 24 * HOUR}, "ttl_ms"),
        ("ttl", {"ttl_ms": 10**400}, "ttl_ms"),
        ("extend", {"deadline": "tomorrow"}, "deadline"),
        ("extend", {}, "deadline"),
        ("dormant", {"dormant": "perhaps"}, "dormant"),
        ("autoupdates", {"automatic_updates": "sometimes"}, "automatic_updates"),
    ],
)
def test_bad_input(ada: APIClient, workspace: Workspace, what: str, body: dict[str, Any], field: str) -> None:
    answer = put(ada, workspace, what, **body)
    assert answer.status_code == 400, answer.content
    assert [v["field"] for v in answer.json()["validations"]] == [field]


def test_autostart(ada: APIClient, workspace: Workspace) -> None:
    schedule = "CRON_TZ=Europe/Berlin 30 9 * * 1-5"
    assert put(ada, workspace, "autostart", schedule=schedule).status_code == 204
    shown = ada.get(f"{API}/workspaces/{workspace.id}").json()
    assert shown["autostart_schedule"] == schedule
    assert shown["next_start_at"] is not None
    row = AuditLog.objects.get(resource_type="workspace", action="write")
    assert row.diff == {"autostart_schedule": {"old": "", "new": schedule, "secret": False}}
    assert put(ada, workspace, "autostart", schedule=None).status_code == 204
    shown = ada.get(f"{API}/workspaces/{workspace.id}").json()
    assert (shown["autostart_schedule"], shown["next_start_at"]) == (None, None)


def test_the_template_may_forbid_both(ada: APIClient, workspace: Workspace) -> None:
    Template.objects.update(allow_user_autostart=False, allow_user_autostop=False)
    refused = put(ada, workspace, "autostart", schedule="0 9 * * *")
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "Autostart is not allowed for workspaces using this template.",
    )
    refused = put(ada, workspace, "ttl", ttl_ms=HOUR)
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "Custom autostop TTL is not allowed for workspaces using this template.",
    )
    assert put(ada, workspace, "autostart", schedule="").status_code == 204


def test_creation_checks_them_too(world: World, ada: APIClient) -> None:
    url = f"{API}/organizations/{world.organization.id}/members/me/workspaces"
    body = {"name": "dev", "template_id": str(world.template.id)}
    for wrong in ({"autostart_schedule": "at nine"}, {"ttl_ms": 1}):
        assert ada.post(url, body | wrong).status_code == 400
    assert not Workspace.objects.exists()
    Template.objects.update(default_ttl_ms=8 * HOUR)
    made = ada.post(url, body | {"autostart_schedule": "0 9 * * *"}).json()
    assert (made["ttl_ms"], made["autostart_schedule"]) == (8 * HOUR, "0 9 * * *")
    assert made["next_start_at"] is not None


def test_ttl_holds_from_the_next_start(world: World, ada: APIClient, workspace: Workspace) -> None:
    assert put(ada, workspace, "ttl", ttl_ms=HOUR).status_code == 204
    assert latest_build(workspace).deadline is None
    ada.post(f"{API}/workspaces/{workspace.id}/builds", {"transition": "start"})
    started = finish(latest_build(workspace))
    assert started.deadline is not None
    assert put(ada, workspace, "ttl", ttl_ms=None).status_code == 204
    assert latest_build(workspace).deadline is None, "switched off: it is not stopped any more"


def test_extend(ada: APIClient, workspace: Workspace) -> None:
    now = timezone.now()

    def extend(hours: float) -> Any:
        return put(ada, workspace, "extend", deadline=(now + timedelta(hours=hours)).isoformat())

    manual = extend(2)
    assert (manual.status_code, manual.json()["message"]) == (
        409,
        "The workspace runs until somebody stops it.",
    )
    WorkspaceBuild.objects.update(deadline=now + timedelta(hours=1), max_deadline=now + timedelta(hours=4))
    assert extend(2).status_code == 200
    assert latest_build(workspace).deadline == now + timedelta(hours=2)
    assert extend(0.6).status_code == 200, "sooner is fine too"
    for wrong, words in ((0.4, "30 minutes"), (5, "at most")):
        answer = extend(wrong)
        assert answer.status_code == 400
        assert words in answer.json()["validations"][0]["detail"]
    ada.post(f"{API}/workspaces/{workspace.id}/builds", {"transition": "stop"})
    assert "still building" in extend(2).json()["message"]
    finish(latest_build(workspace))
    assert extend(2).status_code == 409


def test_dormant_and_awake(world: World, ada: APIClient, workspace: Workspace) -> None:
    Template.objects.update(time_til_dormant_autodelete_ms=HOUR)
    assert put(ada, workspace, "dormant", dormant=False).status_code == 304
    asleep = put(ada, workspace, "dormant", dormant=True)
    assert asleep.status_code == 200
    assert asleep.json()["dormant_at"] is not None
    row = reread(workspace)
    assert row.dormant_at is not None
    assert row.deleting_at == row.dormant_at + timedelta(hours=1)
    assert put(ada, workspace, "dormant", dormant=True).status_code == 304
    assert ada.get(f"{API}/workspaces", {"q": "dormant:true"}).json()["count"] == 1
    Workspace.objects.update(last_used_at=timezone.now() - timedelta(days=99))
    awake = put(ada, workspace, "dormant", dormant=False).json()
    assert (awake["dormant_at"], awake["deleting_at"]) == (None, None)
    assert datetime.fromisoformat(awake["last_used_at"]) > timezone.now() - timedelta(minutes=1)


def test_automatic_updates_and_whether_they_would_fail(
    world: World, ada: APIClient, workspace: Workspace
) -> None:
    url = f"{API}/workspaces/{workspace.id}/resolve-autostart"
    assert ada.get(url).json() == {"parameter_mismatch": False}
    more = 'data "coder_parameter" "team" {\n  name = "team"\n  mutable = true\n}\n'
    file = make_file(world.boss, {"main.tf": MAIN_TF + more})
    result = ImportResult(parameters=(ImportedParameter(name="team", required=True),))
    world.activate(
        make_version(world.boss, world.organization, template=world.template, result=result, file=file)
    )
    assert ada.get(url).json() == {"parameter_mismatch": False}, "it would start on its own version"
    assert put(ada, workspace, "autoupdates", automatic_updates="always").status_code == 204
    assert ada.get(f"{API}/workspaces/{workspace.id}").json()["automatic_updates"] == "always"
    assert ada.get(url).json() == {"parameter_mismatch": True}
    assert client(person("bob")).get(url).status_code == 404


def test_a_favorite_is_the_owners(world: World, ada: APIClient, workspace: Workspace) -> None:
    url = f"{API}/workspaces/{workspace.id}/favorite"
    assert client(world.boss).put(url).status_code == 403
    assert ada.put(url).status_code == 204
    assert ada.get(f"{API}/workspaces/{workspace.id}").json()["favorite"] is True
    assert ada.delete(url).status_code == 204
    assert ada.get(f"{API}/workspaces/{workspace.id}").json()["favorite"] is False


def test_usage_moves_the_deadline(ada: APIClient, workspace: Workspace) -> None:
    now = timezone.now()
    WorkspaceBuild.objects.update(deadline=now + timedelta(minutes=10))
    Workspace.objects.update(last_used_at=now - timedelta(hours=5))
    url = f"{API}/workspaces/{workspace.id}/usage"
    assert ada.post(url, {"app_name": "toaster"}).status_code == 400
    assert ada.post(url, {}).status_code == 204
    deadline = latest_build(workspace).deadline
    assert deadline is not None
    assert deadline > now + timedelta(minutes=59)
    assert reread(workspace).last_used_at >= now


def test_timings(ada: APIClient, workspace: Workspace) -> None:
    agent = agent_of(workspace)
    now = timezone.now()
    http = APIClient()
    http.credentials(HTTP_CODER_SESSION_TOKEN=str(agent.auth_token))
    script = agent.scripts.get()
    run = {
        "script_id": str(script.id),
        "started_at": now - timedelta(seconds=3),
        "ended_at": now,
        "exit_code": 0,
        "stage": "start",
        "status": "ok",
    }
    me = f"{API}/workspaceagents/me"
    for _ in range(2):
        assert http.post(f"{me}/script-timings", {"timings": [run]}).status_code == 204
    foreign = run | {"script_id": str(workspace.id)}
    assert http.post(f"{me}/script-timings", {"timings": [foreign]}).status_code == 204
    assert http.post(f"{me}/script-timings", {"timings": [run | {"stage": "x"}]}).status_code == 400
    http.post(f"{me}/heartbeat")
    for url in (f"workspaces/{workspace.id}/timings", f"workspacebuilds/{workspace.latest_build_id}/timings"):
        found = ada.get(f"{API}/{url}").json()
        assert [t["display_name"] for t in found["agent_script_timings"]] == ["Startup Script"]
        assert [t["workspace_agent_name"] for t in found["agent_connection_timings"]] == ["main"]
        assert found["provisioner_timings"] == []


def test_watching_needs_the_right_to_see_it(ada: APIClient, workspace: Workspace) -> None:
    bob = client(person("bob"))
    assert bob.get(f"{API}/workspaces/{workspace.id}/watch").status_code == 404
    agent = agent_of(workspace)
    assert bob.get(f"{API}/workspaceagents/{agent.id}/watch-metadata").status_code == 404
    answer = ada.get(f"{API}/workspaces/{workspace.id}/watch", HTTP_ACCEPT="text/event-stream")
    assert answer["Content-Type"] == "text/event-stream"
    answer.close()


def test_a_stream_sends_what_changed_and_ends_with_the_right() -> None:
    from coder_admin.foundation.errors import NotFound

    answers: list[Any] = [{"n": 1}, {"n": 1}, {"n": 2}]

    def read(viewer: Subject) -> Any:
        assert viewer.username == "ada"
        if not answers:
            raise NotFound
        return answers.pop(0)

    def login() -> Any:
        ada = Subject("a", username="ada")
        return SimpleNamespace(is_authenticated=True, is_active=True, _rbac_subject=ada)

    async def collect() -> list[bytes]:
        return [
            event
            async for event in data_stream("workspace:x", read, viewer_id="a", login=login, ping_interval=0.2)
        ]

    events = asyncio.run(collect())
    data = [json.loads(e.decode().split("data: ")[1]) for e in events if e != PING]
    assert data == [{"n": 1}, {"n": 2}]
    assert events[0] == PING
