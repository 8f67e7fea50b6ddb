"""Logs that are followed and the news of a workspace, over websockets."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.db import transaction
from django.utils import timezone

from coder_admin.organizations.models import User
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.services import log_append
from coder_admin.workspaces import agents
from coder_admin.workspaces.agent_logs import LogLine
from coder_admin.workspaces.models import Workspace
from coder_admin.workspaces.routing import websocket_urlpatterns
from tests.people import person
from tests.websocket import WebsocketClient

from .world import World, agent_of, finish, latest_build, make_world

pytestmark = pytest.mark.django_db(transaction=True)
in_thread = sync_to_async


def socket(user: Any, path: str) -> WebsocketClient:
    return WebsocketClient(URLRouter(websocket_urlpatterns), f"/api/v2/{path}", user)


@sync_to_async
def _pending() -> tuple[World, Workspace]:
    world = make_world()
    return world, world.create()


@sync_to_async
def _running() -> tuple[World, Workspace]:
    world = make_world()
    return world, world.running()


@sync_to_async
def _log(workspace: Workspace, *texts: str) -> None:
    build = workspace.latest_build
    assert build is not None
    log_append(job_id=build.job_id, lines=[Line(timezone.now(), "Planning", text) for text in texts])


@sync_to_async
def _agent_log(workspace: Workspace, *texts: str, sequence: int = 0) -> None:
    agent = agents.agent_by_token(str(agent_of(workspace).auth_token))
    assert agent is not None
    agents.agent_logs_append(
        agent=agent,
        log_source_id=agent.log_sources.get().id,
        lines=[LogLine(timezone.now(), "info", text) for text in texts],
        run_id="r",
        sequence=sequence,
    )


async def test_a_builds_log_is_followed_to_its_end() -> None:
    world, workspace = await _pending()
    await _log(workspace, "stored")
    feed = socket(world.ada, f"workspacebuilds/{workspace.latest_build_id}/logs?follow")
    assert (await feed.connect())["type"] == "websocket.accept"
    assert (await feed.receive())["output"] == "stored"
    await _log(workspace, "one", "two")
    assert [(await feed.receive())["output"] for _ in range(2)] == ["one", "two"]
    await in_thread(finish)(await in_thread(latest_build)(workspace))
    await feed.closed()


async def test_an_agents_log_is_followed() -> None:
    world, workspace = await _running()
    await _agent_log(workspace, "a")
    agent = await in_thread(agent_of)(workspace)
    feed = socket(world.ada, f"workspaceagents/{agent.id}/logs?follow")
    await feed.connect()
    assert [line["output"] for line in await feed.receive()] == ["a"]
    await _agent_log(workspace, "b", "c", sequence=1)
    assert [line["output"] for line in await feed.receive()] == ["b", "c"]
    await feed.disconnect()


async def test_a_workspace_is_watched() -> None:
    world, workspace = await _pending()
    feed = socket(world.ada, f"workspaces/{workspace.id}/watch-ws")
    await feed.connect()
    assert (await feed.receive())["data"]["latest_build"]["status"] == "pending"
    await in_thread(finish)(await in_thread(latest_build)(workspace))
    assert (await feed.receive())["data"]["latest_build"]["status"] == "running"
    await feed.disconnect()


@pytest.mark.parametrize(
    "what", ["workspacebuilds/{build}/logs", "workspaceagents/{agent}/logs", "workspaces/{id}/watch-ws"]
)
async def test_strangers_are_refused(what: str) -> None:
    _, workspace = await _running()
    bob: User = await in_thread(person)("bob")
    agent = await in_thread(agent_of)(workspace)
    path = what.format(build=workspace.latest_build_id, agent=agent.id, id=workspace.id)
    feed = socket(bob, path)
    await feed.connect()
    assert (await feed.closed())["code"] == 4404


async def test_who_loses_the_right_is_cut_off() -> None:
    """A prebuild that a template admin watches is claimed."""

    @sync_to_async
    def give_away(workspace: Workspace, user: User) -> None:
        from coder_admin.workspaces.news import announce_workspace

        with transaction.atomic():
            Workspace.objects.filter(pk=workspace.pk).update(owner=user)
            announce_workspace(workspace, "build")

    world, workspace = await _running()
    feed = socket(world.ada, f"workspaces/{workspace.id}/watch-ws")
    await feed.connect()
    await feed.receive()
    await give_away(workspace, world.boss)
    assert (await feed.closed())["code"] == 4404
