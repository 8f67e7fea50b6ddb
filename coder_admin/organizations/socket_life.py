"""An open websocket lives as long as the login and the rights that opened it: both are asked again.

Every look reads the user anew (the token or session, roles, groups) and has the consumer ask the policy again
for what it shows. Looks come each `RECHECK_SECONDS`, and at once when the user's access is said to have
changed (`access_news`); a lost message costs one interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import structlog
from channels.db import database_sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.listening import listening
from rbac.policy import Denied

from .access_news import access_topic
from .logins import Login
from .models import User

log = structlog.get_logger(__name__)

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Message = dict[str, Any]

ENDED = 4401
REFUSED = 4404
FAILED = 1011
NOT_YOURS = "You may not see this any more."
RECHECK_SECONDS = 30.0
"""How long a socket may outlive its login or a right: a revoked token, a suspended user, a role taken."""


class Guard(Protocol):
    """What an open socket answers with when it is looked at."""

    async def look(self, user: User) -> None:
        """Ask again for `user` whatever the socket shows. Raises ServiceError when it may not stay open."""


class OpenSocket:
    """One connection around its consumer, which finds it in the scope as `open_socket` and is its guard."""

    def __init__(self, login: Login, receive: Any, send: Any) -> None:
        self.guard: Guard | None = None
        self._login = login
        self._receive, self._send = receive, send
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._wake, self._hearing = asyncio.Event(), asyncio.Event()
        self._over = False

    async def run(self, inner: Application, scope: dict[str, Any]) -> None:
        """The consumer with the helpers beside it, which end with it."""
        running = [self._pump(), self._watch()]
        if scope["user"].is_authenticated:
            running.append(self._hear(access_topic(scope["user"].pk)))
        else:
            self._hearing.set()
        helpers = [asyncio.ensure_future(helper) for helper in running]
        try:
            # First to listen, then to ask: a change in between is heard.
            await self._hearing.wait()
            await inner({**scope, "open_socket": self}, self._messages.get, self._say)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _say(self, message: Message) -> None:
        if self._over:
            return  # what was on its way when the right ended
        if message["type"] == "websocket.accept" and self.guard is None:
            raise ImproperlyConfigured("A websocket consumer must say who may have it open: see guarded.py.")
        await self._send(message)

    async def _pump(self) -> None:
        while True:
            await self._messages.put(await self._receive())

    async def _hear(self, topic: str) -> None:
        while True:
            try:
                async with listening(topic) as wait:
                    self._hearing.set()
                    while True:
                        await wait(None)
                        self._wake.set()
            except Exception as error:
                log.warning("changes of access are not heard", topic=topic, error=str(error))
                self._hearing.set()
                await asyncio.sleep(RECHECK_SECONDS)
                self._wake.set()  # something may have been missed

    async def _watch(self) -> None:
        while not self._over:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), RECHECK_SECONDS)
            self._wake.clear()
            try:
                await self._look()
            except DatabaseError as error:
                # Nothing could be asked, and so nothing is read either: the next look decides.
                log.warning("an open socket could not be looked at", error=str(error))
            except Exception:
                log.exception("an open socket could not be looked at")
                await self._end(FAILED, "Something went wrong here. Connect again.")

    async def _look(self) -> None:
        user = await database_sync_to_async(self._login)()
        if user is None:
            await self._end(ENDED, "Your login has ended.")
            return
        if self.guard is None:
            return
        try:
            await self.guard.look(user)
        except ServiceError as refusal:
            await self._end(REFUSED, refusal.message)
        except Denied:
            await self._end(REFUSED, NOT_YOURS)

    async def _end(self, code: int, reason: str) -> None:
        """The client is told, and the consumer told that the client left."""
        self._over = True
        with suppress(Exception):  # the client may have left at this moment
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})
        await self._messages.put({"type": "websocket.disconnect", "code": code})


def while_logged_in(inner: Application, login: Login) -> Application:
    """`inner`, for as long as its guard lets the user of `login` have it open."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await OpenSocket(login, receive, send).run(inner, scope)

    return application
