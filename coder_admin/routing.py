"""Websockets: each room brings its routes; who opens one is known before its consumer runs."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from coder_admin.organizations.sockets import socket_authentication

UNKNOWN_ROUTE = 4404

ROOMS = (
    "coder_admin.notifications",
    "coder_admin.catalog",
    "coder_admin.parameters",
    "coder_admin.workspaces",
    "coder_admin.dashboard",
)


def websocket_routes() -> list[Any]:
    """The ``websocket_urlpatterns`` of every room's ``routing`` module."""
    routes: list[Any] = []
    for room in ROOMS:
        if find_spec(f"{room}.routing"):
            routes += import_module(f"{room}.routing").websocket_urlpatterns
    # Django types a route as a view; channels calls what it finds as an ASGI application.
    return [*routes, re_path("", cast("Any", refuse_unknown))]


async def refuse_unknown(scope: Any, receive: Any, send: Any) -> None:
    """Close the handshake of an address that no room serves; the router alone would raise."""
    await receive()
    await send({"type": "websocket.close", "code": UNKNOWN_ROUTE})


def application_with(http: Any) -> ProtocolTypeRouter:
    """The whole application around Django's HTTP handler."""
    websocket = socket_authentication(URLRouter(websocket_routes()))
    return ProtocolTypeRouter({"http": http, "websocket": websocket})
