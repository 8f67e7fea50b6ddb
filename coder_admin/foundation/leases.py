"""A lease row: at most one process at a time does a periodic task, on every database.

Whoever holds the row renews it in its own writes; a holder that vanished is replaced once the row has
expired. Work under a lease must bear a second worker for a moment: a process may sleep through its expiry.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from .models import Lease

PERIOD = timedelta(seconds=60)


class HeldLease:
    """The right to go on; `renew` says whether it still holds."""

    def __init__(self, name: str, holder: uuid.UUID, period: timedelta) -> None:
        self._name = name
        self._holder = holder
        self._period = period

    def renew(self) -> bool:
        now = timezone.now()
        held = Lease.objects.filter(name=self._name, holder=self._holder, expires_at__gt=now)
        return bool(held.update(expires_at=now + self._period))

    def release(self) -> None:
        Lease.objects.filter(name=self._name, holder=self._holder).delete()


@contextmanager
def lease(name: str, *, period: timedelta = PERIOD) -> Iterator[HeldLease | None]:
    """Hold `name` while the block runs; yields None at once when another process does."""
    held = HeldLease(name, uuid.uuid4(), period)
    if not _take(name, held._holder, period):
        yield None
        return
    try:
        yield held
    finally:
        held.release()


def _take(name: str, holder: uuid.UUID, period: timedelta) -> bool:
    now = timezone.now()
    fields = {"holder": holder, "expires_at": now + period}
    if Lease.objects.filter(name=name, expires_at__lte=now).update(**fields):
        return True
    try:
        with transaction.atomic():
            Lease.objects.create(name=name, **fields)
    except IntegrityError:
        return False
    return True
