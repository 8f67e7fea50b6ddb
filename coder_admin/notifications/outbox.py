"""The outbox as a queue: lease a batch, record results, clean up (reference 1.4).

Every statement is conditional on the lease, so that a notifier that was away too long cannot overwrite
what another one did meanwhile.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BooleanField, Case, F, PositiveSmallIntegerField, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from coder_admin.foundation.expressions import SecondsSince

from . import kinds
from .models import UNSETTLED, MessageStatus, Method, NotificationMessage, NotificationPreference

KEPT_FOR = timedelta(days=7)
DISABLED = "disabled by user"
NO_MORE = "no further attempt is allowed"
UNCONFIRMED = "no notifier confirmed the delivery: every one that tried was ended"
LONGEST_WAIT = timedelta(hours=1)
CLEANED_AT_A_TIME = 1_000
REASON_LIMIT = 2_000  # characters
# Control characters and halves of characters: no database stores all of them, and no page shows one.
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
# The condition of the index `notification_due`, word for word: with a parameter for a status no planner can
# tell that the index holds all rows that are asked for, and reads the whole log instead.
_MAY_BE_DUE = RawSQL(  # noqa: S611 - words of ours
    "{}.status IN ({})".format(
        NotificationMessage._meta.db_table, ", ".join(f"'{status.value}'" for status in UNSETTLED)
    ),
    (),
    output_field=BooleanField(),
)


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


def retry_delay(attempts: int, interval: timedelta, jitter: float) -> timedelta:
    """How long to wait after the `attempts`-th failure: doubled each time from `interval` on, at most an
    hour (or `interval`, if that is longer). `jitter` from 0 to 1 spreads it by a fifth to either side, so
    that messages that failed together do not come back together."""
    longest = max(LONGEST_WAIT, interval)
    wait = min(interval * 2 ** min(max(0, attempts - 1), 20), longest)
    spread: timedelta = wait * (0.8 + 0.4 * jitter)
    return spread


def storable_reason(reason: str) -> str:
    """What is kept of a reason, which may quote whatever the other side answered."""
    kept = _UNREADABLE.sub(lambda found: " " if any(map(str.isspace, found[0])) else "", reason)
    return kept[:REASON_LIMIT]


def due(methods: Sequence[Method], limits: Limits, now: datetime) -> QuerySet[NotificationMessage]:
    """Messages to deliver by these methods now, oldest first."""
    waiting = Q(status__in=(MessageStatus.PENDING, MessageStatus.TEMPORARY_FAILURE)) | Q(
        status=MessageStatus.LEASED, leased_until__lt=now
    )
    rows = NotificationMessage.objects.filter(
        _MAY_BE_DUE,
        waiting,
        Q(next_retry_after__isnull=True) | Q(next_retry_after__lte=now),
        method__in=methods,
        attempt_count__lt=limits.max_attempts,
    ).order_by("created_at", "id")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows


@transaction.atomic
def acquire(
    holder: uuid.UUID, methods: Sequence[Method], limits: Limits, now: datetime
) -> list[NotificationMessage]:
    """Lease the oldest messages that are due. Two notifiers never get the same one.

    A lease that ran out counts as an attempt, so that a message that ends its notifier is given up.
    """
    found = list(due(methods, limits, now)[: limits.batch])
    NotificationMessage.objects.filter(pk__in=[message.pk for message in found]).update(
        attempt_count=Case(
            When(status=MessageStatus.LEASED, then=F("attempt_count") + 1),
            default=F("attempt_count"),
            output_field=PositiveSmallIntegerField(),
        ),
        status=MessageStatus.LEASED,
        status_reason=f"Leased by notifier {holder}",
        lease_holder=holder,
        leased_until=now + limits.lease,
        queued_seconds=SecondsSince("updated_at", now),
        updated_at=now,
    )
    for message in found:
        message.attempt_count += message.status == MessageStatus.LEASED
        message.queued_seconds = max(0.0, (now - message.updated_at).total_seconds())
        message.status, message.updated_at = MessageStatus.LEASED, now
    return found


def unwanted(messages: Sequence[NotificationMessage]) -> set[uuid.UUID]:
    """Ids of messages whose kind, or whose method for it, their user has switched off since."""
    off = set(
        NotificationPreference.objects.filter(
            disabled=True, user__in={message.user_id for message in messages}
        ).values_list("user_id", "notification_template_id", "method")
    )
    return {
        message.id
        for message in messages
        if any(
            (message.user_id, message.notification_template_id, method) in off
            for method in ("", message.method)
        )
    }


def record_sent(holder: uuid.UUID, messages: Iterable[NotificationMessage], now: datetime) -> int:
    """Returns how many were still this notifier's."""
    return _settle(holder, messages, now, MessageStatus.SENT, "")


