"""Handshakes of websockets: token, session, wrong token, foreign origin; and requests under ASGI."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client
from django.utils import timezone

from coder_admin.audit.models import AuditLog
from coder_admin.foundation.errors import NotFound
from coder_admin.organizations import services, socket_life
from coder_admin.organizations.guarded import Guarded
from coder_admin.organizations.logins import session_login
from coder_admin.organizations.models import APIKey, BrowserSession, User
from coder_admin.organizations.sockets import socket_authentication
from rbac import Action, RbacObject, ResourceType, allowed
from rbac.django import subject_for
from tests.people import owner, person, subject

pytestmark = pytest.mark.django_db(transaction=True)


class WhoAmI(Guarded, AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Open to everybody who is logged in."""

    def authorise(self) -> None:
        pass

    async def connect(self) -> None:
        who = await sync_to_async(subject_for)(self.scope["user"])
        await self.accept()
        may_read = allowed(who, Action.READ, RbacObject(ResourceType.TEMPLATE))
        await self.send_json({"who": who.username, "reads_templates": may_read})


def _handshake(headers: list[tuple[bytes, bytes]], consumer: Any) -> ApplicationCommunicator:
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": headers, "subprotocols": []}
    return ApplicationCommunicator(socket_authentication(consumer.as_asgi()), scope)


async def answer(headers: list[tuple[bytes, bytes]], consumer: Any = WhoAmI) -> Any:
    """What the consumer says, or that the handshake is refused, with its code."""
    socket = _handshake(headers, consumer)
    await socket.send_input({"type": "websocket.connect"})
    first = await socket.receive_output(timeout=10)
    if first["type"] == "websocket.close":
        return f"refused {first.get('code', '')}".strip()
    second = await socket.receive_output(timeout=10)
    if second["type"] == "websocket.close":
        return f"accepted to be refused {second['code']}"
    said = json.loads(second["text"])
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(timeout=10)
    return said


