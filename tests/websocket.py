"""A websocket client for tests that speaks ASGI to a consumer, without a server between."""

from __future__ import annotations

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator


class WebsocketClient:
    """One connection. (`channels.testing` would do, but needs daphne, which nothing else here uses.)"""

    def __init__(self, application: Any, path: str, user: Any) -> None:
        route, _, query = path.partition("?")
        scope = {
            "type": "websocket",
            "path": route,
            "query_string": query.encode(),
            "headers": [],
            "subprotocols": [],
            "user": user,
        }
        self._asgi = ApplicationCommunicator(application, scope)

    async def connect(self) -> dict[str, Any]:
        """Open it; the answer's message: `websocket.accept` or `websocket.close`."""
        await self._asgi.send_input({"type": "websocket.connect"})
        return await self._asgi.receive_output(timeout=5)

    async def receive(self) -> Any:
        """The next frame's JSON; fails when the server closes instead."""
        message = await self._asgi.receive_output(timeout=5)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def closed(self) -> dict[str, Any]:
        """The message with which the server closes."""
        message = await self._asgi.receive_output(timeout=5)
        assert message["type"] == "websocket.close", message
        return message

    async def is_silent(self, seconds: float = 0.3) -> bool:
        return await self._asgi.receive_nothing(timeout=seconds)

    async def disconnect(self) -> None:
        await self._asgi.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._asgi.wait(timeout=5)
