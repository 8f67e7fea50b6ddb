"""A real server for websockets, and a template to open the form of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from django.test import Client

from coder_admin.organizations.models import User


class Server:
    """The whole application on a free port of this machine, in a thread."""

    def __init__(self) -> None:
        from coder_admin.asgi import application

        config = uvicorn.Config(
            application,
            port=0,
            lifespan="off",
            log_config=None,
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)

    def start(self) -> None:
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)

    @property
    def port(self) -> int:
        address: tuple[str, int] = self.server.servers[0].sockets[0].getsockname()
        return address[1]

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    running.start()
    yield running
    running.stop()


def cookie_of(user: User) -> str:
    """The session cookie of a logged-in user."""
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return f"sessionid={client.cookies['sessionid'].value}"
