"""What agents may do and what becomes of their reports (reference 3.2), over HTTP with their tokens."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.workspaces import builder
from coder_admin.workspaces.agent_logs import FULL_NOTE, LOG_LIMIT
from coder_admin.workspaces.agents import MAXIMUM_LOG_SOURCES
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentLogSource,
    WorkspaceBuild,
)
from coder_admin.workspaces.reinit import claim_state, reinit_stream
from coder_admin.workspaces.streams import PING
from tests.people import client, subject

from .world import World, agent_of, agent_result, fail, finish, make_world, outcome, reread, settled

ME = "/api/v2/workspaceagents/me"


def as_agent(agent: WorkspaceAgent | str) -> APIClient:
    token = agent if isinstance(agent, str) else str(agent.auth_token)
    http = APIClient()
    http.credentials(HTTP_CODER_SESSION_TOKEN=token)
    return http


@pytest.fixture
def agent(world: World) -> WorkspaceAgent:
    return agent_of(world.running())


def begin(world: World, workspace: Workspace, transition: str, **more: Any) -> WorkspaceBuild:
    from django.db import transaction

    with transaction.atomic():
        return builder.build(
            actor=subject(world.boss), workspace=reread(workspace), transition=transition, **more
        )


def test_the_manifest_is_all_it_needs(world: World, agent: WorkspaceAgent) -> None:
    found = as_agent(agent).get(f"{ME}/manifest").json()
    workspace = Workspace.objects.get()
    assert found["agent_id"] == str(agent.id)
    assert found["agent_name"] == "main"
    assert (found["owner_id"], found["owner_username"]) == (str(world.ada.id), "ada")
    assert (found["workspace_id"], found["workspace_name"]) == (str(workspace.id), "dev")
    assert found["workspace_build_id"] == str(workspace.latest_build_id)
    assert found["environment_variables"] == {"GREETING": "hello"}
    script = found["scripts"][0]
    assert (script["script"], script["run_on_start"], script["timeout"]) == ("echo hi", True, 0)
    assert script["log_source_id"] == str(agent.log_sources.get().id)
    assert found["apps"][0]["slug"] == "code"


@pytest.mark.parametrize("token", ["", "nonsense", "0f6d1c3e-0000-4000-8000-000000000000"])
def test_wrong_tokens_are_401(agent: WorkspaceAgent, token: str) -> None:
    for path in ("manifest", "reinit"):
        assert as_agent(token).get(f"{ME}/{path}").status_code == 401
    assert as_agent(token).post(f"{ME}/heartbeat").status_code == 401


def test_a_persons_token_is_no_agents(world: World, agent: WorkspaceAgent) -> None:
    assert client(world.boss).get(f"{ME}/manifest").status_code == 401
    # ... and an agent's is no person's.
    assert as_agent(agent).get("/api/v2/workspaces").status_code == 401


def test_a_token_lives_until_the_next_build_succeeded(world: World) -> None:
    workspace = world.running()
    old = agent_of(workspace)
    stop = begin(world, workspace, "stop")
    assert as_agent(old).get(f"{ME}/manifest").status_code == 200, "a waiting build revokes nothing"
    fail(stop)
    assert as_agent(old).get(f"{ME}/manifest").status_code == 200, "nor does one that failed"
    finish(begin(world, workspace, "stop"))
    assert as_agent(old).get(f"{ME}/manifest").status_code == 401
    finish(begin(world, workspace, "start"))
    assert as_agent(old).get(f"{ME}/manifest").status_code == 401
    assert as_agent(agent_of(workspace)).get(f"{ME}/manifest").status_code == 200


def test_a_claim_keeps_the_token_and_gives_the_new_manifest(world: World) -> None:
    prebuild = world.prebuild()
    before = agent_of(prebuild)
    token = str(before.auth_token)
    Workspace.objects.filter(pk=prebuild.pk).update(owner=world.ada, name="mine")
    claim = begin(world, prebuild, "start", stage="claim")
    assert as_agent(token).get(f"{ME}/manifest").json()["agent_id"] == str(before.id)
    finish(claim, outcome(agent_result(token)))
    after = as_agent(token).get(f"{ME}/manifest").json()
    assert after["agent_id"] != str(before.id)
    assert (after["owner_username"], after["workspace_build_id"]) == ("ada", str(claim.id))
    # A late report of the prebuild's run must not make the new owner's agent ready.
    late = {"state": "ready", "agent_id": str(before.id)}
    assert as_agent(token).post(f"{ME}/lifecycle", late).status_code == 204
    assert WorkspaceAgent.objects.get(pk=after["agent_id"]).lifecycle_state == "created"
    # Nor do late lines of its scripts come into the new owner's log.
    source = before.log_sources.get()
    line = {"created_at": timezone.now(), "output": "late", "level": "info"}
    body = {"log_source_id": str(source.id), "logs": [line], "run_id": "old", "sequence": 0}
    assert as_agent(token).patch(f"{ME}/logs", body).status_code == 200
    assert WorkspaceAgentLog.objects.get().agent_id == before.id


def test_a_deleted_workspaces_agent_is_nobody(world: World, agent: WorkspaceAgent) -> None:
    finish(begin(world, Workspace.objects.get(), "delete"))
    assert as_agent(agent).get(f"{ME}/manifest").status_code == 401


def test_startup(agent: WorkspaceAgent) -> None:
    body = {"version": "v1.2.3", "expanded_directory": "/home/ada", "subsystems": ["envbox", "exectrace"]}
    assert as_agent(agent).post(f"{ME}/startup", body).status_code == 204
    agent.refresh_from_db()
    assert agent.first_connected_at is not None
    assert agent.last_connected_at is not None
    agent.refresh_from_db()
    assert (agent.version, agent.expanded_directory) == ("v1.2.3", "/home/ada")
    assert agent.subsystems == ["envbox", "exectrace"]
    bad = as_agent(agent).post(f"{ME}/startup", {"version": "1.2", "subsystems": ["docker"]})
    assert bad.status_code == 400
    assert [v["field"] for v in bad.json()["validations"]] == ["version", "subsystems"]


def test_lifecycle(agent: WorkspaceAgent) -> None:
    http = as_agent(agent)
    started = timezone.now() - timedelta(seconds=30)
    http.post(f"{ME}/lifecycle", {"state": "starting", "changed_at": started})
    http.post(f"{ME}/lifecycle", {"state": "ready"})
    agent.refresh_from_db()
    assert (agent.lifecycle_state, agent.started_at) == ("ready", started)
    assert agent.ready_at is not None
    assert agent.ready_at > started
    http.post(f"{ME}/lifecycle", {"state": "starting"})
    assert WorkspaceAgent.objects.get(pk=agent.pk).ready_at is None
    assert http.post(f"{ME}/lifecycle", {"state": "happy"}).status_code == 400
    assert http.post(f"{ME}/lifecycle", {}).status_code == 400


def test_heartbeat_and_disconnect(agent: WorkspaceAgent) -> None:
    http = as_agent(agent)
    http.post(f"{ME}/heartbeat", {})
    agent.refresh_from_db()
    first = agent.first_connected_at
    assert first is not None
    assert agent.last_connected_at == first
    http.post(f"{ME}/disconnect", {})
    agent.refresh_from_db()
    assert agent.disconnected_at is not None
    http.post(f"{ME}/heartbeat", {})
    again = WorkspaceAgent.objects.get(pk=agent.pk)
    assert (again.first_connected_at, again.disconnected_at) == (first, None)


def _send(agent: WorkspaceAgent, outputs: list[str], *, sequence: int = 0, run: str = "r") -> int:
    lines = [{"created_at": timezone.now(), "output": o, "level": "info"} for o in outputs]
    body = {
        "log_source_id": str(agent.log_sources.get().id),
        "logs": lines,
        "run_id": run,
        "sequence": sequence,
    }
    return as_agent(agent).patch(f"{ME}/logs", body).status_code


def _stored(agent: WorkspaceAgent) -> list[str]:
    return list(WorkspaceAgentLog.objects.filter(agent=agent).order_by("id").values_list("output", flat=True))


def test_logs_are_stored_in_order_and_once(agent: WorkspaceAgent) -> None:
    assert _send(agent, ["a", "b"]) == 200
    assert _send(agent, ["a", "b"]) == 200
    assert _send(agent, ["b", "", "  c"], sequence=1) == 200
    assert _stored(agent) == ["a", "b", "", "  c"]
    assert _send(agent, ["again"], run="another") == 200
    assert _stored(agent)[-1] == "again"
    assert _send(agent, ["a\0b", "x" * 70_000], run="raw") == 200
    assert _stored(agent)[-2] == "a\N{REPLACEMENT CHARACTER}b"
    assert _stored(agent)[-1].endswith("(line cut)")


def test_a_batch_above_the_servers_limit_is_refused_unread(agent: WorkspaceAgent, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    assert _send(agent, ["x" * 20_000]) == 413
    assert _send(agent, ["small"]) == 200
    assert _stored(agent) == ["small"]


def test_a_full_log_is_413_and_keeps_what_fits(agent: WorkspaceAgent) -> None:
    WorkspaceAgent.objects.filter(pk=agent.pk).update(logs_length=LOG_LIMIT - 10)
    assert _send(agent, ["12345", "67890"]) == 413
    assert _stored(agent) == ["12345", FULL_NOTE]
    agent.refresh_from_db()
    assert agent.logs_overflowed
    assert _send(agent, ["x"], sequence=2) == 413
    assert _stored(agent) == ["12345", FULL_NOTE], "the notice comes once"


def test_log_sources(world: World, agent: WorkspaceAgent) -> None:
    mine, body = as_agent(agent), {"id": str(uuid.uuid4()), "display_name": "Dotfiles", "icon": "/d.svg"}
    assert mine.post(f"{ME}/log-source", body).status_code == 201
    assert mine.post(f"{ME}/log-source", body).json()["id"] == body["id"], "again is the same"
    other = agent_of(world.running("other"))
    assert as_agent(other).post(f"{ME}/log-source", body).status_code == 400
    line = {"created_at": timezone.now(), "output": "x", "level": "info"}
    foreign = {"log_source_id": body["id"], "logs": [line]}
    assert as_agent(other).patch(f"{ME}/logs", foreign).status_code == 404
    assert mine.patch(f"{ME}/logs", {"log_source_id": "x", "logs": "y"}).status_code == 400
    assert mine.patch(f"{ME}/logs", {**foreign, "logs": [line] * 2001}).status_code == 400
    WorkspaceAgentLogSource.objects.bulk_create(
        WorkspaceAgentLogSource(agent=agent, display_name="x") for _ in range(MAXIMUM_LOG_SOURCES)
    )
    more = {"id": str(uuid.uuid4()), "display_name": "one too many"}
    assert mine.post(f"{ME}/log-source", more).status_code == 400


def test_reinit_of_what_never_was_a_prebuild_is_409(agent: WorkspaceAgent) -> None:
    answer = as_agent(agent).get(f"{ME}/reinit?wait=true", HTTP_ACCEPT="text/event-stream")
    assert answer.status_code == 409


def test_the_claim_is_told_only_while_it_is_the_latest_build(world: World) -> None:
    prebuild = world.prebuild()
    assert claim_state(prebuild.id)[0].possible
    assert not claim_state(prebuild.id)[0].claimed
    Workspace.objects.filter(pk=prebuild.pk).update(owner=world.ada, name="mine")
    claim = begin(world, prebuild, "start", stage="claim")
    assert not claim_state(prebuild.id)[0].claimed, "not before the build succeeded"
    finish(claim, outcome(agent_result()))
    answer, event = claim_state(prebuild.id)
    assert answer.claimed
    assert event == {
        "WorkspaceID": str(prebuild.id),
        "reason": "prebuild_claimed",
        "OwnerID": str(world.ada.id),
        "BuildID": str(claim.id),
    }
    settled_again = settled(prebuild) if begin(world, prebuild, "start") else prebuild
    assert not claim_state(settled_again.id)[0].possible


@pytest.mark.django_db(transaction=True)
async def test_the_stream_of_a_waiting_agent_ends_with_its_token() -> None:
    @sync_to_async
    def prebuild() -> tuple[World, Workspace, str]:
        world = make_world()
        made = world.prebuild()
        return world, made, str(agent_of(made).auth_token)

    @sync_to_async
    def stop(world: World, workspace: Workspace) -> None:
        finish(begin(world, workspace, "stop"))

    world, workspace, token = await prebuild()
    stream = reinit_stream(workspace.id, token=token, ping_interval=0.05)
    assert [await anext(stream) for _ in range(3)] == [PING] * 3
    await stop(world, workspace)
    async with asyncio.timeout(20):
        assert {event async for event in stream} <= {PING}
