"""Queueing of messages (the outbox) and what people do with their inbox and preferences.

`notify` runs in the transaction of the fact that it tells of: the message exists exactly when the fact
does. Whether somebody wants it is answered by values, never by an exception that breaks the caller.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid, NotFound, Validation
from coder_admin.organizations.models import User
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from . import config, kinds
from .kinds import Kind
from .models import (
    InboxNotification,
    Method,
    NotificationMessage,
    NotificationMethodOverride,
    NotificationPreference,
)
from .rendering import RenderError, render_actions

WAKE = "notifications:wake"
NOT_ENABLED = "cannot enqueue message: notification is not enabled"
DUPLICATE = "duplicate notification"
NO_USER = "the user does not exist (any more)"
NO_METHOD = "no delivery method is configured"


@dataclass(frozen=True, slots=True)
class Queued:
    """What `notify` did: ids of the queued messages, and for each user it refused the reason."""

    ids: tuple[uuid.UUID, ...] = ()
    refused: Mapping[uuid.UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Fact:
    """What is told, without whom and how."""

    kind: Kind
    labels: Mapping[str, str]
    data: Mapping[str, Any]
    targets: Sequence[uuid.UUID]
    created_by: str
    now: datetime


def notify(
    kind_id: uuid.UUID,
    user_ids: Iterable[uuid.UUID],
    *,
    labels: Mapping[str, str],
    data: Mapping[str, Any] | None = None,
    targets: Sequence[uuid.UUID] = (),
    created_by: str,
    now: datetime | None = None,
) -> Queued:
    """Queue one message of a kind for each user: one row per method, all or none for each user.

    A constant number of statements however many users. An unknown kind is a ValueError: a mistake in
    the calling code.
    """
    kind = kinds.find(kind_id)
    if kind is None:
        raise ValueError(f"notification kind {kind_id} is not registered")
    wanted = list(dict.fromkeys(user_ids))
    if not wanted:
        return Queued()
    users = {user.id: user for user in User.objects.live().filter(pk__in=wanted)}
    refused: dict[uuid.UUID, str] = {user_id: NO_USER for user_id in wanted if user_id not in users}
    refused |= dict.fromkeys(_unwilling(kind, users), NOT_ENABLED)
    methods = _methods(kind)
    if not methods:
        return Queued(refused=refused | dict.fromkeys(users, NO_METHOD))
    fact = _Fact(kind, labels, data or {}, targets, created_by, now or timezone.now())
    rows = [
        _message(fact, users[user_id], method)
        for user_id in wanted
        if user_id not in refused
        for method in methods
    ]
    ids, duplicates = _insert(rows)
    return Queued(ids=ids, refused=refused | dict.fromkeys(duplicates, DUPLICATE))


def _unwilling(kind: Kind, users: Mapping[uuid.UUID, User]) -> set[uuid.UUID]:
    disabled = dict(
        NotificationPreference.objects.filter(notification_template_id=kind.id, user__in=users).values_list(
            "user_id", "disabled"
        )
    )
    return {user_id for user_id in users if disabled.get(user_id, not kind.enabled_by_default)}


def _methods(kind: Kind) -> list[Method]:
    """The external method if it is configured, then the inbox."""
    override = NotificationMethodOverride.objects.filter(pk=kind.id).values_list("method", flat=True).first()
    external = Method(override) if override else (kind.default_method or config.default_method())
    methods = [external] if external in config.available_methods() else []
    if settings.NOTIFICATIONS_INBOX_ENABLED and kind.to_inbox:
        methods.append(Method.INBOX)
    return methods


def _message(fact: _Fact, user: User, method: Method) -> NotificationMessage:
    kind = fact.kind
    payload: dict[str, Any] = {
        "_version": "1.2",
        "notification_name": kind.name,
        "notification_template_id": str(kind.id),
        "user_id": str(user.id),
        "user_email": user.email,
        "user_name": user.display_name,
        "user_username": user.username,
        "actions": [],
        "labels": {key: str(value) for key, value in fact.labels.items()},
        "data": dict(fact.data),
        "targets": [str(target) for target in fact.targets],
    }
    try:
        payload["actions"] = render_actions(kind.actions, payload)
    except RenderError:
        payload["actions"] = []  # the body, rendered later, decides whether the message can be sent
    return NotificationMessage(
        notification_template_id=kind.id,
        user=user,
        method=method,
        created_by=fact.created_by[:64],
        payload=payload,
        targets=payload["targets"],
        created_at=fact.now,
        updated_at=fact.now,
        dedupe_hash=dedupe_hash(kind.id, user.id, method, payload, fact.now),
    )


def dedupe_hash(
    kind_id: uuid.UUID, user_id: uuid.UUID, method: str, payload: Mapping[str, Any], now: datetime
) -> str:
    """md5 of kind, user, method, payload, targets and the UTC day: the same again is refused that day."""
    text = json.dumps(payload, sort_keys=True, ensure_ascii=False)
    targets = ",".join(payload["targets"])
    day = now.astimezone(UTC).date().isoformat()
    key = f"{kind_id}:{user_id}:{method}:{text}:{targets}:{day}"
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def _insert(rows: Sequence[NotificationMessage]) -> tuple[tuple[uuid.UUID, ...], set[uuid.UUID]]:
    """Insert what is new; the unique index decides races. Returns ids and the users already told."""
    if not rows:
        return (), set()
    with transaction.atomic():
        NotificationMessage.objects.bulk_create(rows, ignore_conflicts=True)
        stored = set(
            NotificationMessage.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True)
        )
        duplicates = {row.user_id for row in rows if row.pk not in stored}
        incomplete = [row.pk for row in rows if row.user_id in duplicates and row.pk in stored]
        if incomplete:
            NotificationMessage.objects.filter(pk__in=incomplete).delete()
        if stored:
            events.publish(WAKE, {})
    return tuple(row.pk for row in rows if row.user_id not in duplicates), duplicates


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
    require(actor, Action.UPDATE, RbacObject(ResourceType.INBOX_NOTIFICATION, owner=actor.id))
    count = InboxNotification.objects.filter(user_id=actor.id, read_at__isnull=True).update(
        read_at=timezone.now()
    )
    if count:
        _announce_read(actor)
    return count


def _announce_read(actor: Subject) -> None:
    events.publish(f"inbox:{actor.id}", {"kind": "read"})


@transaction.atomic
def preferences_update(*, actor: Subject, user: User, disabled: Mapping[str, bool]) -> None:
    """Set which kinds a person does not want. Raises Invalid for ids that are no kinds."""
    target = RbacObject(ResourceType.NOTIFICATION_PREFERENCE, id=str(user.id), owner=str(user.id))
    require(actor, Action.UPDATE, target, message="You may not change this user's notification preferences.")
    wrong, rows = [], []
    for text, off in disabled.items():
        try:
            kind_id = uuid.UUID(text)
        except ValueError:
            wrong.append(Validation("template_disabled_map", f"{text!r} is not a UUID."))
            continue
        if kinds.find(kind_id) is None:
            wrong.append(Validation("template_disabled_map", f"{text} is no kind of notification."))
        rows.append(
            NotificationPreference(
                user=user, notification_template_id=kind_id, disabled=bool(off), updated_at=timezone.now()
            )
        )
    if wrong:
        raise Invalid("The notification preferences are not valid.", validations=wrong)
    NotificationPreference.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["user", "notification_template_id"],
        update_fields=["disabled", "updated_at"],
    )
