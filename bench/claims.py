"""Claims per second with 32 claimers at once, against a bare psycopg loop doing the same row changes.

PostgreSQL only (DATABASE_URL): there is no row to skip on SQLite.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .figure import Figure
from .reconcile import add_prebuilds, database, make_pools

CLAIMERS, EACH = 32, 25
PRESETS_USED = 8


def measure() -> list[Figure]:
    """Milliseconds per claim (inverse throughput) against the bare loop, and the 99th percentile."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return []
    os.environ.setdefault("CODER_ADMIN_DATABASE_POOL", str(CLAIMERS + 4))
    with database():
        pools = make_pools(0)[:PRESETS_USED]
        add_prebuilds(pools, 0, 2 * CLAIMERS * EACH)
        people = _people()
        with _server_loop():
            ours, latencies = _race(_claimer(pools, people))
        bare, _ = _race(_bare_claimer(pools, people))
    p99 = sorted(latencies)[int(len(latencies) * 0.99)]
    total = CLAIMERS * EACH
    return [
        # The goal is 40 % of the bare loop's throughput.
        Figure(f"claim, {CLAIMERS} claimers at once", 1000 * ours / total, 1000 * bare / total / 0.4, "ms"),
        Figure("claims per second, as a share of bare ones", 100 * bare / ours, 100, "%"),
        Figure("claim, 99th percentile of latency", 1000 * p99, 1000, "ms"),
    ]


@contextmanager
def _server_loop() -> Iterator[None]:
    """The loop that a web process has, on which announcements leave."""
    from coder_admin.foundation import events

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    events.bind_loop(loop)
    try:
        yield
    finally:
        events.bind_loop(None)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _people() -> list[uuid.UUID]:
    from tests.prebuilds import world

    return [world.person(f"claimer{number}").id for number in range(CLAIMERS)]


def _race(claimer: Callable[[int], Callable[[int], None]]) -> tuple[float, list[float]]:
    """Seconds for all claims, and each one's latency."""
    from django.db import connections

    barrier = threading.Barrier(CLAIMERS + 1)
    latencies: list[float] = []

    def work(number: int) -> None:
        claim = claimer(number)
        barrier.wait(60)
        for turn in range(EACH):
            begun = time.perf_counter()
            claim(turn)
            latencies.append(time.perf_counter() - begun)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLAIMERS)]
    for thread in threads:
        thread.start()
    barrier.wait(60)
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun, latencies


Pools = list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]


def _claimer(pools: Pools, people: list[uuid.UUID]) -> Callable[[int], Callable[[int], None]]:
    """The product's claim in a transaction of its own."""
    from django.db import connection, transaction
    from django.utils import timezone

    from coder_admin.workspaces.claims import ClaimRequest
    from prebuilds.claim import claim
    from tests.prebuilds import world

    organization = world.organization().id

    def make(number: int) -> Callable[[int], None]:
        connection.ensure_connection()

        def one(turn: int) -> None:
            template, version, preset = pools[(number + turn) % len(pools)]
            request = ClaimRequest(
                preset_id=preset, template_id=template, version_id=version, organization_id=organization,
                owner_id=people[number], name=f"mine-{turn}", autostart_schedule="", next_start_at=None,
                ttl_ms=None, automatic_updates="never", now=timezone.now(),
            )  # fmt: skip
            with transaction.atomic():
                if claim(request) is None:
                    raise RuntimeError("the pool ran empty")

        return one

    return make


BARE_CLAIM = """
UPDATE workspaces_workspace SET owner_id = %(owner)s, name = %(name)s, updated_at = %(now)s,
  last_used_at = %(now)s, autostart_schedule = '', next_start_at = NULL, ttl_ms = NULL,
  automatic_updates = 'never', dormant_at = NULL, deleting_at = NULL
WHERE id = (
  SELECT w.id FROM workspaces_workspace w JOIN workspaces_workspacebuild b ON b.id = w.latest_build_id
  WHERE w.owner_id = %(prebuilds)s AND NOT w.deleted AND b.template_version_preset_id = %(preset)s
  ORDER BY w.created_at, w.id LIMIT 1 FOR UPDATE OF w SKIP LOCKED
) AND owner_id = %(prebuilds)s RETURNING id
"""
BARE_EVENT = """
INSERT INTO prebuilds_prebuildevent
  (id, created_at, kind, organization_id, template_id, preset_id, preset_name, workspace_id, details)
VALUES (%(id)s, %(now)s, 'claim', %(organization)s, %(template)s, %(preset)s, 'large', %(workspace)s, '{}')
"""


def _bare_claimer(pools: Pools, people: list[uuid.UUID]) -> Callable[[int], Callable[[int], None]]:
    """The same rows changed by two statements."""
    import psycopg
    from django.db import connection
    from django.utils import timezone

    from coder_admin.organizations.models import PREBUILDS_USER_ID
    from tests.prebuilds import world

    organization = world.organization().id
    wanted = ("host", "port", "dbname", "user", "password")
    address = {key: value for key, value in connection.get_connection_params().items() if key in wanted}

    def make(number: int) -> Callable[[int], None]:
        raw = psycopg.connect(**address)

        def one(turn: int) -> None:
            template, _, preset = pools[(number + turn) % len(pools)]
            values = {
                "owner": people[number], "name": f"bare-{turn}", "now": timezone.now(), "preset": preset,
                "prebuilds": PREBUILDS_USER_ID, "organization": organization, "template": template,
                "id": uuid.uuid4(),
            }  # fmt: skip
            with raw.transaction():
                row = raw.execute(BARE_CLAIM, values).fetchone()
                if row is None:
                    raise RuntimeError("the pool ran empty")
                raw.execute(BARE_EVENT, {**values, "workspace": row[0]})

        return one

    return make
