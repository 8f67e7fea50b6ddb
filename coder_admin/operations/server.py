"""The web server of ``up``: uvicorn on a socket that is bound before anything is prepared."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid

GRACE_SECONDS = 3


def bind(host: str, port: int) -> socket.socket:
    """A listening address, held from now on; ``port`` 0 takes a free one. Raises Invalid if there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening right away is what makes a second server on the same port fail at once.
        listener.listen(256)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        raise Invalid(_why_not(error, host, port)) from error
    return listener


def _why_not(error: Exception, host: str, port: int) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return (
                f"port {port} on {host} is taken by another program. "
                "Choose another with --port N, or --port 0 for any free one."
            )
        case errno.EACCES:
            return f"port {port} needs more rights than this user has. Choose one above 1023 with --port N."
    if isinstance(error, OverflowError):
        return f"{port} is no port number. Choose one from 0 to 65535 with --port N."
    return f"cannot listen on {host}: {error}. Choose another address with --host ADDRESS."


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to us: background parts end before the server does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(listener: socket.socket, *, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_stop`` (blocking) runs while pages and agents still get answers.

    A second signal ends the server without waiting for ``on_stop``.
    """
    asyncio.run(_serve(listener, on_ready=on_ready, on_stop=on_stop))


async def _serve(
    listener: socket.socket, *, on_ready: Callable[[], None], on_stop: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    events.bind_loop(loop)
    stopping = asyncio.Event()
    server = _Server(
        uvicorn.Config(
            "coder_admin.asgi:application",
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
            ws_ping_interval=15,
            ws_ping_timeout=15,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )
    )

    def signalled() -> None:
        if stopping.is_set():
            server.should_exit = server.force_exit = True
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if not serving.done():
        starting = asyncio.create_task(asyncio.to_thread(on_ready))
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await starting
        await asyncio.to_thread(on_stop)
        waiting.cancel()
    server.should_exit = True
    await serving
    events.bind_loop(None)
