"""What agents measure, over HTTP with their tokens (reference 3.2): stats, metadata, health of apps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from coder_admin.catalog.models import Template
from coder_admin.provisioning.engines.base import AgentMetadataResult
from coder_admin.workspaces.agent_reports import CUT_NOTE, LONGEST_VALUE
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentMetadatum,
    WorkspaceAgentStats,
    WorkspaceBuild,
)
from tests.people import client, person

from .test_agents import ME, as_agent, begin
from .world import World, agent_of, agent_result, finish, outcome, reread, settled

API = "/api/v2"
REPORTS: list[tuple[str, dict[str, Any]]] = [
    ("report-stats", {"connection_count": 1}),
    ("metadata", {"metadata": []}),
    ("app-health", {"healths": {}}),
    ("script-timings", {"timings": []}),
]


def metadata_agent() -> Any:
    return agent_result(
        metadata=(
            AgentMetadataResult("cpu", "CPU", "top", interval=5, timeout=1, order=2),
            AgentMetadataResult("disk", "Disk", "df", interval=60, order=1),
        )
    )


@pytest.fixture
def agent(world: World) -> WorkspaceAgent:
    return agent_of(settled(world.create(), outcome(metadata_agent())))


@pytest.mark.parametrize(("path", "body"), REPORTS)
def test_wrong_old_and_foreign_tokens_are_401(world: World, path: str, body: dict[str, Any]) -> None:
    workspace = world.running()
    old = agent_of(workspace)
    assert as_agent(old).post(f"{ME}/{path}", body).status_code in (200, 204)
    finish(begin(world, workspace, "start"))
    for token in ("", "nonsense", "0f6d1c3e-0000-4000-8000-000000000000", str(old.auth_token)):
        assert as_agent(token).post(f"{ME}/{path}", body).status_code == 401
    assert client(world.boss).post(f"{ME}/{path}", body).status_code == 401


def test_stats_are_use(world: World, agent: WorkspaceAgent) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    soon = timezone.now() + timedelta(minutes=5)
    Workspace.objects.update(last_used_at=long_ago)
    WorkspaceBuild.objects.update(deadline=soon)
    http = as_agent(agent)
    idle = http.post(f"{ME}/report-stats", {"rx_bytes": 5, "listening_ports": [{"port": 8080}]})
    assert idle.json() == {"report_interval": 30_000_000_000}
    workspace = Workspace.objects.get()
    assert workspace.last_used_at == long_ago, "nobody is connected"
    body = {
        "connection_count": 2,
        "connections_by_proto": {"TCP": 2},
        "connection_median_latency_ms": 1.5,
        "session_count_vscode": 1,
    }
    assert http.post(f"{ME}/report-stats", body).status_code == 200
    assert reread(workspace).last_used_at > long_ago
    deadline = WorkspaceBuild.objects.get().deadline
    assert deadline is not None
    assert deadline > soon + timedelta(minutes=50)
    stats = WorkspaceAgentStats.objects.get()
    assert (stats.connection_count, stats.session_count_vscode, stats.rx_bytes) == (2, 1, 0)
    for wrong in ({"connection_count": -1}, {"connections_by_proto": {"TCP": "x"}}, {"rx_bytes": 2**60}):
        assert http.post(f"{ME}/report-stats", wrong).status_code == 400


def test_stats_of_a_prebuild_move_nothing(world: World) -> None:
    prebuild = world.prebuild()
    long_ago, soon = timezone.now() - timedelta(days=3), timezone.now() + timedelta(minutes=5)
    Workspace.objects.update(last_used_at=long_ago)
    WorkspaceBuild.objects.update(deadline=soon)
    body = {"connection_count": 9, "session_count_ssh": 1}
    assert as_agent(agent_of(prebuild)).post(f"{ME}/report-stats", body).status_code == 200
    assert reread(prebuild).last_used_at == long_ago
    assert WorkspaceBuild.objects.get().deadline == soon


def test_activity_never_passes_the_longest_life(world: World, agent: WorkspaceAgent) -> None:
    now = timezone.now()
    WorkspaceBuild.objects.update(
        deadline=now + timedelta(minutes=5), max_deadline=now + timedelta(minutes=20)
    )
    as_agent(agent).post(f"{ME}/report-stats", {"session_count_jetbrains": 1})
    assert WorkspaceBuild.objects.get().deadline == now + timedelta(minutes=20)
    Template.objects.update(activity_bump_ms=0)
    WorkspaceBuild.objects.update(deadline=now + timedelta(minutes=5))
    as_agent(agent).post(f"{ME}/report-stats", {"session_count_jetbrains": 1})
    assert WorkspaceBuild.objects.get().deadline == now + timedelta(minutes=5)


def datum(key: str, at: datetime, value: str = "", error: str = "") -> dict[str, Any]:
    return {"key": key, "value": value, "error": error, "collected_at": at}


def test_metadata(world: World, agent: WorkspaceAgent) -> None:
    http, now = as_agent(agent), timezone.now()
    assert [m["key"] for m in http.get(f"{ME}/manifest").json()["metadata"]] == ["disk", "cpu"]
    body = {"metadata": [datum("cpu", now, "12%"), datum("disk", now, error="df: no such file")]}
    assert http.post(f"{ME}/metadata", body).status_code == 204
    late = {"metadata": [datum("cpu", now - timedelta(seconds=1), "11%")]}
    assert http.post(f"{ME}/metadata", late).status_code == 204
    shown = client(world.ada).get(f"{API}/workspaceagents/{agent.id}").json()["metadata"]
    assert [m["description"]["display_name"] for m in shown] == ["Disk", "CPU"]
    assert (shown[1]["result"]["value"], shown[0]["result"]["error"]) == ("12%", "df: no such file")
    unknown = http.post(f"{ME}/metadata", {"metadata": [datum("gpu", now)]})
    assert unknown.status_code == 400
    assert http.post(f"{ME}/metadata", {"metadata": [{"key": "cpu"}]}).status_code == 400


def test_long_values_are_cut_with_a_notice(agent: WorkspaceAgent) -> None:
    body = {"metadata": [datum("cpu", timezone.now(), "x" * 50_000 + "\0", "e" * 50_000)]}
    assert as_agent(agent).post(f"{ME}/metadata", body).status_code == 204
    row = WorkspaceAgentMetadatum.objects.get(key="cpu")
    assert len(row.value) == len(row.error) == LONGEST_VALUE
    assert row.value.endswith(CUT_NOTE)


def test_health_of_apps(world: World, agent: WorkspaceAgent) -> None:
    http, app = as_agent(agent), agent.apps.get()
    assert http.post(f"{ME}/app-health", {"healths": {str(app.id): "unhealthy"}}).status_code == 200
    app.refresh_from_db()
    assert app.health == "unhealthy"
    other = agent_of(world.running("other")).apps.get()
    for key, health in (
        (str(app.id), "fine"),
        (str(app.id), "disabled"),
        (str(other.id), "healthy"),
        ("x", "healthy"),
    ):
        assert http.post(f"{ME}/app-health", {"healths": {key: health}}).status_code == 400
    type(app).objects.filter(pk=app.pk).update(healthcheck_url="")
    assert http.post(f"{ME}/app-health", {"healths": {str(app.id): "healthy"}}).status_code == 400


def test_what_people_ask_of_an_agent(world: World, agent: WorkspaceAgent) -> None:
    as_agent(agent).post(f"{ME}/report-stats", {"listening_ports": [{"port": 8080, "process_name": "node"}]})
    ada, bob = client(world.ada), client(person("bob"))
    url = f"{API}/workspaceagents/{agent.id}"
    ports = ada.get(f"{url}/listening-ports").json()
    assert ports == {"ports": [{"port": 8080, "network": "tcp", "process_name": "node"}]}
    assert ada.get(f"{url}/connection").json()["derp_map"] is None
    assert ada.get(f"{url}/containers").json()["containers"] == []
    for path in ("", "/listening-ports", "/connection", "/containers", "/watch-metadata", "/logs"):
        assert bob.get(url + path).status_code == 404


def test_login_is_held_back_while_a_blocking_script_may_run(world: World, agent: WorkspaceAgent) -> None:
    ada = client(world.ada)
    url = f"{API}/workspaceagents/{agent.id}"
    assert ada.get(url).json()["startup_script_behavior"] == "non-blocking"
    agent.scripts.update(start_blocks_login=True)
    found = ada.get(url).json()
    assert (found["startup_script_behavior"], found["login_before_ready"]) == ("blocking", False)


def test_each_of_several_agents_is_reinitialised(world: World) -> None:
    """Two agents: each keeps its own token over the claim and gets its own manifest of the new build."""
    prebuild = settled(
        world.prebuild(settle=False), outcome(agent_result(name="main"), agent_result(name="db"))
    )
    tokens = {
        row.name: str(row.auth_token)
        for row in WorkspaceAgent.objects.filter(resource__workspace_build__workspace=prebuild)
    }
    Workspace.objects.filter(pk=prebuild.pk).update(owner=world.ada, name="mine")
    claim = begin(world, prebuild, "start", stage="claim")
    from coder_admin.workspaces.engine_request import _running_tokens

    assert _running_tokens(claim) == tokens
    finish(claim, outcome(*(agent_result(token, name) for name, token in tokens.items())))
    for name, token in tokens.items():
        found = as_agent(token).get(f"{ME}/manifest").json()
        assert (found["agent_name"], found["owner_username"]) == (name, "ada")
        assert found["workspace_build_id"] == str(claim.id)
    for token in tokens.values():  # not closed: that would close the test's database connection
        answer = as_agent(token).get(f"{ME}/reinit?wait=true", HTTP_ACCEPT="text/event-stream")
        assert answer["Content-Type"] == "text/event-stream"