class Careless(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Says not who may have it open."""


class Silent(Guarded, AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Says that it will say, and does not."""


async def test_a_consumer_that_does_not_say_who_may_is_open_to_nobody() -> None:
    boss = await sync_to_async(owner)()
    header = (b"coder-session-token", await sync_to_async(token_for)(boss))
    for headers in ([header], [(b"origin", b"http://localhost")]):
        socket = _handshake(headers, Careless)
        await socket.send_input({"type": "websocket.connect"})
        with pytest.raises(ImproperlyConfigured):
            await socket.wait(timeout=10)
    assert await answer([header], Silent) == "accepted to be refused 4403"


class Endless(Guarded, AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends without an end, and reads nothing meanwhile."""

    may = True

    def authorise(self) -> None:
        if not self.may:
            raise NotFound

    async def connect(self) -> None:
        await self.accept()
        while True:
            await self.send_json({})
            await asyncio.sleep(0.001)


async def test_a_consumer_at_work_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_life, "RECHECK_SECONDS", 0.02)
    monkeypatch.setattr(Endless, "may", True)
    boss = await sync_to_async(owner)()
    socket = await _open([(b"coder-session-token", await sync_to_async(token_for)(boss))], Endless)
    monkeypatch.setattr(Endless, "may", False)
    while (message := await _next(socket))["type"] == "websocket.send":
        pass
    assert message == {"type": "websocket.close", "code": 4404, "reason": NotFound().message}
    assert await socket.receive_nothing(timeout=0.2)


async def test_a_look_is_no_use_of_a_session_and_a_handshake_keeps_its_address() -> None:
    """Neither knows from where the browser came: what is known stays."""
    browser = Client()
    await sync_to_async(browser.force_login)(await sync_to_async(person)("ada"))
    long_ago = timezone.now() - timedelta(hours=1)
    await BrowserSession.objects.aupdate(ip_address="192.0.2.7", user_agent="Fox", last_seen_at=long_ago)
    cookie = f"sessionid={browser.cookies['sessionid'].value}".encode()
    await _open([(b"cookie", cookie), (b"origin", b"http://localhost")])
    seen = (await BrowserSession.objects.aget()).last_seen_at
    assert seen > long_ago
    await BrowserSession.objects.aupdate(last_seen_at=long_ago)
    key = browser.cookies["sessionid"].value
    assert await sync_to_async(session_login(key))() is not None
    row = await BrowserSession.objects.aget()
    assert (row.ip_address, row.user_agent, row.last_seen_at) == ("192.0.2.7", "Fox", long_ago)


def token_for(user: User, scope: str = "all") -> bytes:
    return services.token_create(subject(user), user=user, scope=scope)[1].encode()


async def test_token_needs_no_origin_and_keeps_its_scope() -> None:
    boss = await sync_to_async(owner)()
    token = await sync_to_async(token_for)(boss)
    for header in ((b"coder-session-token", token), (b"authorization", b"Bearer " + token)):
        assert await answer([header]) == {"who": "boss", "reads_templates": True}
    narrow = await sync_to_async(token_for)(boss, "application_connect")
    assert await answer([(b"coder-session-token", narrow)]) == {"who": "boss", "reads_templates": False}


async def test_wrong_token_is_refused_even_with_a_good_session() -> None:
    browser = Client()
    await sync_to_async(browser.force_login)(await sync_to_async(person)("ada"))
    cookie = f"sessionid={browser.cookies['sessionid'].value}".encode()
    origin = (b"origin", b"http://localhost")
    assert await answer([(b"cookie", cookie), origin]) == {"who": "ada", "reads_templates": False}
    assert (
        await answer([(b"cookie", cookie), origin, (b"coder-session-token", b"nonsense")]) == "refused 4401"
    )


@pytest.mark.parametrize(("origin", "code"), [(None, " 4401"), (b"http://evil.example", "")])
async def test_session_from_a_foreign_page_is_refused(origin: bytes | None, code: str) -> None:
    browser = Client()
    await sync_to_async(browser.force_login)(await sync_to_async(person)("ada"))
    cookie = f"sessionid={browser.cookies['sessionid'].value}".encode()
    headers = [(b"cookie", cookie)] + ([(b"origin", origin)] if origin else [])
    assert await answer(headers) == f"refused{code}"


async def _open(headers: list[tuple[bytes, bytes]], consumer: Any = WhoAmI) -> ApplicationCommunicator:
    socket = _handshake(headers, consumer)
    await socket.send_input({"type": "websocket.connect"})
    await socket.receive_output(timeout=10)
    await socket.receive_output(timeout=10)
    return socket


async def _next(socket: ApplicationCommunicator) -> Any:
    return await socket.receive_output(timeout=10)


async def test_socket_ends_with_its_token_its_session_or_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_life, "RECHECK_SECONDS", 0.02)
    ada, bob = await sync_to_async(person)("ada"), await sync_to_async(person)("bob")
    browser = Client()
    await sync_to_async(browser.force_login)(ada)
    cookie = f"sessionid={browser.cookies['sessionid'].value}".encode()
    by_session = await _open([(b"cookie", cookie), (b"origin", b"http://localhost")])
    by_token = await _open([(b"coder-session-token", await sync_to_async(token_for)(ada))])
    of_bob = await _open([(b"coder-session-token", await sync_to_async(token_for)(bob))])
    assert await by_session.receive_nothing(timeout=0.1)
    await sync_to_async(services.sessions_end_others)(await sync_to_async(subject)(ada), user=ada)
    closed = {"type": "websocket.close", "code": 4401, "reason": "Your login has ended."}
    assert await _next(by_session) == closed
    await by_session.wait(timeout=10)
    assert await by_token.receive_nothing(timeout=0.1)
    await APIKey.objects.filter(user=ada).adelete()
    assert await _next(by_token) == closed
    await User.objects.filter(pk=bob.pk).aupdate(status="suspended")
    assert await _next(of_bob) == closed


async def test_nobody_gets_the_code_that_tells_a_page_to_sign_in() -> None:
    assert await answer([(b"origin", b"http://localhost")]) == "accepted to be refused 4401"


async def test_request_context_reaches_the_row_under_asgi_too() -> None:
    response = await AsyncClient().post(
        "/api/v2/users/login",
        {"email": "nobody", "password": "wrong-password"},
        content_type="application/json",
        headers={"User-Agent": "async-tester"},
    )
    assert response.status_code == 401
    row = await sync_to_async(AuditLog.objects.get)(action="login")
    assert (row.user_agent, str(row.request_id)) == ("async-tester", response["X-Request-ID"])
