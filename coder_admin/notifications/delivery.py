"""What a delivery takes and gives, and the inbox: a batch at a time, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models.fields.json import KeyTextTransform

from coder_admin.foundation import events

from . import outbox
from .bulk import move_to_inbox
from .kinds import all_kinds
from .models import MessageStatus, Method, NotificationMessage
from .outbox import Failure, Limits, kind_of
from .rendering import Composer, Rendered, RenderError, is_personal

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
    # What is only moved is not read: the insert takes it from the outbox itself.
    rows = outbox.due(methods, limits, now).only(
        "id", "user_id", "notification_template_id", "method", "updated_at"
    )
    labels, data = KeyTextTransform("labels", "payload"), KeyTextTransform("data", "payload")
    messages = list(rows.annotate(labels_text=labels, data_text=data)[: limits.batch])
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
        move_to_inbox([(one.message.id, one.text.title, one.text.body, one.icon) for one in written], now)
    batch = Batch([one.message for one in written], failed, [one for one in messages if one.id in unwanted])
    outbox.settle_locked(batch.sent, now, MessageStatus.SENT, "")
    outbox.settle_locked(batch.inhibited, now, MessageStatus.INHIBITED, outbox.DISABLED)
    for failure in failed:
        outbox.settle_locked([failure.message], now, MessageStatus.PERMANENT_FAILURE, failure.reason[:2000])
    _announce(batch.sent)
    return batch


def _written(messages: Sequence[NotificationMessage]) -> tuple[list[Letter], list[Failure]]:
    """The letters, and what cannot be written; what differs only in its reader is rendered once."""
    shared = {kind.id for kind in all_kinds() if not is_personal(kind)}
    keys = {message.id: _text_key(message, shared) for message in messages}
    first: dict[object, uuid.UUID] = {}
    for message in messages:
        first.setdefault(keys[message.id], message.id)
    payloads = dict(
        NotificationMessage.objects.filter(pk__in=list(first.values())).values_list("pk", "payload")
    )
    composer = Composer()
    made: dict[object, Letter | Failure] = {}
    letters: list[Letter] = []
    failures: list[Failure] = []
    for message in messages:
        key = keys[message.id]
        if key not in made:
            message.payload = payloads[message.id]
            made[key] = write_letter(message, composer)
        one = made[key]
        if isinstance(one, Failure):
            failures.append(Failure(message, one.reason, one.retryable))
        else:
            letters.append(Letter(message, one.text, one.icon))
    return letters, failures


def _text_key(message: Any, shared: Collection[uuid.UUID]) -> object:
    """Messages of the same key read the same; `shared` are the kinds whose texts do not name the reader."""
    kind_id = message.notification_template_id
    return (kind_id, message.labels_text, message.data_text) if kind_id in shared else message.id


def _insert_one(letter: Letter, now: datetime) -> Failure | None:
    try:
        with transaction.atomic():
            move_to_inbox([(letter.message.id, letter.text.title, letter.text.body, letter.icon)], now)
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
