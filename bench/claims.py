"""Claims per second with 32 claimers at once, against a bare psycopg loop doing the same row changes.

PostgreSQL only (DATABASE_URL): there is no row to skip on SQLite.

Both sides change the same rows, the workspace and the event, in a transaction of their own, from as many
threads of one process, which is how one server process claims; they share its interpreter and the machine
with PostgreSQL, so that the time of either is what it costs all of these together. The bare loop has the
best statement for its choice that we know, along the same index, and leaves out only what makes a claim one:
whether the prebuild runs, on the active version, with ready agents. psycopg prepares the bare statements by
itself. What a connection does once (to read the catalogue, to prepare) is left out on both sides by a few
claims before the clock starts, and the sides take turns, so that neither has the emptier tables.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .figure import Figure
from .reconcile import add_prebuilds, bare_connection, database, make_pools

CLAIMERS, WARM, EACH = 32, 10, 40
TURNS = ("ours", "bare", "bare", "ours")
PRESETS_USED = 8


def measure() -> list[Figure]:
    """Milliseconds per claim (inverse throughput) against the bare loop, and the 99th percentile."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return []
    os.environ.setdefault("CODER_ADMIN_DATABASE_POOL", str(CLAIMERS + 4))
    taken = {"ours": 0.0, "bare": 0.0}
    latencies: dict[str, list[float]] = {"ours": [], "bare": []}
    with database():
        pools = make_pools(0)[:PRESETS_USED]
        add_prebuilds(pools, 0, len(TURNS) * CLAIMERS * (WARM + EACH))
        people = _people()
        claimers = {"ours": _claimer(pools, people), "bare": _bare_claimer(pools, people)}
        with _server_loop():
            for side in TURNS:
                seconds, each = _race(claimers[side])
                taken[side] += seconds
                latencies[side] += each
    total = len(latencies["ours"])
    ours, bare = 1000 * taken["ours"] / total, 1000 * taken["bare"] / total
    p99, bare_p99 = (1000 * sorted(latencies[side])[int(total * 0.99)] for side in ("ours", "bare"))
    return [
        # The goal is 40 % of the bare loop's throughput.
        Figure(f"claim, {CLAIMERS} claimers at once", ours, bare / 0.4, "ms"),
        Figure("claims per second, as a share of bare ones", 100 * bare / ours, 100, "%"),
        Figure("claim, 99th percentile of latency", p99, 1000, "ms"),
        Figure("bare claim, 99th percentile of latency", bare_p99, 1000, "ms"),
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


def _race(claimer: Callable[[int], Callable[[], None]]) -> tuple[float, list[float]]:
    """Seconds for all claims but each claimer's first few, and each one's latency."""
    from django.db import connections

    warm, begin = threading.Barrier(CLAIMERS + 1), threading.Barrier(CLAIMERS + 1)
    latencies: list[float] = []

    def work(number: int) -> None:
        claim = claimer(number)
        for _ in range(WARM):
            claim()
        warm.wait(60)
        begin.wait(60)
        for _ in range(EACH):
            begun = time.perf_counter()
            claim()
            latencies.append(time.perf_counter() - begun)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLAIMERS)]
    for thread in threads:
        thread.start()
    warm.wait(60)
    begin.wait(60)
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    if len(latencies) != CLAIMERS * EACH:
        raise RuntimeError("a claimer failed")
    return seconds, latencies


Pools = list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]


def _claimer(pools: Pools, people: list[uuid.UUID]) -> Callable[[int], Callable[[], None]]:
    """The product's claim in a transaction of its own."""
    from django.db import connection, transaction
    from django.utils import timezone

    from coder_admin.catalog.models import TemplateVersionPreset
    from coder_admin.workspaces.claims import ClaimRequest
    from prebuilds.claim import claim
    from tests.prebuilds import world

    organization = world.organization().id
    # Read by whoever creates a workspace, to choose among them.
    presets = TemplateVersionPreset.objects.in_bulk([preset for _, _, preset in pools])

    def make(number: int) -> Callable[[], None]:
        connection.ensure_connection()
        turns = itertools.count(number)

        def one() -> None:
            template, version, preset = pools[next(turns) % len(pools)]
            request = ClaimRequest(
                preset=presets[preset], template_id=template, version_id=version,
                organization_id=organization, owner_id=people[number], name=_name(), autostart_schedule="",
                next_start_at=None, ttl_ms=None, automatic_updates="never", now=timezone.now(),
            )  # fmt: skip
            with transaction.atomic():
                if claim(request) is None:
                    raise RuntimeError("the pool ran empty")

        return one

    return make


def _name() -> str:
    return f"mine-{uuid.uuid4().hex[:12]}"


BARE_CLAIM = """
UPDATE workspaces_workspace SET owner_id = %(owner)s, name = %(name)s, updated_at = %(now)s,
  last_used_at = %(now)s, autostart_schedule = '', next_start_at = NULL, ttl_ms = NULL,
  automatic_updates = 'never', dormant_at = NULL, deleting_at = NULL
WHERE owner_id = %(prebuilds)s AND id = (
  SELECT w.id FROM workspaces_workspace w
  WHERE w.owner_id = %(prebuilds)s AND NOT w.deleted AND w.template_id = %(template)s AND %(preset)s = (
    SELECT b.template_version_preset_id FROM workspaces_workspacebuild b WHERE b.id = w.latest_build_id)
  ORDER BY w.created_at, w.id LIMIT 1 FOR UPDATE OF w SKIP LOCKED
) RETURNING id, created_at
"""
BARE_EVENT = """
INSERT INTO prebuilds_prebuildevent
  (id, created_at, kind, organization_id, template_id, preset_id, preset_name, workspace_id, details)
VALUES
  (%(id)s, %(now)s, 'claim', %(organization)s, %(template)s, %(preset)s, 'large', %(workspace)s, %(details)s)
"""


def _bare_claimer(pools: Pools, people: list[uuid.UUID]) -> Callable[[int], Callable[[], None]]:
    """The same rows changed by two statements."""
    from django.utils import timezone

    from coder_admin.organizations.models import PREBUILDS_USER_ID
    from tests.prebuilds import world

    organization = world.organization().id

    def make(number: int) -> Callable[[], None]:
        raw = bare_connection(autocommit=True)
        turns = itertools.count(number)

        def one() -> None:
            template, _, preset = pools[next(turns) % len(pools)]
            values = {
                "owner": people[number], "name": _name(), "now": timezone.now(), "preset": preset,
                "prebuilds": PREBUILDS_USER_ID, "organization": organization, "template": template,
                "id": uuid.uuid4(),
            }  # fmt: skip
            with raw.transaction():
                row = raw.execute(BARE_CLAIM, values).fetchone()
                if row is None:
                    raise RuntimeError("the pool ran empty")
                age = (values["now"] - row[1]).total_seconds()
                details = json.dumps({"owner_id": str(values["owner"]), "prebuild_age_seconds": f"{age:.3f}"})
                raw.execute(BARE_EVENT, {**values, "workspace": row[0], "details": details})

        return one

    return make
