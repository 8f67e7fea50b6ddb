"""Many people at the same moment, in several processes: forked from the test, so that they cost little."""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from channels.layers import channel_layers
from django.db import connection, connections

PROCESSES, THREADS = 4, 8
PATIENCE = 90  # seconds until a process of the crowd gives up

Deed = Callable[[int], dict[str, Any]]


class Crowd:
    """Does `deed(0)` to `deed(count - 1)` in PROCESSES x THREADS threads, each with a connection of its own.

    They stand ready, connected, until `release` lets all of them go at once.
    """

    def __init__(self, deed: Deed, count: int) -> None:
        connections.close_all()
        if connection.vendor == "postgresql":
            assert hasattr(connection, "close_pool")
            connection.close_pool()  # its threads do not live on in a child
        self._go, self._answers, self._children = os.pipe(), list[int](), list[int]()
        for process in range(PROCESSES):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reading)
                os.close(self._go[1])
                _be_one(
                    deed,
                    [range(n, count, PROCESSES * THREADS) for n in _seats(process)],
                    self._go[0],
                    writing,
                )
            os.close(writing)
            self._answers.append(reading)
            self._children.append(child)
        os.close(self._go[0])
        for reading in self._answers:
            assert os.read(reading, 1) == b"r", "a process of the crowd died"

    def release(self) -> None:
        """Let them go."""
        os.close(self._go[1])

    def results(self) -> list[dict[str, Any]]:
        """What the deeds returned; one that raised returns its traceback as `error`."""
        found: list[dict[str, Any]] = []
        for reading in self._answers:
            with os.fdopen(reading, "rb") as answer:
                found += json.loads(answer.read() or b"[]")
        for child in self._children:
            os.waitpid(child, 0)
        return found


def _seats(process: int) -> range:
    return range(process * THREADS, (process + 1) * THREADS)


def _be_one(deed: Deed, shares: Sequence[Sequence[int]], go: int, writing: int) -> NoReturn:
    """In the child."""
    with suppress(BaseException):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        channel_layers.backends.clear()
        found: list[dict[str, Any]] = []
        gathered, released = threading.Barrier(THREADS + 1), threading.Event()

        def run(share: Sequence[int]) -> None:
            connection.ensure_connection()
            gathered.wait(PATIENCE)
            released.wait(PATIENCE)
            for number in share:
                try:
                    found.append(deed(number))
                except Exception:
                    found.append({"error": traceback.format_exc()})
            connections.close_all()

        threads = [threading.Thread(target=run, args=(share,)) for share in shares]
        for thread in threads:
            thread.start()
        gathered.wait(PATIENCE)
        os.write(writing, b"r")
        os.read(go, 1)  # ends when the test closes its end
        released.set()
        for thread in threads:
            thread.join()
        with os.fdopen(writing, "wb") as answer:
            answer.write(json.dumps(found).encode())
    os._exit(0)
