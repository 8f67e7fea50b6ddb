"""Database, cache, channel layer, broker: SQLite and memory by default, PostgreSQL and Redis when given."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .base import DATA_DIR
from .environment import env

ENGINES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")
REDIS_URL = env.str("REDIS_URL", default="")


def _database() -> dict[str, Any]:
    if not env.str("DATABASE_URL", default=""):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "coder-admin.sqlite3",
            "OPTIONS": {
                # Writers queue at BEGIN instead of failing at their first write; readers never wait.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=67108864; "
                    "PRAGMA cache_size=-4096"
                ),
            },
        }
    try:
        database: dict[str, Any] = env.db_url("DATABASE_URL")
    except ValueError:  # a port that is no number
        database = {}
    if database.get("ENGINE") not in ENGINES:
        raise ImproperlyConfigured(
            "DATABASE_URL names no database that Coder Admin knows: use "
            "postgres://user:password@host:5432/name, or leave it out for SQLite in the data folder."
        )
    if database["ENGINE"] == "django.db.backends.postgresql":
        database.setdefault("OPTIONS", {})["pool"] = {
            "min_size": 2,
            "max_size": env.count("CODER_ADMIN_DATABASE_POOL", default=20, least=2),
            "timeout": 10,
        }
        # A pool hands out what it has: after a restart of the server every one of these would fail once.
        database["CONN_HEALTH_CHECKS"] = True
    return database


DATABASES = {"default": _database()}

if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # The layer waits 5 s at a time for a message; redis-py's own limit on a read is 5 s too, and
            # the two together would end every socket that is quiet for that long.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 30}]},
        }
    }
else:
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "coder-admin"}
    }
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
    }

CELERY_BROKER_URL = REDIS_URL or "memory://"
