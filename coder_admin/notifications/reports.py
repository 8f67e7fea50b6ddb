"""Periodic reports: one process makes each, once in its period, in one transaction with its messages."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction

from .models import NotificationReportLog

Generate = Callable[[datetime, datetime], object]


def make_when_due(kind_id: uuid.UUID, period: timedelta, now: datetime, generate: Generate) -> bool:
    """Call `generate(since, now)` if a period has passed since the last report; the first call ever only
    stores the time. Whoever else makes the report at this moment holds the row's lock. True when made."""
    with transaction.atomic():
        _, fresh = NotificationReportLog.objects.get_or_create(
            pk=kind_id, defaults={"last_generated_at": now}
        )
        rows = NotificationReportLog.objects.filter(pk=kind_id)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        log = rows.first()
        if fresh or log is None or now - log.last_generated_at < period:
            return False
        generate(log.last_generated_at, now)
        log.last_generated_at = now
        log.save(update_fields=["last_generated_at"])
        return True
