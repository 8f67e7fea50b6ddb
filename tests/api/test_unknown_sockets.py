"""A websocket to an address that no room serves."""

from __future__ import annotations

import pytest
from channels.routing import URLRouter

from coder_admin.routing import UNKNOWN_ROUTE, websocket_routes
from tests.websocket import WebsocketClient


@pytest.mark.parametrize("path", ["/", "/ws/nothing", "/api/v2/workspacebuilds/none/logs"])
async def test_is_refused(path: str) -> None:
    client = WebsocketClient(URLRouter(websocket_routes()), path, None)
    assert await client.connect() == {"type": "websocket.close", "code": UNKNOWN_ROUTE}
