"""The outbox as a queue: lease a batch, record results, clean up (reference 1.4).

Every statement is conditional on the lease, so that a notifier that was away too long cannot overwrite
what another one did meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q

from . import kinds
from .models import MessageStatus, NotificationMessage, NotificationPreference

KEPT_FOR = timedelta(days=7)
DISABLED = "disabled by user"


@dataclass(frozen=True, slots=True)
class Limits:
    lease: timedelta
    batch: int
    max_attempts: int
    retry_interval: timedelta


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not delivered, and whether another attempt may help."""

    message: NotificationMessage
    reason: str
    retryable: bool


def acquire(holder: uuid.UUID, limits: Limits, now: datetime) -> list[NotificationMessage]:
    """Lease the oldest messages that are due. Two notifiers never get the same one."""
    due = Q(status__in=(MessageStatus.PENDING, MessageStatus.TEMPORARY_FAILURE)) | Q(
        status=MessageStatus.LEASED, leased_until__lt=now
    )
    rows = NotificationMessage.objects.filter(
        due,
        Q(next_retry_after__isnull=True) | Q(next_retry_after__lte=now),
        attempt_count__lt=limits.max_attempts,
    ).order_by("created_at", "id")
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        found = list(rows.select_related("user")[: limits.batch])
        for message in found:
            message.status = MessageStatus.LEASED
            message.status_reason = f"Leased by notifier {holder}"
            message.lease_holder = holder
            message.leased_until = now + limits.lease
            message.queued_seconds = max(0.0, (now - message.updated_at).total_seconds())
            message.updated_at = now
        NotificationMessage.objects.bulk_update(
            found,
            ["status", "status_reason", "lease_holder", "leased_until", "queued_seconds", "updated_at"],
        )
    return found


def unwanted(messages: Sequence[NotificationMessage]) -> set[uuid.UUID]:
    """Ids of messages whose kind their user has switched off since they were queued."""
    off = set(
        NotificationPreference.objects.filter(
            disabled=True, user__in={message.user_id for message in messages}
        ).values_list("user_id", "notification_template_id")
    )
    return {m.id for m in messages if (m.user_id, m.notification_template_id) in off}


def record_sent(holder: uuid.UUID, messages: Iterable[NotificationMessage], now: datetime) -> None:
    _settle(holder, messages, now, MessageStatus.SENT, "")


def record_inhibited(holder: uuid.UUID, messages: Iterable[NotificationMessage], now: datetime) -> None:
    _settle(holder, messages, now, MessageStatus.INHIBITED, DISABLED)


def record_failure(holder: uuid.UUID, failure: Failure, limits: Limits, now: datetime) -> bool:
    """Count the attempt; True when there will be another one."""
    again = failure.retryable and failure.message.attempt_count + 1 < limits.max_attempts
    NotificationMessage.objects.filter(pk=failure.message.pk, lease_holder=holder).update(
        status=MessageStatus.TEMPORARY_FAILURE if again else MessageStatus.PERMANENT_FAILURE,
        status_reason=failure.reason[:2000],
        attempt_count=F("attempt_count") + 1,
        next_retry_after=now + limits.retry_interval if again else None,
        leased_until=None,
        lease_holder=None,
        updated_at=now,
    )
    return again


def _settle(
    holder: uuid.UUID,
    messages: Iterable[NotificationMessage],
    now: datetime,
    status: MessageStatus,
    reason: str,
) -> None:
    ids = [message.pk for message in messages]
    if ids:
        NotificationMessage.objects.filter(pk__in=ids, lease_holder=holder).update(
            status=status,
            status_reason=reason,
            leased_until=None,
            lease_holder=None,
            next_retry_after=None,
            updated_at=now,
        )


def clean_up(now: datetime) -> int:
    """Delete messages that nothing has happened to for seven days; returns how many."""
    count, _ = NotificationMessage.objects.filter(updated_at__lt=now - KEPT_FOR).delete()
    return count


def kind_of(message: NotificationMessage) -> kinds.Kind | None:
    return kinds.find(message.notification_template_id)
