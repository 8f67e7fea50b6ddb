"""Questions to the name server, on threads that nobody waits for longer than they want.

`getaddrinfo` can be neither interrupted nor given a time: it ends when the name server answers or the
resolver gives up. So it runs on a thread of its own, and there are few of them: while all hang, further
questions wait in line for as long as their askers do.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

MOST_THREADS = 16
_lock = threading.Lock()
_waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
_threads = 0


def within(seconds: float, look: Callable[[], T]) -> T:
    """What `look` returns or raises; TimeoutError when it takes longer."""
    future = submit(look)
    try:
        return future.result(timeout=seconds)
    finally:
        future.cancel()


def submit(look: Callable[[], T]) -> Future[T]:
    """Begin to look as soon as there is a thread for it; cancel the future to give up."""
    global _threads  # noqa: PLW0603 - one line of questions per process
    future: Future[T] = Future()
    with _lock:
        for abandoned in [entry for entry in _waiting if entry[0].cancelled()]:
            _waiting.remove(abandoned)
        _waiting.append((future, look))
        if _threads < MOST_THREADS:
            # A daemon: a process that stops does not wait for a name server either.
            threading.Thread(target=_answer, name="name-lookup", daemon=True).start()
            _threads += 1  # not before: a thread that cannot be started must not take a place
    return future


def _answer() -> None:
    """Answer what waits, then end."""
    global _threads  # noqa: PLW0603 - see above
    while True:
        with _lock:
            if not _waiting:
                _threads -= 1
                return
            future, look = _waiting.popleft()
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(look())
        except BaseException as error:
            future.set_exception(error)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that asks the name server this way: it can be closed while a question is open, which
    the threads that loops usually ask on do not allow."""

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        look = partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        return await asyncio.wrap_future(submit(look))
