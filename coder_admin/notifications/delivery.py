"""What a delivery takes and gives, and the inbox: a batch at a time, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction

from coder_admin.foundation import events

from . import outbox
from .models import InboxNotification, MessageStatus, Method, NotificationMessage
from .outbox import Failure, Limits, kind_of
from .rendering import Composer, Rendered, RenderError

INBOX_ID_LIMIT = 50  # ids of new messages that one event names


class DeliveryError(Exception):
    """Not delivered. `retryable` says whether another attempt may succeed."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its rendered text."""

    message: NotificationMessage
    text: Rendered
    icon: str

    @property
    def actions(self) -> list[dict[str, str]]:
        found = self.message.payload.get("actions")
        return found if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch for the inbox."""

    sent: Sequence[NotificationMessage] = ()
    failed: Sequence[Failure] = ()
    inhibited: Sequence[NotificationMessage] = ()

    def __len__(self) -> int:
        return len(self.sent) + len(self.failed) + len(self.inhibited)


def write_letter(message: NotificationMessage, composer: Composer) -> Letter | Failure:
    """The message with its text, or why it will never have one: a text that fails once fails always."""
    kind = kind_of(message)
    if kind is None:
        return Failure(message, f"kind {message.notification_template_id} is not registered", retryable=False)
    try:
        return Letter(message, composer.compose(kind, message.payload), kind.icon)
    except RenderError as error:
        return Failure(message, f"the text cannot be rendered: {error}", retryable=False)


def deliver_inbox(methods: Sequence[Method], limits: Limits, now: datetime) -> Batch:
    """Deliver the oldest messages for the inbox: locked, inserted and recorded in one transaction.

    Nothing leaves the database, so that no lease is needed: a notifier that is killed leaves everything
    as it was, and no message comes twice. A row that the database refuses is failed by itself.
    """
    try:
        with transaction.atomic():
            return _deliver(methods, limits, now, singly=False)
    except (DatabaseError, ValueError):
        with transaction.atomic():
            return _deliver(methods, limits, now, singly=True)


def _deliver(methods: Sequence[Method], limits: Limits, now: datetime, *, singly: bool) -> Batch:
    messages = list(outbox.due(methods, limits, now)[: limits.batch])
    if not messages:
        return Batch()
    for message in messages:
        message.queued_seconds = max(0.0, (now - message.updated_at).total_seconds())
    unwanted = outbox.unwanted(messages)
    composer = Composer()
    written = [write_letter(message, composer) for message in messages if message.id not in unwanted]
    failed = [one for one in written if isinstance(one, Failure)]
    letters = [one for one in written if isinstance(one, Letter)]
    if singly:
        refused = [failure for letter in letters if (failure := _insert_one(letter, now)) is not None]
        failed += refused
        gone = {failure.message.id for failure in refused}
        letters = [letter for letter in letters if letter.message.id not in gone]
    else:
        # A row has its message's id: one that is delivered again is not inserted twice.
        InboxNotification.objects.bulk_create(
            [_row(letter, now) for letter in letters], ignore_conflicts=True
        )
    batch = Batch(
        [letter.message for letter in letters], failed, [one for one in messages if one.id in unwanted]
    )
    outbox.settle_locked(batch.sent, now, MessageStatus.SENT, "")
    outbox.settle_locked(batch.inhibited, now, MessageStatus.INHIBITED, outbox.DISABLED)
    for failure in failed:
        outbox.settle_locked([failure.message], now, MessageStatus.PERMANENT_FAILURE, failure.reason[:2000])
    _announce(letters)
    return batch


def _row(letter: Letter, now: datetime) -> InboxNotification:
    return InboxNotification(
        id=letter.message.id,
        user_id=letter.message.user_id,
        template_id=letter.message.notification_template_id,
        targets=letter.message.targets,
        title=letter.text.title,
        content=letter.text.body,
        icon=letter.icon,
        actions=letter.actions,
        created_at=now,
    )


def _insert_one(letter: Letter, now: datetime) -> Failure | None:
    try:
        with transaction.atomic():
            InboxNotification.objects.bulk_create([_row(letter, now)], ignore_conflicts=True)
    except (DatabaseError, ValueError) as error:
        return Failure(letter.message, f"the inbox refused it: {error}", retryable=False)
    return None


def _announce(letters: Sequence[Letter]) -> None:
    """Tell open pages after the commit: one event for each reader, in one go."""
    new: dict[str, list[str]] = {}
    for letter in letters:
        new.setdefault(f"inbox:{letter.message.user_id}", []).append(str(letter.message.id))
    events.publish_all(
        [
            (topic, {"kind": "new", "ids": ids[start : start + INBOX_ID_LIMIT]})
            for topic, ids in new.items()
            for start in range(0, len(ids), INBOX_ID_LIMIT)
        ]
    )
