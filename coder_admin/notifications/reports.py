"""Periodic reports: one process makes each, once in its period, in one transaction with its messages."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction

from .models import NotificationReportLog

Generate = Callable[[datetime, datetime], object]
IN_TIME = timedelta(hours=1)  # looks are minutes apart; a restart may take one away


def period_due(last: datetime, period: timedelta, now: datetime) -> tuple[datetime, datetime] | None:
    """From when until when a report made at `now` covers, always exactly one period; None before it is due.

    Of reports made in time each begins where the one before ended, so that nothing falls between them. One
    that nobody was there to make for longer covers the period up to now: what lies before it is missed, for
    a report that calls itself weekly tells of a week.
    """
    due = last + period
    if now < due:
        return None
    until = due if now - due < IN_TIME else now
    return until - period, until


def make_when_due(kind_id: uuid.UUID, period: timedelta, now: datetime, generate: Generate) -> bool:
    """Call `generate(since, until)` if a period has passed since the last report; the first call ever only
    stores the time. Whoever else makes the report at this moment holds the row's lock. True when made."""
    with transaction.atomic():
        _, fresh = NotificationReportLog.objects.get_or_create(
            pk=kind_id, defaults={"last_generated_at": now}
        )
        rows = NotificationReportLog.objects.filter(pk=kind_id)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        log = rows.first()
        covered = None if fresh or log is None else period_due(log.last_generated_at, period, now)
        if log is None or covered is None:
            return False
        since, until = covered
        generate(since, until)
        log.last_generated_at = until
        log.save(update_fields=["last_generated_at"])
        return True
