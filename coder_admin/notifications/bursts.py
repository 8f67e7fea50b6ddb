"""Bursts: many incidents of one kind about one thing within a window become one message with a count.

The first incident is told at once. Those that follow within the window are kept as rows, in the
transactions of their facts, and told together when the window ends; then the next window begins. So
however often something fails, people get one message per window about it, and none is lost.

What somebody was told on this (UTC) day, or will be told, in the very same words is dropped, as the outbox
drops it: two processes, or one that was started again, may tell of the same.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from .kinds import Kind
from .models import NotificationBurst, NotificationIncident, NotificationTold

DIGEST = "digest"
SHOWN = 10  # incidents that a digest names; it counts all
MOST_TARGETS = 100
PARTS = 5  # of a mapping in an incident's data that a digest shows
PART_LENGTH = 200  # characters of each


@dataclass(frozen=True, slots=True)
class Incident:
    """A fact that may be held back; ids are texts. `audience`: the site roles for one of which the recipients
    are named; () when they are meant as persons."""

    recipients: tuple[str, ...]
    labels: Mapping[str, str]
    data: Mapping[str, Any]
    targets: tuple[str, ...]
    created_by: str
    at: datetime
    audience: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One message about several incidents, for those who were to hear of exactly these."""

    recipients: tuple[uuid.UUID, ...]
    labels: Mapping[str, str]
    data: Mapping[str, Any]
    targets: tuple[str, ...]
    created_by: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whom to tell of an incident now, and who hears of it later; the others know of it, or will."""

    now: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


def window_of(kind: Kind) -> timedelta:
    """How long further incidents of the kind are held back; zero means never. A deployment that sets zero
    wants none held, whatever window a kind has."""
    everywhere = timedelta(seconds=settings.NOTIFICATIONS_DIGEST_WINDOW)
    own = kind.digest.window if kind.digest is not None else None
    return own if own is not None and everywhere else everywhere


def is_digest(payload: Mapping[str, Any]) -> bool:
    """Whether a payload tells of several incidents."""
    data = payload.get("data")
    return isinstance(data, Mapping) and isinstance(data.get(DIGEST), Mapping)


def together(incidents: Sequence[Incident], about: Collection[str] = ()) -> list[Told]:
    """Messages about these incidents, in their order. Nobody hears of an incident that was not for them;
    whoever has but one gets it as it would have come by itself. `about`: labels that name the topic; where
    they differ it was renamed, and the last name holds."""
    of_user: dict[str, list[int]] = defaultdict(list)
    for number, incident in enumerate(incidents):
        for user_id in incident.recipients:
            of_user[user_id].append(number)
    groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for user_id, numbers in of_user.items():
        groups[tuple(numbers)].append(user_id)
    return [
        _told([incidents[number] for number in numbers], [uuid.UUID(user) for user in users], about)
        for numbers, users in groups.items()
    ]


def still_meant(incident: Incident, roles: Mapping[str, Collection[str]]) -> Incident:
    """The incident for those of its recipients who may still be told of it. `roles`: the site roles of
    everybody who can be told anything, by id."""
    wanted = frozenset(incident.audience)
    meant = tuple(
        user_id
        for user_id in incident.recipients
        if user_id in roles and (not wanted or not wanted.isdisjoint(roles[user_id]))
    )
    return replace(incident, recipients=meant)


def _told(incidents: Sequence[Incident], recipients: Sequence[uuid.UUID], about: Collection[str]) -> Told:
    last = incidents[-1]
    if len(incidents) == 1:
        return Told(tuple(recipients), last.labels, last.data, last.targets, last.created_by)
    shared = {
        key: value
        for key, value in last.labels.items()
        if key in about or all(incident.labels.get(key) == value for incident in incidents)
    }
    shown = [
        {**_plain(incident.data), **incident.labels, "at": incident.at.isoformat()}
        for incident in incidents[:SHOWN]
    ]
    digest = {
        "count": len(incidents),
        "since": incidents[0].at.isoformat(),
        "until": last.at.isoformat(),
        "incidents": shown,
        "more": len(incidents) - len(shown),
    }
    targets = tuple(dict.fromkeys(target for incident in incidents for target in incident.targets))
    return Told(tuple(recipients), shared, {DIGEST: digest}, targets[:MOST_TARGETS], last.created_by)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the lines about an incident can name: texts and numbers, and of a mapping of texts the first few,
    each cut, with how many there are besides as `<its name>_more`. No lists, which may be long."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, str | int):
            found[key] = value
        elif isinstance(value, Mapping):
            parts = [(_cut(name), _cut(text)) for name, text in value.items() if isinstance(text, str)]
            found[key] = dict(parts[:PARTS])
            found[f"{key}_more"] = max(0, len(parts) - PARTS)
    return found


def _cut(text: str) -> str:
    return text if len(text) <= PART_LENGTH else text[: PART_LENGTH - 1] + "…"


def _locked(kind: Kind, topic: uuid.UUID, at: datetime) -> NotificationBurst:
    """The burst's row, made when there is none, and locked.

    Again when the row that was there has been forgotten meanwhile; one's own nobody else can delete.
    """
    rows = NotificationBurst.objects.filter(notification_template_id=kind.id, topic=topic)
    while True:
        # A new row's quiet time is over at once, so that its first incident is told.
        fresh = NotificationBurst(notification_template_id=kind.id, topic=topic, quiet_until=at)
        NotificationBurst.objects.bulk_create([fresh], ignore_conflicts=True)
        burst = rows.select_for_update().first()
        if burst is not None:
            return burst


def hold(kind: Kind, topic: uuid.UUID, incident: Incident) -> Verdict:
    """Keep the incident for later if its like was told within the window; else it is to be told now.

    Runs in the fact's transaction. The burst's row is locked, so that of two at once only one is first.
    """
    window = window_of(kind)
    if not window:
        return Verdict(now=incident.recipients)
    burst = _locked(kind, topic, incident.at)
    words = fingerprint(incident)
    news_to = _unaware(burst, incident, words)
    if not news_to:
        return Verdict()
    if incident.at >= burst.quiet_until and not burst.incidents.exists():
        burst.quiet_until = incident.at + window
        burst.save(update_fields=["quiet_until"])
        NotificationTold.objects.create(
            burst=burst, fingerprint=words, recipients=list(news_to), told_at=incident.at
        )
        return Verdict(now=news_to)
    NotificationIncident.objects.create(
        burst=burst,
        recipients=list(news_to),
        labels=dict(incident.labels),
        data=dict(incident.data),
        targets=list(incident.targets),
        created_by=incident.created_by[:64],
        created_at=incident.at,
        audience=list(incident.audience),
        fingerprint=words,
    )
    return Verdict(later=news_to)


def fingerprint(incident: Incident) -> str:
    """What the outbox tells one message from another by, apart from who reads it, how, and on which day."""
    text = json.dumps([dict(incident.labels), dict(incident.data), incident.targets], sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def start_of_day(at: datetime) -> datetime:
    """When the UTC day of `at` began."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _unaware(burst: NotificationBurst, incident: Incident, words: str) -> tuple[str, ...]:
    """The recipients who were not told the same today, and for whom it is not held."""
    told = burst.told.filter(fingerprint=words, told_at__gte=start_of_day(incident.at))
    known: set[str] = set()
    for recipients in (
        *told.values_list("recipients", flat=True),
        *burst.incidents.filter(fingerprint=words).values_list("recipients", flat=True),
    ):
        known.update(recipients)
    return tuple(user_id for user_id in incident.recipients if user_id not in known)
