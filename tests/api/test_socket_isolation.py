"""Every websocket route as every role against objects of another organization, and as nobody: generated from
the routes, so that a new one cannot be forgotten. The answer about an object that the caller may not see is
the answer about one that does not exist."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter

from coder_admin.dashboard.live import READABLE
from coder_admin.organizations import services
from coder_admin.organizations.guarded import Guarded
from coder_admin.organizations.models import User
from coder_admin.organizations.sockets import socket_authentication
from coder_admin.routing import refuse_unknown, websocket_routes
from rbac.roles import ORG_ROLES
from tests.people import organization, person, subject, token_of

from .test_isolation import KNOWN, fill, world

pytestmark = pytest.mark.django_db(transaction=True)

WITHOUT_OBJECT = {
    "ws/live": "whatever is followed is asked for topic by topic, below",
    "api/v2/notifications/inbox/watch": "one's own messages only",
}
"""Routes whose address names nothing. A new entry needs a reason, and a test of what it shows."""

TOPICS = {
    "workspace": "workspaces/workspace_id",
    "workspaces": "organization",
    "pools": "organization",
    "people": "organization",
    "users": "deployment",
    "job": "provisionerjobs/job",
    "agent-logs": "workspaceagents/agent_id",
    "template": "templates/template",
    "template-version": "templateversions/version",
    "inbox": "user",
}
"""What the id of each kind of live topic names in the world."""

READS_USERS = {"organization-admin", "organization-user-admin"}
"""Their site-level `user: read` shows them everybody: people belong to the whole deployment."""


def routes() -> list[tuple[str, Any]]:
    """(address, consumer) of every websocket route but the one that refuses unknown addresses."""
    return [
        (str(route.pattern), getattr(route.callback, "consumer_class", route.callback))
        for route in websocket_routes()
        if route.callback is not refuse_unknown
    ]


def test_every_consumer_says_who_may_have_it_open() -> None:
    assert len(routes()) > 5
    for path, consumer in routes():
        assert isinstance(consumer, type), path
        assert issubclass(consumer, Guarded), f"{path}: a consumer is Guarded"
        assert consumer.authorise is not Guarded.authorise, f"{path}: say in authorise() who may"


def test_every_route_and_every_kind_of_topic_has_its_rule() -> None:
    assert {path for path, _ in routes() if "<" not in path} == set(WITHOUT_OBJECT)
    assert set(READABLE) == set(TOPICS)


@sync_to_async
def names() -> dict[str, str]:
    made = world()
    KNOWN.update(made)
    made["organization"] = str(organization_id("acme"))
    made["deployment"] = str(uuid.UUID(int=0))
    made["user"] = str(User.objects.get(username="ada").pk)
    return made


def organization_id(name: str) -> Any:
    from coder_admin.organizations.models import Organization

    return Organization.objects.get(name=name).pk


class Socket:
    """A client of the application's websockets, with the token of a user."""

    def __init__(self, path: str, user: User | None) -> None:
        self.path, self.user = path, user

    async def open(self, *, refusal_within: float = 0.3) -> str:
        """`open`, or how the server refuses: by a status before the upgrade, or by a close code, which comes
        after the socket was accepted."""
        headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
        if self.user is not None:
            headers = [(b"coder-session-token", (await sync_to_async(token_of)(self.user)).encode())]
        scope = {
            "type": "websocket",
            "path": self.path,
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self.asgi = ApplicationCommunicator(socket_authentication(URLRouter(websocket_routes())), scope)
        await self.asgi.send_input({"type": "websocket.connect"})
        first = await self.asgi.receive_output(timeout=20)
        if first["type"] == "websocket.http.response.start":
            body = await self.asgi.receive_output(timeout=20)
            return f"{first['status']} {json.loads(body['body'])['message']}"
        if not await self.asgi.receive_nothing(timeout=refusal_within):
            first = await self.asgi.receive_output(timeout=20)
        if first["type"] == "websocket.close":
            return f"{first.get('code')} {first.get('reason')}"
        return "open"

    async def leave(self) -> None:
        await self.asgi.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.asgi.wait(timeout=20)

    async def says(self, **message: Any) -> Any:
        await self.asgi.send_input({"type": "websocket.receive", "text": json.dumps(message)})
        return json.loads((await self.asgi.receive_output(timeout=20))["text"])


async def answer(path: str, user: User | None) -> str:
    """How a socket is refused that must be; `open` when it is not within a generous time."""
    socket = Socket(path, user)
    said = await socket.open(refusal_within=20)
    await socket.leave()
    return said


def topics(named: Mapping[str, str] | None) -> list[str]:
    """A topic of each kind, for what exists, or for nothing."""
    nothing = "7d1f0f5e-0d7c-4d36-9a55-1c9a3c0f9b1e"
    return [f"{kind}:{named[key] if named else nothing}" for kind, key in TOPICS.items()]


def foreigner(role: str) -> User:
    held = [] if role == "organization-member" else [role]
    return person("foreign", memberships={organization("other"): held} if role else {})


@pytest.mark.parametrize("role", ["", *sorted(ORG_ROLES)])
async def test_nobody_of_another_organization_can_tell_what_exists(role: str) -> None:
    named = await names()
    user = await sync_to_async(foreigner)(role)
    found = {}
    for path, _ in routes():
        if "<" in path:
            codes = [await answer(fill(path, chosen), user) for chosen in (named, None)]
            if codes[0] != codes[1] or not codes[0].startswith(("4404", "404")):
                found[path] = codes
    assert found == {}
    live = Socket("/ws/live", user)
    assert await live.open() == "open"
    everything = topics(named) + topics(None)
    if role in READS_USERS:
        everything.remove(f"users:{named['deployment']}")
    assert await live.says(type="subscribe", topics=everything) == {"type": "refused", "topics": everything}
    await live.leave()


async def test_nobody_at_all_opens_nothing() -> None:
    named = await names()
    for path, _ in routes():
        address = fill(path, named) if "<" in path else f"/{path}"
        assert (await answer(address, None)).startswith(("4401", "401")), path


async def test_the_names_are_right_since_the_owner_opens_all() -> None:
    """Without this, a wrong name would make every test above pass for nothing."""
    named = await names()
    boss = await sync_to_async(User.objects.get)(username="boss")
    for path, _ in routes():
        socket = Socket(fill(path, named) if "<" in path else f"/{path}", boss)
        said = await socket.open()
        await socket.leave()
        assert said == "open" or said.startswith("425 "), path  # the version's import has not ended
    live = Socket("/ws/live", boss)
    await live.open()
    wanted = [topic for topic in topics(named) if not topic.startswith("inbox:")]
    assert await live.says(type="subscribe", topics=wanted) == {"type": "subscribed", "topics": wanted}
    await live.leave()


def narrow_token(user: User) -> bytes:
    return services.token_create(subject(user), user=user, scope="application_connect")[1].encode()


async def test_the_scope_of_a_token_binds_sockets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a token reaches applications of workspaces; it reads nothing."""
    named = await names()
    boss = await sync_to_async(User.objects.get)(username="boss")
    monkeypatch.setattr("tests.api.test_socket_isolation.token_of", lambda user: narrow_token(user).decode())
    for path, _ in routes():
        if path != "ws/live":
            said = await answer(fill(path, named) if "<" in path else f"/{path}", boss)
            assert said.startswith(("404", "4404", "403")), (path, said)
    live = Socket("/ws/live", boss)
    assert await live.open() == "open"
    wanted = topics(named)
    assert await live.says(type="subscribe", topics=wanted) == {"type": "refused", "topics": wanted}
    await live.leave()
