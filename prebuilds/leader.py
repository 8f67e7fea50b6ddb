"""One reconciler at a time on one database.

PostgreSQL: a session's advisory lock on the very connection that the pass writes through. When that
connection goes, so does the lock, and nothing can be written through it any more.
SQLite: a lease row. Every write of the pass renews it in its own transaction, so that a process which was
stopped for longer than the lease cannot write once another one leads.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from coder_admin.foundation.models import Lease

LEASE_NAME = "prebuilds-reconciler"
LEASE_PERIOD = timedelta(seconds=30)
# The key of the advisory lock: an arbitrary constant, the same in every replica.
ADVISORY_KEY = 0x70726562_75696C64


class LeadLost(Exception):
    """Somebody else may lead by now: the pass must end without another write."""


class Lead(Protocol):
    """The right to run a pass."""

    def confirm(self) -> None:
        """Raise LeadLost unless the lead still holds; call it inside each transaction that writes."""


@contextmanager
def leadership(period: timedelta = LEASE_PERIOD) -> Iterator[Lead | None]:
    """Try to lead while the block runs; yields None at once when another process does."""
    lead: _AdvisoryLock | _LeaseRow = (
        _AdvisoryLock() if connection.vendor == "postgresql" else _LeaseRow(period)
    )
    if not lead.acquire():
        yield None
        return
    try:
        yield lead
    finally:
        lead.release()


class _AdvisoryLock:
    def __init__(self) -> None:
        self._session: object = None

    def acquire(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_KEY])
            row = cursor.fetchone()
        self._session = connection.connection
        return bool(row and row[0])

    def confirm(self) -> None:
        if connection.connection is not self._session:
            raise LeadLost("the connection that held the lock is gone")

    def release(self) -> None:
        if connection.connection is self._session and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_KEY])


class _LeaseRow:
    def __init__(self, period: timedelta) -> None:
        self._holder = uuid.uuid4()
        self._period = period

    def acquire(self) -> bool:
        now = timezone.now()
        fields = {"holder": self._holder, "expires_at": now + self._period}
        try:
            with transaction.atomic():
                taken = Lease.objects.filter(name=LEASE_NAME, expires_at__lte=now).update(**fields)
                if not taken:
                    Lease.objects.create(name=LEASE_NAME, **fields)
        except IntegrityError:
            return False
        return True

    def confirm(self) -> None:
        now = timezone.now()
        held = Lease.objects.filter(name=LEASE_NAME, holder=self._holder, expires_at__gt=now)
        if not held.update(expires_at=now + self._period):
            raise LeadLost("the lease ran out")

    def release(self) -> None:
        Lease.objects.filter(name=LEASE_NAME, holder=self._holder).delete()
