"""`/ws/live`: what may be followed, and what an event says."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from coder_admin.dashboard.consumers import BAD_MESSAGE, MAX_TOPICS, TOO_LARGE, LiveConsumer
from coder_admin.dashboard.live import authorise
from coder_admin.foundation.events import publish
from coder_admin.organizations.logins import session_login
from coder_admin.organizations.models import User
from coder_admin.organizations.socket_life import ENDED
from rbac.django import subject_for
from tests.websocket import WebsocketClient

from .world import World, world

pytestmark = pytest.mark.django_db(transaction=True)


def topics(here: World) -> dict[str, str]:
    build = here.workspace.latest_build
    assert build is not None
    return {
        "workspace": f"workspace:{here.workspace.pk}",
        "job": f"job:{build.job_id}",
        "import": f"job:{here.version.job_id}",
        "agent": f"agent-logs:{here.agent.pk}",
        "template": f"template:{here.template.pk}",
        "version": f"template-version:{here.version.pk}",
        "pools": f"pools:{here.template.organization_id}",
        "workspaces": f"workspaces:{here.template.organization_id}",
        "people": f"people:{here.template.organization_id}",
        "own inbox": f"inbox:{here.member.pk}",
    }


def test_a_member_follows_what_a_member_may_read() -> None:
    here = world()
    everything = topics(here)
    answer = authorise(subject_for(here.member), everything.values())
    assert set(answer.granted) == set(everything.values())
    assert answer.refused == ()


def test_a_stranger_follows_nothing_and_nobody_reads_another_inbox() -> None:
    here = world()
    assert authorise(subject_for(here.stranger), topics(here).values()).granted == ()
    assert authorise(subject_for(here.owner), [f"inbox:{here.member.pk}"]).granted == ()
    assert authorise(subject_for(AnonymousUser()), topics(here).values()).granted == ()


def test_what_does_not_exist_is_refused_like_what_is_forbidden() -> None:
    here = world()
    odd = ["prebuilds:wake", "workspace:", "workspace:none", f"nothing:{uuid.uuid4()}", f"job:{uuid.uuid4()}"]
    odd.append(f"workspace:{str(here.workspace.pk).upper()}")
    answer = authorise(subject_for(here.owner), odd)
    assert answer.granted == ()
    assert list(answer.refused) == odd


def test_many_topics_cost_as_many_queries_as_few(django_assert_max_num_queries: Any) -> None:
    here = world()
    viewer = subject_for(here.member)
    many = [f"workspace:{uuid.uuid4()}" for _ in range(100)] + list(topics(here).values())
    with django_assert_max_num_queries(10):
        authorise(viewer, many)


def test_a_look_at_an_open_page_costs_as_many_queries_for_many_topics(
    django_assert_max_num_queries: Any,
) -> None:
    """The login, the user, memberships and groups, then one query per kind of topic."""
    here = world()
    browser = Client()
    browser.force_login(here.member)
    login = session_login(browser.cookies["sessionid"].value)
    many = [f"workspace:{uuid.uuid4()}" for _ in range(150)] + list(topics(here).values())
    with django_assert_max_num_queries(14):
        answer = authorise(subject_for(login()), many)
    assert set(answer.granted) == set(topics(here).values())


async def connected(user: Any) -> WebsocketClient:
    client = WebsocketClient(LiveConsumer.as_asgi(), "/ws/live", user)
    answer = await client.connect()
    assert answer["type"] == "websocket.accept"
    return client


async def send(client: WebsocketClient, **message: Any) -> None:
    import json

    await client._asgi.send_input({"type": "websocket.receive", "text": json.dumps(message)})


async def test_an_event_reaches_who_follows_it_without_its_content() -> None:
    here = await database_sync_to_async(world)()
    client = await connected(here.member)
    topic = f"workspace:{here.workspace.pk}"
    await send(client, type="subscribe", topics=[topic, f"workspace:{uuid.uuid4()}"])
    assert await client.receive() == {"type": "subscribed", "topics": [topic]}
    refused = await client.receive()
    assert refused["type"] == "refused"
    assert len(refused["topics"]) == 1
    await sync_to_async(publish)(topic, {"kind": "build", "secret": "x"})
    assert await client.receive() == {"type": "event", "topic": topic, "kind": "build"}
    await send(client, type="unsubscribe", topics=[topic])
    await sync_to_async(publish)(topic, {"kind": "build"})
    assert await client.is_silent()
    await client.disconnect()


async def test_rights_are_read_anew_for_each_subscription() -> None:
    here = await database_sync_to_async(world)()
    client = await connected(here.member)
    await database_sync_to_async(User.objects.filter(pk=here.member.pk).update)(status="suspended")
    topic = f"workspace:{here.workspace.pk}"
    await send(client, type="subscribe", topics=[topic])
    assert await client.receive() == {"type": "refused", "topics": [topic]}
    await client.disconnect()


async def test_nobody_is_told_to_sign_in() -> None:
    client = WebsocketClient(LiveConsumer.as_asgi(), "/ws/live", AnonymousUser())
    await client.connect()
    assert (await client.closed())["code"] == ENDED


@pytest.mark.parametrize(
    "message",
    [{}, {"type": "subscribe"}, {"type": "subscribe", "topics": [1]}, {"type": "x", "topics": []}, []],
)
async def test_an_odd_message_is_answered_and_the_socket_stays(message: Any) -> None:
    import json

    here = await database_sync_to_async(world)()
    client = await connected(here.member)
    await client._asgi.send_input({"type": "websocket.receive", "text": json.dumps(message)})
    assert (await client.receive())["type"] == "error"
    topic = f"inbox:{here.member.pk}"
    await send(client, type="subscribe", topics=[topic])
    assert (await client.receive())["topics"] == [topic]
    await client.disconnect()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"text": "no json"}, BAD_MESSAGE),
        ({"text": "[" * 30_000}, BAD_MESSAGE),
        ({"bytes": b"x"}, BAD_MESSAGE),
        ({"text": '"' + "x" * 40_000 + '"'}, TOO_LARGE),
    ],
)
async def test_what_is_no_message_ends_the_connection(frame: dict[str, Any], code: int) -> None:
    here = await database_sync_to_async(world)()
    client = await connected(here.member)
    await client._asgi.send_input({"type": "websocket.receive", **frame})
    assert (await client.closed())["code"] == code


async def test_one_connection_follows_a_bounded_number_of_topics() -> None:
    here = await database_sync_to_async(world)()
    client = await connected(here.member)
    mine = f"inbox:{here.member.pk}"
    await send(client, type="subscribe", topics=[f"job:{uuid.uuid4()}" for _ in range(MAX_TOPICS)] + [mine])
    answer = await client.receive()
    assert answer["type"] == "refused"
    assert mine in answer["topics"]
    await client.disconnect()
