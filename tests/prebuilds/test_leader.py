"""Leadership: one at a time, whoever was stopped too long writes nothing, a vanished holder is followed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, connections

from coder_admin.foundation.models import Lease
from prebuilds.leader import ADVISORY_KEY, LeadLost, leadership

pytestmark = pytest.mark.django_db(transaction=True)


def lead_elsewhere(period: timedelta = timedelta(seconds=30)) -> bool:
    """Whether another connection could lead now."""
    answers: list[bool] = []

    def work() -> None:
        with leadership(period) as lead:
            answers.append(lead is not None)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    return answers[0]


def test_only_one_leads_at_a_time_and_the_next_can_follow() -> None:
    with leadership() as lead:
        assert lead is not None
        lead.confirm()
        assert not lead_elsewhere()
    assert lead_elsewhere()
    assert lead_elsewhere()


def test_the_lead_is_given_back_after_an_error() -> None:
    with pytest.raises(RuntimeError), leadership():
        raise RuntimeError("the pass failed")
    assert lead_elsewhere()


def test_a_holder_that_lost_the_lead_may_not_write() -> None:
    with leadership() as lead:
        assert lead is not None
        if connection.vendor == "postgresql":
            # The server ends the session, as it does when the holder's machine vanishes.
            end_advisory_lock_session()
        else:
            Lease.objects.update(expires_at="2026-01-01T00:00:00Z")
        assert lead_elsewhere()
        with pytest.raises(LeadLost):
            lead.confirm()


def end_advisory_lock_session() -> None:
    def work() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                [ADVISORY_KEY & 0xFFFFFFFF],
            )
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    with pytest.raises(DatabaseError):
        ask_until_noticed()
    connection.close()


def ask_until_noticed() -> None:
    """Use the connection, as a pass would, until it is noticed that its session is dead."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
