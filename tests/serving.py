"""The whole ASGI application on a free port, in a thread of the test: HTTP and websockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from coder_admin.asgi import application
from coder_admin.foundation import events

START_WITHIN = 20.0


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Signals belong to the test runner."""


@contextmanager
def serving() -> Iterator[str]:
    """The address of a running application; it uses the test's database."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, lifespan="off", log_level="warning", ws="auto", timeout_graceful_shutdown=1
    )
    server = _Server(config)

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        events.bind_loop(loop)
        try:
            loop.run_until_complete(server.serve(sockets=[listener]))
        finally:
            events.bind_loop(None)

    thread = threading.Thread(target=run, name="test-server", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_WITHIN
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the test server did not start")
        time.sleep(0.01)
    try:
        yield f"http://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
