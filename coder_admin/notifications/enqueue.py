"""Queueing of messages (the outbox), in the transaction of the fact that they tell of.

The message exists exactly when the fact does. Whether somebody wants it is answered by values, never by an
exception that breaks the caller.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from coder_admin.organizations.models import User

from . import bursts, config, kinds
from .bulk import insert_ignoring
from .kinds import Kind
from .methods import Choice, Ways
from .models import Method, NotificationMessage, NotificationPreference
from .rendering import RenderError, render_actions
from .wake import wake

NOT_ENABLED = "cannot enqueue message: notification is not enabled"
DUPLICATE = "duplicate notification"
NO_USER = "the user does not exist (any more)"
NO_METHOD = "no delivery method is configured"


@dataclass(frozen=True, slots=True)
class Queued:
    """What `notify` did: ids of the queued messages, for each user it refused the reason, and the users
    who get this later, in one message with its like."""

    ids: tuple[uuid.UUID, ...] = ()
    refused: Mapping[uuid.UUID, str] = field(default_factory=dict)
    held: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """What is told, without whom and how."""

    kind: Kind
    labels: Mapping[str, str]
    data: Mapping[str, Any]
    targets: Sequence[uuid.UUID | str]
    created_by: str
    now: datetime
    audience: tuple[str, ...] = ()


def notify(
    kind_id: uuid.UUID,
    user_ids: Iterable[uuid.UUID],
    *,
    labels: Mapping[str, str],
    data: Mapping[str, Any] | None = None,
    targets: Sequence[uuid.UUID] = (),
    created_by: str,
    topic: uuid.UUID | None = None,
    audience: tuple[str, ...] | None = None,
    now: datetime | None = None,
) -> Queued:
    """Queue one message of a kind for each user: one row per method, all or none for each user.

    `topic` is what a burst would be about (a template): of several incidents of the kind about the same
    topic within its window the first is told at once and the others together, when the window ends.
    `audience`: the site roles for one of which these users are named, None for the kind's; who holds none
    of them any more when a held incident is told does not get it. () means them as persons.
    A constant number of statements however many users. An unknown kind is a ValueError: a mistake in
    the calling code.
    """
    kind = kinds.find(kind_id)
    if kind is None:
        raise ValueError(f"notification kind {kind_id} is not registered")
    wanted = list(dict.fromkeys(user_ids))
    if not wanted:
        return Queued()
    texts = {key: str(storable(str(value))) for key, value in labels.items()}
    fact = Fact(
        kind,
        texts,
        storable(dict(data or {})),
        targets,
        created_by,
        now or timezone.now(),
        kind.audience if audience is None else audience,
    )
    with transaction.atomic():
        if topic is None or kind.digest is None:
            return queue(fact, wanted)
        return _queue_or_hold(fact, topic, wanted)


def _queue_or_hold(fact: Fact, topic: uuid.UUID, wanted: Sequence[uuid.UUID]) -> Queued:
    by_id = {str(user_id): user_id for user_id in wanted}
    incident = bursts.Incident(
        tuple(by_id),
        fact.labels,
        fact.data,
        tuple(str(target) for target in fact.targets),
        fact.created_by,
        fact.now,
        fact.audience,
    )
    verdict = bursts.hold(fact.kind, topic, incident)
    told = queue(fact, [by_id[text] for text in verdict.now]) if verdict.now else Queued()
    aware = by_id.keys() - {*verdict.now, *verdict.later}
    return Queued(
        ids=told.ids,
        refused={**told.refused, **{by_id[text]: DUPLICATE for text in aware}},
        held=tuple(by_id[text] for text in verdict.later),
    )


def storable(value: Any) -> Any:
    """`value` without what no database stores in JSON: NUL characters and halves of characters."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case Mapping():
            return {storable(str(key)): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
    return value


def queue(fact: Fact, wanted: Sequence[uuid.UUID]) -> Queued:
    """The rows of one fact for these users, at once; call it inside a transaction."""
    kind = fact.kind
    ways = config.ways(kind)
    if not ways.possible:
        return Queued(refused=dict.fromkeys(wanted, NO_METHOD))
    users = {user.id: user for user in User.objects.people().filter(pk__in=wanted)}
    refused: dict[uuid.UUID, str] = {user_id: NO_USER for user_id in wanted if user_id not in users}
    methods = _methods(kind, ways, users)
    for user_id in users:
        if not methods[user_id]:
            default = Choice().methods(ways, enabled_by_default=True)
            refused[user_id] = NOT_ENABLED if default else NO_METHOD
    ids, duplicates = _insert(
        [
            row
            for user_id in wanted
            if user_id not in refused
            for row in _messages(fact, users[user_id], methods[user_id])
        ]
    )
    return Queued(ids=ids, refused=refused | dict.fromkeys(duplicates, DUPLICATE))


def _methods(kind: Kind, ways: Ways, users: Mapping[uuid.UUID, User]) -> dict[uuid.UUID, tuple[Method, ...]]:
    stored: dict[uuid.UUID, dict[str, bool]] = defaultdict(dict)
    for user_id, method, disabled in NotificationPreference.objects.filter(
        notification_template_id=kind.id, user__in=users
    ).values_list("user_id", "method", "disabled"):
        stored[user_id][method] = disabled
    return {
        user_id: Choice(stored.get(user_id, {})).methods(ways, enabled_by_default=kind.enabled_by_default)
        for user_id in users
    }


def _messages(fact: Fact, user: User, methods: Iterable[Method]) -> list[NotificationMessage]:
    kind = fact.kind
    payload: dict[str, Any] = {
        "_version": "1.2",
        "notification_name": kind.name,
        "notification_template_id": str(kind.id),
        "user_id": str(user.id),
        "user_email": user.email,
        "user_name": user.name or user.username,
        "user_username": user.username,
        "actions": [],
        "labels": dict(fact.labels),
        "data": dict(fact.data),
        "targets": [str(target) for target in fact.targets],
    }
    digest = kind.digest if bursts.is_digest(payload) else None
    try:
        payload["actions"] = render_actions(digest.actions if digest else kind.actions, payload)
    except RenderError:
        payload["actions"] = []  # the body, rendered later, decides whether the message can be sent
    return [
        NotificationMessage(
            id=ordered_id(),
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
        for method in methods
    ]


def ordered_id() -> uuid.UUID:
    """A UUID that grows with time (version 7 of RFC 9562, in quarters of a microsecond): messages that are
    delivered in one batch, at one time, stay in the order of their facts."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))


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
    insert_ignoring(NotificationMessage.objects.all(), rows)
    stored = set(
        NotificationMessage.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True)
    )
    duplicates = {row.user_id for row in rows if row.pk not in stored}
    incomplete = [row.pk for row in rows if row.user_id in duplicates and row.pk in stored]
    if incomplete:
        NotificationMessage.objects.filter(pk__in=incomplete).delete()
    if len(stored) > len(incomplete):
        wake()
    return tuple(row.pk for row in rows if row.user_id not in duplicates), duplicates
