"""A workspace's whole life with real parts: server, worker, embedded engine, agent processes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.db import connections, transaction

from coder_admin.foundation import events
from coder_admin.provisioning.agents import AgentSupervisor
from coder_admin.provisioning.worker import Worker
from coder_admin.workspaces import builder, claims, processes, services
from coder_admin.workspaces.claims import ClaimRequest
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceAgentLog, WorkspaceBuild
from tests.catalog.factories import make_file, make_version
from tests.people import subject

from .world import IMPORT, World, make_world, orchestrator, reread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

MAIN_TF = """
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
  count          = data.coder_workspace.me.start_count
  os             = "linux"
  arch           = "amd64"
  startup_script = "echo Preparing for $CODER_WORKSPACE_OWNER_NAME; sleep 600 >/dev/null 2>&1 &"
  shutdown_script = "echo Goodbye"
}
resource "terraform_data" "disk" {
  input            = "10 GiB"
  triggers_replace = [data.coder_workspace_owner.me.name]
}
"""


def until(condition: Callable[[], Any], what: str, within: float = 30) -> Any:
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def running_app(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentSupervisor]:
    """The server on a free port, a worker, and a supervisor of its own."""
    from coder_admin.asgi import application

    supervisor = AgentSupervisor()
    monkeypatch.setattr(processes, "supervisor", supervisor)
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        events.bind_loop(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    until(lambda: server.started, "the server")
    port = server.servers[0].sockets[0].getsockname()[1]
    settings.ACCESS_URL = f"http://127.0.0.1:{port}"
    with Worker(concurrency=2, name="test", sweep_seconds=30):
        yield supervisor
        supervisor.stop_all(grace=3)
    server.should_exit = True
    thread.join(10)
    events.bind_loop(None)
    connections.close_all()


@pytest.fixture
def world() -> World:
    world = make_world()
    file = make_file(world.boss, {"main.tf": MAIN_TF})
    with transaction.atomic():
        version = make_version(
            world.boss, world.organization, template=world.template, result=IMPORT, file=file
        )
    world.activate(version)
    return world


def latest(workspace: Workspace) -> WorkspaceBuild:
    build = reread(workspace).latest_build
    assert build is not None
    return build


def ended(workspace: Workspace, number: int) -> WorkspaceBuild:
    build: WorkspaceBuild = until(
        lambda: (b := latest(workspace)).build_number == number and b.job.completed_at is not None and b,
        f"the end of build {number}",
    )
    lines = "\n".join(build.job.logs.values_list("output", flat=True))
    assert build.job.job_status == "succeeded", f"{build.job.error}\n{lines}"
    return build


def ready_agent(build: WorkspaceBuild) -> WorkspaceAgent:
    rows = WorkspaceAgent.objects.filter(resource__workspace_build=build, lifecycle_state="ready")
    agent: WorkspaceAgent = until(rows.first, "the agent is ready")
    return agent


def log_of(agent: WorkspaceAgent) -> list[str]:
    return list(WorkspaceAgentLog.objects.filter(agent=agent).order_by("id").values_list("output", flat=True))


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_from_the_pool_to_the_end(world: World, running_app: AgentSupervisor) -> None:
    pooled = world.prebuild(settle=False)
    first = ended(pooled, 1)
    before = ready_agent(first)
    until(lambda: log_of(before), "the prebuild's log")
    assert log_of(before) == ["Preparing for prebuilds"]
    pid = next(iter(running_app.running(pooled.id).values()))
    told: list[dict[str, list[str]]] = []

    def claim(request: ClaimRequest) -> Workspace:
        found = Workspace.objects.get(pk=pooled.pk)
        found.owner_id, found.name = request.owner_id, request.name
        found.save()
        return found

    saved = claims._claimers[:], claims._listeners[:]
    claims._claimers[:] = [claim]
    claims._listeners[:] = [lambda build, replaced: told.append(dict(replaced))]
    try:
        mine = world.create("mine", preset_id=first.template_version_preset_id)
    finally:
        claims._claimers[:] = saved[0]
    assert mine.id == pooled.id
    second = ended(mine, 2)
    after = ready_agent(second)
    assert after.auth_token == before.auth_token, "the living agent keeps its token"
    assert after.id != before.id
    until(lambda: log_of(after), "the owner's log")
    assert log_of(after) == ["Preparing for ada"]
    assert log_of(before) == ["Preparing for prebuilds"]
    assert running_app.running(mine.id) == {f"{mine.id}/main": pid}, "the same process"
    until(lambda: len(children(pid)) == 1, "only the new owner's background process is left")
    until(lambda: told, "the listeners")
    assert list(told[0]) == ["terraform_data.disk"]
    assert second.resource_replacements == told[0]
    warnings = list(second.job.logs.filter(level="warn").values_list("output", flat=True))
    assert "  -/+ terraform_data.disk (replace)" in warnings
    claims._listeners[:] = saved[1]

    services.workspace_stop(actor=subject(world.ada), workspace=reread(mine))
    ended(mine, 3)
    until(lambda: not running_app.running(mine.id), "the agent's end")
    assert not os.path.exists(f"/proc/{pid}")
    after.refresh_from_db()
    assert after.lifecycle_state == "off"
    assert "Goodbye" in log_of(after)

    services.workspace_start(actor=subject(world.ada), workspace=reread(mine))
    again = ready_agent(ended(mine, 4))
    assert again.auth_token != before.auth_token
    services.workspace_delete(actor=subject(world.ada), workspace=reread(mine))
    ended(mine, 5)
    assert reread(mine).deleted
    until(lambda: not processes.workspace_folder(mine.id).exists(), "the folder is removed")
    assert not running_app.running(mine.id)


TWO_AGENTS_TF = """
data "coder_workspace_owner" "me" {}
data "coder_parameter" "size" {
  name    = "size"
  type    = "number"
  default = "1"
  mutable = true
}
resource "coder_agent" "web" {
  os             = "linux"
  arch           = "amd64"
  startup_script = "echo web for $CODER_WORKSPACE_OWNER_NAME"
  metadata {
    key      = "who"
    script   = "echo $CODER_WORKSPACE_OWNER_NAME"
    interval = 1
  }
}
resource "coder_agent" "db" {
  os             = "linux"
  arch           = "amd64"
  startup_script = "echo db for $CODER_WORKSPACE_OWNER_NAME"
}
"""


def test_every_agent_of_a_claimed_workspace_starts_over(world: World, running_app: AgentSupervisor) -> None:
    file = make_file(world.boss, {"main.tf": TWO_AGENTS_TF})
    with transaction.atomic():
        version = make_version(
            world.boss, world.organization, template=world.template, result=IMPORT, file=file
        )
    world.activate(version)
    pooled = world.prebuild(settle=False)
    before = {agent.name: agent for agent in ready_agents(ended(pooled, 1), 2)}
    assert sorted(before) == ["db", "web"]
    with transaction.atomic():
        Workspace.objects.filter(pk=pooled.pk).update(owner=world.ada, name="mine")
        builder.build(actor=subject(world.ada), workspace=reread(pooled), transition="start", stage="claim")
    after = {agent.name: agent for agent in ready_agents(ended(pooled, 2), 2)}
    for name, agent in after.items():
        assert agent.auth_token == before[name].auth_token
        until(partial(log_of, agent), f"the log of {name}")
        assert log_of(agent) == [f"{name} for ada"]
        assert log_of(before[name]) == [f"{name} for prebuilds"]
    until(lambda: after["web"].metadata.filter(value="ada").exists(), "the new owner's metadata")
    until(lambda: after["db"].scripts.get().timings.filter(status="ok").exists(), "a timing")


def ready_agents(build: WorkspaceBuild, count: int) -> list[WorkspaceAgent]:
    rows = WorkspaceAgent.objects.filter(resource__workspace_build=build, lifecycle_state="ready")
    found: list[WorkspaceAgent] = until(
        lambda: (all_ := list(rows.all())) and len(all_) == count and all_, f"{count} ready agents"
    )
    return found


def test_a_restart_begins_anew_and_agents_come_back(
    world: World, running_app: AgentSupervisor, settings: Any
) -> None:
    workspace = world.create()
    old = ready_agent(ended(workspace, 1))
    settings.ENABLE_TERRAFORM_DEBUG_MODE = True
    with transaction.atomic():
        builder.build(
            actor=subject(world.boss), workspace=reread(workspace), transition="start", log_level="debug"
        )
    debug = ended(workspace, 2).job.logs.filter(level="debug").values_list("output", flat=True)
    assert "terraform_data.disk: no-op" in debug
    new = ready_agent(ended(workspace, 2))
    assert new.id != old.id
    assert log_of(new) == ["Preparing for ada"]
    # As after a restart of the app: nothing runs, and the worker's start brings it back.
    running_app.stop(workspace.id)
    WorkspaceAgent.objects.update(lifecycle_state="created")
    processes.restore()
    until(lambda: len(running_app.running(workspace.id)) == 1, "one agent process")
    ready_agent(latest(workspace))


def test_an_engine_error_fails_the_build_and_keeps_the_state(
    world: World, running_app: AgentSupervisor
) -> None:
    workspace = world.create()
    good = ended(workspace, 1)
    file = make_file(world.boss, {"main.tf": MAIN_TF + 'resource "aws_instance" "x" {}\n'})
    with transaction.atomic():  # or the worker would take the import that the factory completes itself
        broken = make_version(
            world.boss, world.organization, template=world.template, result=IMPORT, file=file
        )
    services.workspace_start(actor=subject(world.ada), workspace=reread(workspace), version=broken)
    until(lambda: latest(workspace).job.completed_at, "the end of the build")
    build = latest(workspace)
    assert build.job.job_status == "failed"
    assert "aws_instance" in build.job.error
    assert bytes(build.provisioner_state or b"") == bytes(good.provisioner_state or b"")
    with orchestrator():
        services.workspace_delete(actor=subject(world.ada), workspace=reread(workspace))
    ended(workspace, 3)
    assert reread(workspace).deleted
