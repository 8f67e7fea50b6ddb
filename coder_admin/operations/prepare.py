"""What happens before ``up`` serves: one instance per data folder, database, admin, demo."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from coder_admin.foundation.errors import Conflict, Invalid


@contextmanager
def only_instance(folder: Path) -> Iterator[None]:
    """Hold the data folder; raises Conflict while another ``up`` has it. A killed one leaves no trace."""
    descriptor = os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another Coder Admin is running on the data folder {folder}. "
                "Stop it, or choose another folder with --data DIR."
            ) from error
        yield
    finally:
        os.close(descriptor)


def probe_database() -> None:
    """Connect once, quickly; raises Django's DatabaseError when nobody answers."""
    if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        import psycopg
        from django.db.utils import OperationalError

        parameters = connection.get_connection_params()
        for name in ("pool", "context", "cursor_factory", "server_side_binding"):
            parameters.pop(name, None)
        try:
            psycopg.connect(**{**parameters, "connect_timeout": 5}).close()
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error
    else:
        connection.ensure_connection()


def probe_redis() -> None:
    """Ask Redis for a sign of life where one is configured. Raises Invalid; never shows the password."""
    if not settings.REDIS_URL:
        return
    import redis

    where = urlsplit(settings.REDIS_URL)
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Invalid(
            f"Redis at {where.hostname or 'localhost'}:{where.port or 6379} cannot be used: {reason}. "
            "Start it or correct REDIS_URL, or unset it to keep events in memory."
        ) from error


def pending_migrations() -> int:
    """How many migrations the database still lacks."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def migrate() -> None:
    """Bring the database to this version's shape."""
    call_command("migrate", verbosity=0, interactive=False)
