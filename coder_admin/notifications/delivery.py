"""What a delivery takes and gives, and the inbox: a batch at a time, in one transaction."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction

from coder_admin.foundation import events

from . import outbox
from .bulk import InboxText, move_to_inbox
from .models import MessageStatus, Method, NotificationMessage
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
    rows = outbox.due(methods, limits, now)
    # What is only moved is not read: the insert takes it from the outbox itself.
    columns = ("id", "user_id", "notification_template_id", "method", "updated_at", "payload")
    messages = list(rows.only(*columns)[: limits.batch])
    if not messages:
        return Batch()
    for message in messages:
        message.queued_seconds = max(0.0, (now - message.updated_at).total_seconds())
    unwanted = outbox.unwanted(messages)
    written, failed = _written([message for message in messages if message.id not in unwanted])
    if singly:
        refused = [failure for one in written if (failure := _insert_one(one, now)) is not None]
        failed += refused
        gone = {failure.message.id for failure in refused}
        written = [one for one in written if one.message.id not in gone]
    else:
        _insert(written, now)
    batch = Batch([one.message for one in written], failed, [one for one in messages if one.id in unwanted])
    outbox.settle_locked(batch.sent, now, MessageStatus.SENT, "")
    outbox.settle_locked(batch.inhibited, now, MessageStatus.INHIBITED, outbox.DISABLED)
    for failure in failed:
        outbox.settle_locked([failure.message], now, MessageStatus.PERMANENT_FAILURE, failure.reason[:2000])
    _announce(batch.sent)
    return batch


def _written(messages: Sequence[NotificationMessage]) -> tuple[list[Letter], list[Failure]]:
    """The letters, and what cannot be written."""
    composer = Composer()
    letters: list[Letter] = []
    failures: list[Failure] = []
    for message in messages:
        match write_letter(message, composer):
            case Letter() as letter:
                letters.append(letter)
            case failure:
                failures.append(failure)
    return letters, failures


def _insert(letters: Sequence[Letter], now: datetime) -> None:
    same: dict[tuple[Rendered, str], list[uuid.UUID]] = defaultdict(list)
    for letter in letters:
        same[letter.text, letter.icon].append(letter.message.id)
    move_to_inbox([InboxText(text.title, text.body, icon, ids) for (text, icon), ids in same.items()], now)


def _insert_one(letter: Letter, now: datetime) -> Failure | None:
    try:
        with transaction.atomic():
            _insert([letter], now)
    except (DatabaseError, ValueError) as error:
        return Failure(letter.message, f"the inbox refused it: {error}", retryable=False)
    return None


def _announce(messages: Sequence[NotificationMessage]) -> None:
    """Tell open pages after the commit: one event for each reader, in one go."""
    new: dict[str, list[str]] = {}
    for message in messages:
        new.setdefault(f"inbox:{message.user_id}", []).append(str(message.id))
    events.publish_all(
        [
            (topic, {"kind": "new", "ids": ids[start : start + INBOX_ID_LIMIT]})
            for topic, ids in new.items()
            for start in range(0, len(ids), INBOX_ID_LIMIT)
        ]
    )
