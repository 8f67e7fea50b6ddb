"""The reconciler loses its lock in the middle of a pass; nobody listens to what it announces."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from coder_admin.foundation.models import Lease
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.queue import waiting
from coder_admin.workspaces.models import Workspace
from prebuilds.leader import ADVISORY_KEY, LEASE_NAME, LeadLost
from prebuilds.passes import Stats, reconcile_once
from prebuilds.reconciler import Reconciler
from tests.prebuilds import world
from tests.prebuilds.test_reconciler import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def pooled() -> int:
    return Workspace.objects.filter(owner=PREBUILDS_USER_ID).count()


def elsewhere(work: Any) -> None:
    """Run in a thread with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)


def take_the_lead_away() -> None:
    """What an observer sees when the holder's machine vanishes, or was stopped for too long."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                [ADVISORY_KEY & 0xFFFFFFFF],
            )
    else:
        later = timezone.now() + timedelta(minutes=1)
        Lease.objects.filter(name=LEASE_NAME).update(holder=uuid.uuid4(), expires_at=later)


def test_a_pass_that_lost_its_lock_writes_nothing_more_and_another_goes_on() -> None:
    for name in ("a", "b"):
        world.preset(world.template(name).active_version, 2)
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:  # between the two presets
            elsewhere(take_the_lead_away)
        return False

    with pytest.raises((LeadLost, DatabaseError)):
        reconcile_once(stopping=stopping)
    connection.close()
    assert asked == 2
    assert pooled() == 2
    Lease.objects.all().delete()  # the usurper of the lease is done, too
    stats: list[Stats] = []
    elsewhere(lambda: stats.append(reconcile_once()))
    assert (stats[0].led, stats[0].created, stats[0].errors) == (True, 2, [])
    assert pooled() == 4


def test_a_loop_whose_connection_dies_leads_again() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could end a session")
    world.preset(world.template("a").active_version, 1)
    connection.close()
    assert hasattr(connection, "close_pool")
    connection.close_pool()
    others = sessions()  # of this process's other threads, which later tests go on using
    loop = Reconciler(interval=0.2)
    loop.start()
    try:
        eventually(lambda: pooled() == 1)
        end_sessions_except(others)
        world.preset(world.template("b").active_version, 1)
        eventually(lambda: pooled() == 2, within=20)
    finally:
        loop.stop()


def direct() -> psycopg.Connection[Any]:
    """A session of its own, which no pool knows of."""
    known = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(**{name: known[name] for name in names if name in known})


def sessions() -> list[int]:
    with direct() as own:
        found = own.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return [pid for (pid,) in found]


def end_sessions_except(kept: list[int]) -> None:
    with direct() as own:
        ended = own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL(%s)",
            [kept],
        )
        assert ended.fetchall()
    connection.close()


@pytest.mark.usefixtures("nobody_listens")
def test_pools_are_kept_while_channel_layer_and_broker_are_down() -> None:
    """Announcements are hints: jobs wait in the database, and the timer finds what no event tells."""
    world.preset(world.template("a").active_version, 2)
    loop = Reconciler(interval=0.2)
    loop.start()
    try:
        eventually(lambda: pooled() == 2, within=20)
        assert waiting().filter(type="workspace_build").count() == 2
        # Written behind the loop's back: no event tells of it.
        world.preset(world.template("b").active_version, 1)
        eventually(lambda: pooled() == 3, within=20)
    finally:
        loop.stop()
