"""The inbox over the websocket."""

from __future__ import annotations

import json
import socket as sockets
from typing import Any, TypeGuard

import httpx
import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.sync.client import connect
from websockets.uri import parse_uri

from coder_admin.foundation import events
from coder_admin.notifications import consumers, services
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import TEST, Kind
from coder_admin.notifications.models import InboxNotification
from coder_admin.notifications.routing import websocket_urlpatterns
from coder_admin.organizations.models import User
from tests.notifications.kit import until
from tests.people import person, subject, token_of
from tests.serving import serving
from tests.websocket import WebsocketClient

PATH = "/api/v2/notifications/inbox/watch"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
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
    plain = socket(user, f"?templates={kind.id}&templates={TEST.id}&format=plaintext&read_status=unread")
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
        (f"?templates={UNKNOWN}", True, 400, "templates"),
        (f"?templates={UNKNOWN}&templates={TEST.id}", True, 400, "templates"),
        (f"?targets=x&targets={UNKNOWN}", True, 400, "targets"),
        ("?format=markdown&format=plaintext", True, 400, "format"),
        ("?nothing=1&nothing=2", True, 400, "nothing"),
        ("?read_status=maybe", True, 400, "read_status"),
        ("?format=html", True, 400, "format"),
        ("?nothing=1", True, 400, "nothing"),
        ("", False, 401, ""),
    ],
)
def test_refusals_come_before_the_upgrade(query: str, signed_in: bool, status: int, field: str) -> None:
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


class _Idler:
    """A websocket client that reads only when asked to: what it does not read stays on the way."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._socket = sockets.socket()
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
        self._socket.settimeout(30)
        self._socket.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        self.protocol = ClientProtocol(parse_uri(url.replace("http", "ws") + PATH), max_size=None)
        request = self.protocol.connect()
        request.headers.update(headers)
        self.protocol.send_request(request)
        while self.protocol.state is not State.OPEN:
            self.read()

    def read(self) -> list[Any]:
        """What the next piece from the network holds, parsed; answers what the protocol wants answered."""
        self._answer()
        self.protocol.receive_data(self._socket.recv(65_536))
        found = [json.loads(bytes(e.data)) for e in self.protocol.events_received() if _is_text(e)]
        self._answer()
        return found

    def read_to_the_end(self) -> list[Any]:
        found: list[Any] = []
        while self.protocol.close_rcvd is None:
            found += self.read()
        self._socket.close()
        return found

    def _answer(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self._socket.sendall(data)


def _is_text(event: Event) -> TypeGuard[Frame]:
    return isinstance(event, Frame) and event.opcode is Opcode.TEXT


def test_a_client_that_does_not_read_is_cut_off_and_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded; it reads a beginning and the reason, lists, and knows all."""
    monkeypatch.setattr(consumers, "BUFFER", 100)
    waiting: list[int] = []
    ended: list[int] = []
    note, leave = consumers.InboxConsumer.event_message, consumers.InboxConsumer.disconnect

    async def watched(self: consumers.InboxConsumer, message: dict[str, Any]) -> None:
        held = len(self._ids)
        waiting.append(held)
        await note(self, message)

    async def left(self: consumers.InboxConsumer, code: int) -> None:
        ended.append(code)
        await leave(self, code)

    monkeypatch.setattr(consumers.InboxConsumer, "event_message", watched)
    monkeypatch.setattr(consumers.InboxConsumer, "disconnect", left)
    user = person("ada")
    headers = {"Coder-Session-Token": token_of(user)}
    with serving() as url:
        idler = _Idler(url, headers)
        # More than the network between them holds.
        sent = [one for _ in range(24) for one in _announced(user, 50)]
        until(lambda: services.unread_count(user.id) == len(sent), "all of them to be stored")
        seen = [frame["notification"]["id"] for frame in idler.read_to_the_end()]
        close = idler.protocol.close_rcvd
        assert close is not None
        assert (close.code, close.reason) == (consumers.TOO_SLOW, consumers.TOO_SLOW_REASON)
        assert max(waiting) <= 100
        assert len(seen) < len(sent), "it was cut off before the end"
        assert set(seen) < set(sent)
        until(lambda: ended, "the consumer to end")
        assert _listed(url, headers) == sent[::-1], "and missed nothing"


def _announced(user: User, count: int) -> list[str]:
    """So many large messages, delivered and announced; their ids, oldest first."""
    rows = InboxNotification.objects.bulk_create(
        InboxNotification(user=user, template_id=TEST.id, title=str(n), content="x" * 20_000)
        for n in range(count)
    )
    ids = [str(row.id) for row in rows]
    events.publish(f"inbox:{user.id}", {"kind": "new", "ids": ids})
    return ids


def _listed(url: str, headers: dict[str, str]) -> list[str]:
    """The whole inbox, as a client reads it page by page."""
    listed: list[str] = []
    with httpx.Client(base_url=url, headers=headers) as client:
        while True:
            more = {"starting_before": listed[-1]} if listed else {}
            page = client.get("/api/v2/notifications/inbox", params=more).json()["notifications"]
            listed += [one["id"] for one in page]
            if len(page) < 25:
                return listed
