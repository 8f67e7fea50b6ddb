"""The two statements that move a batch from the outbox into the inbox, on both databases.

They are written by hand where Django has no words: an UPDATE that returns what it took, and an INSERT from
many texts at once.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models.expressions import RawSQL
from django.db.models.sql import UpdateQuery

from .models import InboxNotification, MessageStatus, Method, NotificationMessage, NotificationPreference
from .outbox import Limits, due, settlement
from .rendering import Rendered

_OUTBOX = NotificationMessage._meta.db_table
_INBOX = InboxNotification._meta.db_table
_COLUMNS = "id, user_id, template_id, targets, title, content, icon, actions, created_at"
_UNWANTED = (
    f"EXISTS (SELECT 1 FROM {NotificationPreference._meta.db_table} AS p WHERE p.disabled "  # noqa: S608
    f"AND p.user_id = {_OUTBOX}.user_id AND p.method IN ('', {_OUTBOX}.method) "
    f"AND p.notification_template_id = {_OUTBOX}.notification_template_id)"
)
_SQLITE_TAKEN = (
    "id, user_id, notification_template_id, queued_seconds, json_extract(payload, '$.labels', '$.data'), "
    f"{_UNWANTED}, targets, COALESCE(json_extract(payload, '$.actions'), '[]')"
)
# The rest stays where it is: the insert takes it from the outbox.
_POSTGRESQL_TAKEN = (
    "id::text, user_id::text, notification_template_id::text, queued_seconds, "
    f"jsonb_build_array(payload -> 'labels', payload -> 'data')::text, {_UNWANTED}, '', ''"
)


_uuid = lru_cache(maxsize=256)(uuid.UUID)


class Taken(NamedTuple):
    """A message that this transaction has taken off the outbox; ids as the database writes them."""

    id: str
    user_id: str
    kind: str
    queued_seconds: float
    facts: str  # JSON: labels and data
    unwanted: bool  # its user has switched the kind, or the inbox for it, off since
    targets: str
    actions: str

    @property
    def method(self) -> str:
        return Method.INBOX

    @property
    def notification_template_id(self) -> uuid.UUID:
        return _uuid(self.kind)


class Parcel(NamedTuple):
    """A message with its text, for the inbox."""

    message: Taken
    text: Rendered
    icon: str


def take(limits: Limits, now: datetime) -> list[Taken]:
    """Take the oldest messages that are due for the inbox and record them as sent, in one statement. The
    caller's transaction inserts them, or records what became of them instead."""
    found = due((Method.INBOX,), limits, now).values("pk")[: limits.batch]
    due_sql, due_params = found.query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    # Named and materialized: chosen, and locked, once, whatever the planner makes of the rest.
    rows = NotificationMessage.objects.filter(pk__in=RawSQL("SELECT pk FROM due", ()))
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values(settlement(now, MessageStatus.SENT, ""))
    update_sql, update_params = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    taken = _SQLITE_TAKEN if connection.vendor == "sqlite" else _POSTGRESQL_TAKEN
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH due AS MATERIALIZED ({due_sql}) {update_sql} RETURNING {taken}",
            [*due_params, *update_params],
        )
        # Ids grow with time.
        return sorted(map(Taken._make, cursor.fetchall()))


def put(parcels: Sequence[Parcel], now: datetime) -> None:
    """Insert the inbox rows. A row that is there already stays as it is."""
    if not parcels:
        return
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(
                f"INSERT INTO {_INBOX} ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) "  # noqa: S608
                "ON CONFLICT DO NOTHING",
                [
                    (m.id, m.user_id, m.kind, m.targets, text.title, text.body, icon, m.actions, moment)
                    for m, text, icon in parcels
                ],
            )
        else:
            cursor.execute(_FROM_OUTBOX, [json.dumps(_by_text(parcels)), moment])


# A text travels once, however many read it.
_FROM_OUTBOX = (
    "WITH t AS MATERIALIZED (SELECT value ->> 0 AS title, value ->> 1 AS content, "  # noqa: S608
    "value ->> 2 AS icon, value -> 3 AS ids FROM jsonb_array_elements(%s::jsonb)) "
    f"INSERT INTO {_INBOX} ({_COLUMNS}) "
    "SELECT m.id, m.user_id, m.notification_template_id, m.targets, t.title, t.content, t.icon, "
    "COALESCE(m.payload -> 'actions', '[]'::jsonb), %s::timestamptz "
    "FROM t CROSS JOIN jsonb_array_elements_text(t.ids) AS p(id) "
    f"JOIN {_OUTBOX} AS m ON m.id = p.id::uuid ON CONFLICT DO NOTHING"
)


def _by_text(parcels: Sequence[Parcel]) -> list[list[Any]]:
    same: dict[tuple[Rendered, str], list[str]] = defaultdict(list)
    for message, text, icon in parcels:
        same[text, icon].append(message.id)
    return [[text.title, text.body, icon, ids] for (text, icon), ids in same.items()]
