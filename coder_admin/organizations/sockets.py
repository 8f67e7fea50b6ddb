"""Who opens a websocket: a program by its token, or a browser by its session and one of our origins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.security.websocket import AllowedHostsOriginValidator

from coder_admin.foundation.errors import NotAuthenticated

from .authentication import token_of_headers, user_of_token
from .guarded import answer_before_upgrade
from .logins import session_login, token_login
from .socket_life import ENDED, while_logged_in

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def socket_authentication(inner: Application) -> Application:
    """Put `scope["user"]` before `inner` runs.

    A handshake with a token needs no origin: a foreign page cannot set headers, so nothing can be forged
    with it; a wrong token is answered with 401 and never ignored. Without a token the browser's session
    counts, and its origin must be one of ours; every browser sends one, so who does not is a program that
    forgot its token: 401 too. Either way the socket ends with its login, and shows no longer what its user
    may not see any more.
    """

    async def of_browser(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await while_logged_in(inner, session_login(scope["session"].session_key))(scope, receive, send)

    browsers: Application = AllowedHostsOriginValidator(AuthMiddlewareStack(of_browser))

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        text = token_of_headers(headers)
        if not text and "origin" in headers:
            await browsers(scope, receive, send)
            return
        user = await database_sync_to_async(user_of_token)(text) if text else None
        if user is None:
            await receive()
            await _refuse(scope, send)
            return
        await while_logged_in(inner, token_login(text))({**scope, "user": user}, receive, send)

    return application


async def _refuse(scope: dict[str, Any], send: Any) -> None:
    """401 before the upgrade where the server can answer, else the code of the same meaning."""
    refusal = NotAuthenticated(
        "You are signed out or your session has expired.", detail="Send a valid token with the request."
    )
    if not await answer_before_upgrade(scope, send, refusal):
        await send({"type": "websocket.close", "code": ENDED})
