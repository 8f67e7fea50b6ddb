"""What people do with their inbox, and administrators with the outbox. `notify` is `enqueue`'s."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from coder_admin.audit.services import record
from coder_admin.foundation import events
from coder_admin.foundation.errors import Conflict, Invalid, NotFound, Validation
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from . import config, kinds
from .enqueue import Queued, notify
from .models import InboxNotification, MessageStatus, NotificationMessage
from .wake import wake

__all__ = [
    "Queued",
    "inbox_mark",
    "inbox_mark_all",
    "inbox_mark_some",
    "message_retry",
    "notify",
    "test_send",
    "unread_count",
]

MOST_AT_ONCE = 200


def test_send(*, actor: Subject) -> Queued:
    """Send the test message to the caller; the time in it keeps a second test from being a duplicate."""
    require(actor, Action.UPDATE, config.CONFIG, message="You may not send test notifications.")
    now = timezone.now()
    with transaction.atomic():
        return notify(
            kinds.TEST.id,
            [uuid.UUID(actor.id)],
            labels={},
            data={"timestamp": now.isoformat()},
            created_by="notifications-test",
        )


def unread_count(user_id: uuid.UUID | str) -> int:
    """All unread messages of the user, whatever a list shows."""
    return InboxNotification.objects.filter(user_id=user_id, read_at__isnull=True).count()


@transaction.atomic
def inbox_mark(*, actor: Subject, notification_id: uuid.UUID, is_read: bool) -> InboxNotification:
    """Mark one message of one's own as read or unread. Raises NotFound."""
    row = InboxNotification.objects.filter(pk=notification_id, user_id=actor.id).first()
    if row is None:
        raise NotFound
    require(actor, Action.UPDATE, row)
    if is_read != (row.read_at is not None):
        row.read_at = timezone.now() if is_read else None
        row.save(update_fields=["read_at"])
        _announce_read(actor)
    return row


@transaction.atomic
def inbox_mark_all(*, actor: Subject) -> int:
    """Mark all of one's own messages as read; returns how many were unread."""
    return _mark(actor, None, is_read=True)


@transaction.atomic
def inbox_mark_some(*, actor: Subject, ids: Sequence[uuid.UUID], is_read: bool) -> int:
    """Mark some of one's own messages; ids of others' are passed over. Returns how many changed."""
    if len(ids) > MOST_AT_ONCE:
        raise Invalid(
            "Too many messages at once.", validations=[Validation("ids", f"At most {MOST_AT_ONCE}.")]
        )
    return _mark(actor, ids, is_read=is_read)


def _mark(actor: Subject, ids: Sequence[uuid.UUID] | None, *, is_read: bool) -> int:
    require(actor, Action.UPDATE, RbacObject(ResourceType.INBOX_NOTIFICATION, owner=actor.id))
    rows = InboxNotification.objects.filter(user_id=actor.id, read_at__isnull=is_read)
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    count = rows.update(read_at=timezone.now() if is_read else None)
    if count:
        _announce_read(actor)
    return count


def _announce_read(actor: Subject) -> None:
    events.publish(f"inbox:{actor.id}", {"kind": "read"})


@transaction.atomic
def message_retry(*, actor: Subject, message_id: uuid.UUID) -> NotificationMessage:
    """Have a message that failed or was held up delivered again, at once and with all its attempts.

    Raises Forbidden, NotFound, and Conflict when there is nothing to try again.
    """
    target = RbacObject(ResourceType.NOTIFICATION_MESSAGE)
    require(actor, Action.UPDATE, target, message="You may not send messages again.")
    row = NotificationMessage.objects.select_for_update().filter(pk=message_id).first()
    if row is None:
        raise NotFound
    if not row.can_retry:
        raise Conflict(
            f"The message is {row.status}: there is nothing to try again.",
            detail="Only failed and inhibited messages can be sent again.",
        )
    before, now = row.status, timezone.now()
    row.status, row.status_reason = MessageStatus.PENDING, ""
    row.attempt_count, row.next_retry_after, row.leased_until, row.lease_holder = 0, None, None, None
    row.updated_at = now
    row.save()
    record(
        actor=actor,
        action="write",
        resource_type="notification_template",
        resource_id=row.notification_template_id,
        resource_target=str(row.payload.get("notification_name", "")),
        additional_fields={"message_id": str(row.id), "action": "retry"},
        diff={"status": {"old": before, "new": str(row.status), "secret": False}},
    )
    wake()
    return row
