"""The main job on PostgreSQL and Redis, with few connections: what a larger deployment runs on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from .application import eventually, running
from .test_main_job import TEMPLATES, claim, template_named

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(240), pytest.mark.xdist_group("scenario")]

POOL = 12
CLAIMS = 6


@pytest.fixture
def database() -> Iterator[str]:
    """A database of its own on the server that CI names."""
    server = os.environ.get("CI_DATABASE_URL", "")
    if not server or not os.environ.get("CI_REDIS_URL"):
        pytest.skip("needs CI_DATABASE_URL and CI_REDIS_URL")
    name = f"scenario_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # the name is ours
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_claims_and_waiting_agents_need_few_connections(database: str, tmp_path: Path) -> None:
    """Each agent holds a stream open for as long as it lives; none of them may hold a connection."""
    services = {"DATABASE_URL": database, "REDIS_URL": os.environ["CI_REDIS_URL"]}
    with running(tmp_path, "--demo", CODER_ADMIN_DATABASE_POOL=str(POOL), **services) as app:
        app.log_in()
        for name in TEMPLATES:
            eventually(partial(app.prebuilds, name), within=60, what=f"{name}: a ready prebuild")
        template = template_named(app, "scratchpad")
        for number in range(CLAIMS):
            eventually(lambda: app.prebuilds("scratchpad"), within=60, what="a ready prebuild")
            claim(app, template, f"kept-{number}")

        def connections() -> int:
            with psycopg.connect(database) as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                row = connection.execute(query).fetchone()
            return row[0] - 1 if row else 0

        agents = CLAIMS + len(TEMPLATES)
        assert agents + 1 > POOL - 4
        eventually(lambda: connections() <= POOL, within=20, what="the pool is not exceeded")
        assert len(app.prebuilds("web-service")) >= 1
        assert app.interrupt() == 0