def record_inhibited(holder: uuid.UUID, messages: Iterable[NotificationMessage], now: datetime) -> int:
    return _settle(holder, messages, now, MessageStatus.INHIBITED, DISABLED)


def record_failure(
    holder: uuid.UUID, failure: Failure, limits: Limits, now: datetime, *, jitter: float
) -> bool:
    """Count the attempt; True when there will be another one."""
    attempts = failure.message.attempt_count + 1
    again = failure.retryable and attempts < limits.max_attempts
    NotificationMessage.objects.filter(pk=failure.message.pk, lease_holder=holder).update(
        status=MessageStatus.TEMPORARY_FAILURE if again else MessageStatus.PERMANENT_FAILURE,
        status_reason=storable_reason(failure.reason),
        attempt_count=attempts,
        next_retry_after=now + retry_delay(attempts, limits.retry_interval, jitter) if again else None,
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
) -> int:
    ids = [message.pk for message in messages]
    if not ids:
        return 0
    return NotificationMessage.objects.filter(pk__in=ids, lease_holder=holder).update(
        status=status,
        status_reason=reason,
        leased_until=None,
        lease_holder=None,
        next_retry_after=None,
        updated_at=now,
    )


def settlement(now: datetime, status: MessageStatus, reason: str) -> dict[str, Any]:
    """The columns of a result, for rows that this transaction has locked: they need no lease."""
    return {
        "queued_seconds": SecondsSince("updated_at", now),
        "status": status,
        "status_reason": reason,
        "leased_until": None,
        "lease_holder": None,
        "next_retry_after": None,
        "updated_at": now,
    }


def correct(ids: Sequence[str], status: MessageStatus, reason: str) -> None:
    """Record another result for messages that this transaction has recorded as sent."""
    if ids:
        NotificationMessage.objects.filter(pk__in=ids).update(
            status=status,
            status_reason=storable_reason(reason),
            attempt_count=F("attempt_count") + int(status == MessageStatus.PERMANENT_FAILURE),
        )


def give_up(now: datetime) -> int:
    """Fail messages that have no attempt left, because the last was never confirmed, or because fewer are
    allowed than when it failed; returns how many."""
    rows = NotificationMessage.objects.filter(
        _MAY_BE_DUE, attempt_count__gte=settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS
    )
    over = rows.filter(status=MessageStatus.LEASED, leased_until__lt=now)
    unconfirmed = over.update(**_given_up(now, Value(UNCONFIRMED)))
    failed = rows.filter(status=MessageStatus.TEMPORARY_FAILURE)
    return unconfirmed + failed.update(**_given_up(now, Concat(Value(f"{NO_MORE}: "), "status_reason")))


def _given_up(now: datetime, reason: Value | Concat) -> dict[str, Any]:
    return {
        "status": MessageStatus.PERMANENT_FAILURE,
        "status_reason": reason,
        "leased_until": None,
        "lease_holder": None,
        "next_retry_after": None,
        "updated_at": now,
    }


def clean_up(now: datetime) -> int:
    """Delete messages that nothing has happened to for seven days; returns how many."""
    old = NotificationMessage.objects.filter(updated_at__lt=now - KEPT_FOR).order_by("updated_at")
    deleted = 0
    # In pieces, so that no statement holds its locks for long.
    while ids := list(old.values_list("pk", flat=True)[:CLEANED_AT_A_TIME]):
        NotificationMessage.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted


def kind_of(message: NotificationMessage) -> kinds.Kind | None:
    return kinds.find(message.notification_template_id)
