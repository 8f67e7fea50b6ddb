"""Delivery into the inbox: a batch at a time, in one transaction."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, OperationalError, transaction

from coder_admin.foundation import events

from . import kinds, moving, outbox
from .delivery import unregistered, unrenderable
from .models import MessageStatus, NotificationMessage
from .moving import Parcel, Taken
from .outbox import Limits
from .rendering import Composer, RenderError

ID_LIMIT = 50  # ids of new messages that one event names


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that will never be delivered, and why."""

    message: Taken
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch."""

    sent: Sequence[Taken] = ()
    failed: Sequence[Refusal] = ()
    inhibited: Sequence[Taken] = ()

    def __len__(self) -> int:
        return len(self.sent) + len(self.failed) + len(self.inhibited)


def deliver(limits: Limits, now: datetime) -> Batch:
    """Deliver the oldest messages for the inbox: locked, inserted and recorded in one transaction.

    Nothing leaves the database, so that no lease is needed: a notifier that is killed leaves everything
    as it was, and no message comes twice. A row that the database refuses is failed by itself.
    """
    try:
        with transaction.atomic():
            return _deliver(limits, now, singly=False)
    except (DatabaseError, ValueError):
        with transaction.atomic():
            return _deliver(limits, now, singly=True)


def _deliver(limits: Limits, now: datetime, *, singly: bool) -> Batch:
    messages = moving.take(limits, now)
    if not messages:
        return Batch()
    inhibited = [message for message in messages if message.unwanted]
    parcels, failed = _written([message for message in messages if not message.unwanted])
    if singly:
        refused = [refusal for parcel in parcels if (refusal := _put_one(parcel, now)) is not None]
        failed += refused
        gone = {refusal.message.id for refusal in refused}
        parcels = [parcel for parcel in parcels if parcel.message.id not in gone]
    else:
        moving.put(parcels, now)
    # All are recorded as sent; these were not.
    outbox.correct([m.id for m in inhibited], MessageStatus.INHIBITED, outbox.DISABLED)
    same: dict[str, list[str]] = defaultdict(list)
    for refusal in failed:
        same[refusal.reason].append(refusal.message.id)
    for reason, ids in same.items():
        outbox.correct(ids, MessageStatus.PERMANENT_FAILURE, reason)
    batch = Batch([parcel.message for parcel in parcels], failed, inhibited)
    _announce(batch.sent)
    return batch


def _written(messages: Sequence[Taken]) -> tuple[list[Parcel], list[Refusal]]:
    """The messages with their texts, and what cannot be written."""
    composer = Composer()
    known: dict[str, kinds.Kind | None] = {}
    for message in messages:
        if message.kind not in known:
            known[message.kind] = kinds.find(message.notification_template_id)
    personal = {name for name, kind in known.items() if kind is not None and composer.is_personal(kind)}
    payloads = _payloads([message.id for message in messages if message.kind in personal])
    parcels: list[Parcel] = []
    refusals: list[Refusal] = []
    for message in messages:
        kind = known[message.kind]
        if kind is None:
            refusals.append(Refusal(message, unregistered(message.notification_template_id)))
            continue
        try:
            text = (
                composer.compose(kind, payloads[uuid.UUID(message.id)])
                if message.kind in personal
                else composer.compose_stored(kind, message.facts)
            )
        except RenderError as error:
            refusals.append(Refusal(message, unrenderable(error)))
        else:
            parcels.append(Parcel(message, text, kind.icon))
    return parcels, refusals


def _payloads(ids: Sequence[str]) -> dict[uuid.UUID, dict[str, object]]:
    """Whole payloads, for texts that name who reads them."""
    if not ids:
        return {}
    return dict(NotificationMessage.objects.filter(pk__in=ids).values_list("pk", "payload"))


def _put_one(parcel: Parcel, now: datetime) -> Refusal | None:
    try:
        with transaction.atomic():
            moving.put([parcel], now)
    except OperationalError:
        raise  # the database is in trouble, not the row: all stay where they are
    except (DatabaseError, ValueError) as error:
        return Refusal(parcel.message, f"the inbox refused it: {error}")
    return None


def _announce(messages: Sequence[Taken]) -> None:
    """Tell open pages after the commit: one event for each reader, in one go."""
    new: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        new[message.user_id].append(_dashed(message.id))
    events.publish_all(
        [
            (f"inbox:{_dashed(user_id)}", {"kind": "new", "ids": ids[start : start + ID_LIMIT]})
            for user_id, ids in new.items()
            for start in range(0, len(ids), ID_LIMIT)
        ]
    )


def _dashed(id_: str) -> str:
    """An id as everybody but SQLite writes it."""
    if len(id_) != 32:
        return id_
    return f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}"
