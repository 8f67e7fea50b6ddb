"""An open websocket lives as long as the login that opened it: its token or session is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async

from .authentication import user_of_token
from .browser_sessions import SessionStore

Valid = Callable[[], Awaitable[bool]]
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

ENDED = 4401
RECHECK_SECONDS = 30.0
"""How long a socket may outlive its login: a revoked token, an ended session, a suspended user."""


def token_lives(text: str) -> Valid:
    """Whether the token still is its user's."""

    async def valid() -> bool:
        return await database_sync_to_async(user_of_token)(text) is not None

    return valid


def session_lives(session_key: str | None) -> Valid:
    """Whether the browser's session still is somebody's who may log in."""

    async def valid() -> bool:
        user = await get_user({"session": SessionStore(session_key)})
        return bool(user.is_authenticated)

    return valid


def while_logged_in(inner: Application, valid: Valid) -> Application:
    """`inner`, told that the client left, and the client told 4401, once `valid` says no."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def pump() -> None:
            while True:
                await messages.put(await receive())

        async def watch() -> None:
            await asyncio.sleep(RECHECK_SECONDS)  # it was valid when it opened
            while await valid():
                await asyncio.sleep(RECHECK_SECONDS)
            with suppress(Exception):  # the client may have left at this moment
                await send({"type": "websocket.close", "code": ENDED})
            await messages.put({"type": "websocket.disconnect", "code": ENDED})

        helpers = [asyncio.ensure_future(pump()), asyncio.ensure_future(watch())]
        try:
            await inner(scope, messages.get, send)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    return application
