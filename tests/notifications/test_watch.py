"""The inbox over the websocket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser

from coder_admin.notifications import services
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import TEST, Kind
from coder_admin.notifications.models import InboxNotification
from coder_admin.notifications.routing import websocket_urlpatterns
from coder_admin.organizations.models import User
from tests.people import person, subject
from tests.websocket import WebsocketClient

PATH = "/api/v2/notifications/inbox/watch"
pytestmark = pytest.mark.django_db(transaction=True)


def socket(user: Any, query: str = "") -> WebsocketClient:
    return WebsocketClient(URLRouter(websocket_urlpatterns), PATH + query, user)


@sync_to_async
def send(kind: Kind, user: User, name: str = "dev") -> None:
    services.notify(kind.id, [user.id], labels={"name": name}, created_by="tests")
    Notifier().deliver_batch()


async def test_each_new_message_comes_with_the_count(kind: Kind) -> None:
    user = await sync_to_async(person)("ada")
    open_socket = socket(user)
    assert (await open_socket.connect())["type"] == "websocket.accept"
    await send(kind, user)
    frame = await open_socket.receive()
    assert frame["unread_count"] == 1
    assert frame["notification"]["title"] == "Workspace dev deleted"
    await send(kind, user, name="two")
    assert (await open_socket.receive())["unread_count"] == 2
    await open_socket.disconnect()


async def test_filters_and_plain_text(kind: Kind) -> None:
    user = await sync_to_async(person)("ada")
    other_kind = socket(user, f"?templates={TEST.id}")
    plain = socket(user, f"?templates={kind.id}&format=plaintext&read_status=unread")
    await other_kind.connect()
    await plain.connect()
    await send(kind, user)
    content = (await plain.receive())["notification"]["content"]
    assert content.startswith("dev of ")
    assert "**" not in content
    assert await other_kind.is_silent()
    await other_kind.disconnect()
    await plain.disconnect()


async def test_reading_elsewhere_changes_the_count(kind: Kind) -> None:
    user = await sync_to_async(person)("ada")
    await send(kind, user)
    open_socket = socket(user)
    await open_socket.connect()
    row = await InboxNotification.objects.aget()
    actor = await sync_to_async(subject)(user)
    await sync_to_async(services.inbox_mark)(actor=actor, notification_id=row.id, is_read=True)
    assert await open_socket.receive() == {"unread_count": 0}
    await open_socket.disconnect()


@pytest.mark.parametrize(("query", "code"), [("?targets=x", 4400), ("?nothing=1", 4400), ("", 4401)])
async def test_refusals_say_why(query: str, code: int) -> None:
    user = await sync_to_async(person)("ada") if query else AnonymousUser()
    refused = socket(user, query)
    await refused.connect()
    closed = await refused.closed()
    assert closed["code"] == code
    assert closed["reason"]


@pytest.mark.parametrize(
    ("query", "signed_in", "status", "field"),
    [
        ("?targets=x", True, 400, "targets"),
        ("?templates=1", True, 400, "templates"),
        ("?read_status=maybe", True, 400, "read_status"),
        ("?format=html", True, 400, "format"),
        ("?nothing=1", True, 400, "nothing"),
        ("", False, 401, ""),
    ],
)
def test_refusals_come_before_the_upgrade(query: str, signed_in: bool, status: int, field: str) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    from tests.people import token_of
    from tests.serving import serving

    headers = {"Coder-Session-Token": token_of(person("ada"))} if signed_in else {}
    with serving() as url:
        address = url.replace("http", "ws") + PATH + query
        with pytest.raises(InvalidStatus) as caught, connect(address, additional_headers=headers):
            pass
    answer = caught.value.response
    assert answer.status_code == status
    body = json.loads(answer.body)
    assert body["message"]
    assert [found["field"] for found in body["validations"]] == ([field] if field else [])


def test_a_real_socket_gets_each_message(kind: Kind) -> None:
    from websockets.sync.client import connect

    from tests.people import token_of
    from tests.serving import serving

    user = person("ada")
    with serving() as url:
        address = url.replace("http", "ws") + PATH
        headers = {"Coder-Session-Token": token_of(user)}
        with connect(address, additional_headers=headers) as open_socket:
            for name in ("one", "two"):
                services.notify(kind.id, [user.id], labels={"name": name}, created_by="tests")
                Notifier().deliver_batch()
                frame = json.loads(open_socket.recv(timeout=10))
                assert frame["notification"]["title"] == f"Workspace {name} deleted"
            assert frame["unread_count"] == 2
