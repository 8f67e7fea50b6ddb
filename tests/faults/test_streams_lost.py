"""Server-sent streams while Redis is away: a stream that cannot hear its news says so before it begins."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest
from channels.layers import channel_layers

from tests.people import token_of
from tests.serving import serving
from tests.workspaces.world import World, agent_of, make_world

from .conftest import channel_layer_at
from .test_lost_services import Redis, redis

__all__ = ["redis"]  # a fixture of another module

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

PATIENCE = 30.0


@pytest.fixture
def scene() -> World:
    return make_world()


def opened(url: str, path: str, token: str) -> HTTPResponse:
    headers = {"Coder-Session-Token": token, "Accept": "text/event-stream"}
    request = urllib.request.Request(f"{url}/api/v2/{path}", headers=headers)
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=PATIENCE)
    return answer


def streams(world: World) -> dict[str, tuple[str, str]]:
    """Address and token of each stream, by what it tells."""
    running = world.running("running")
    ada = token_of(world.ada)
    return {
        "the claim": ("workspaceagents/me/reinit?wait=true", str(agent_of(world.prebuild()).auth_token)),
        "a workspace": (f"workspaces/{running.id}/watch", ada),
        "metadata": (f"workspaceagents/{agent_of(running).id}/watch-metadata", ada),
    }


@pytest.mark.parametrize("what", ["the claim", "a workspace", "metadata"])
def test_a_stream_that_cannot_subscribe_is_refused(scene: World, nobody_listens: None, what: str) -> None:
    path, token = streams(scene)[what]
    with serving() as url, pytest.raises(urllib.error.HTTPError) as refused:
        opened(url, path, token)
    answer = refused.value
    assert answer.code == 500
    assert answer.headers["Content-Type"].startswith("application/json")
    body = json.loads(answer.read())
    assert body["message"].startswith("Failed to subscribe to ")
    assert "try again" in body["detail"]
    assert body["validations"] == []


@pytest.fixture
def heard_over(redis: Redis, settings: Any) -> Iterator[Redis]:
    """Events go over that server."""
    settings.CHANNEL_LAYERS = channel_layer_at(redis.url)
    channel_layers.backends.clear()
    yield redis
    channel_layers.backends.clear()


def test_a_stream_ends_in_order_when_redis_goes_and_begins_again_when_it_is_back(
    scene: World, heard_over: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The agent's client takes the end for what it is, and asks again."""
    path, token = streams(scene)["the claim"]
    with serving() as url:
        with opened(url, path, token) as answer:
            assert answer.readline() == b"event: ping\n"
            heard_over.kill()
            began = time.monotonic()
            answer.read()  # raises IncompleteRead when the stream was cut off
            assert time.monotonic() - began < PATIENCE
        heard_over.start()
        with opened(url, path, token) as answer:
            assert answer.readline() == b"event: ping\n"
    assert not [record for record in caplog.records if record.exc_info]
