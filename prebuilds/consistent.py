"""Reading several statements as one: a consistent, read-only view, and a limit on their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def read_snapshot() -> Iterator[None]:
    """Everything read inside sees one state of the database, and nothing is locked.

    PostgreSQL: a REPEATABLE READ, READ ONLY transaction. SQLite: a deferred transaction, which pins the
    write-ahead log at its first read; the application's usual immediate ones would hold up every writer.
    Inside a transaction that is already open, that one's view is used as it is.
    """
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "sqlite":
        usual = connection.transaction_mode  # type: ignore[attr-defined]  # of the SQLite backend only
        connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
        try:
            with transaction.atomic():
                yield
        finally:
            connection.transaction_mode = usual  # type: ignore[attr-defined]
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Nothing here runs long enough to gain from being compiled, which takes tens of milliseconds.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL jit = off")
        yield


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Whatever is asked of this thread's connection inside ends in time.

    The statement that runs when the time is over is cancelled (a DatabaseError of the driver), and no further
    one is begun (TimeoutError).
    """
    connection.ensure_connection()
    raw: Any = connection.connection
    deadline = time.monotonic() + seconds
    timer = threading.Timer(seconds, raw.interrupt if connection.vendor == "sqlite" else raw.cancel_safe)
    timer.daemon = True

    def refuse(execute: Callable[..., Any], *statement: Any) -> Any:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"the database took longer than {seconds:g} s")
        return execute(*statement)

    with connection.execute_wrapper(refuse):
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
