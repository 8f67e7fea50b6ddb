"""Insert any number of rows with one statement, leaving out those that a unique index refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.fields import Field

from .models import InboxNotification, NotificationMessage


def insert_ignoring(queryset: QuerySet[Any], rows: Sequence[Model]) -> None:
    """`bulk_create(ignore_conflicts=True)`, which on SQLite would take a statement for some 50 rows: there
    the rows travel as one JSON parameter instead."""
    if not rows:
        return
    if connection.vendor != "sqlite":
        queryset.bulk_create(rows, ignore_conflicts=True)
        return
    fields: list[Field[Any, Any]] = list(queryset.model._meta.concrete_fields)
    values = [
        [field.get_db_prep_save(field.pre_save(row, True), connection=connection) for field in fields]
        for row in rows
    ]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    parts = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(fields)))
    table = quote(queryset.model._meta.db_table)
    sql = (
        f"INSERT INTO {table} ({columns}) SELECT {parts} FROM json_each(%s) "  # noqa: S608 - names of ours
        "WHERE true ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [json.dumps(values)])


@dataclass(frozen=True, slots=True)
class InboxText:
    """What an inbox shows, and the messages of the outbox that say it."""

    title: str
    content: str
    icon: str
    messages: Sequence[uuid.UUID]


def move_to_inbox(texts: Sequence[InboxText], now: datetime) -> None:
    """Insert the inbox rows of messages with one statement: a text travels once however many read it, the
    rest is taken from the outbox where it lies. A row that is there already stays as it is."""
    if not texts:
        return
    field = NotificationMessage._meta.pk
    parcels = [
        [
            text.title,
            text.content,
            text.icon,
            [str(field.get_db_prep_value(id_, connection)) for id_ in text.messages],
        ]
        for text in texts
    ]
    inbox, outbox = InboxNotification._meta.db_table, NotificationMessage._meta.db_table
    columns = "id, user_id, template_id, targets, title, content, icon, actions, created_at"
    if connection.vendor == "sqlite":
        sql = (
            # Materialized, or each row would take its parcel apart anew.
            "WITH t(title, content, icon, ids) AS MATERIALIZED (SELECT json_extract(value, '$[0]'), "  # noqa: S608
            "json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]') "
            "FROM json_each(%s)) "
            f"INSERT INTO {inbox} ({columns}) "
            "SELECT m.id, m.user_id, m.notification_template_id, m.targets, t.title, t.content, t.icon, "
            "COALESCE(json_extract(m.payload, '$.actions'), '[]'), %s "
            "FROM t CROSS JOIN json_each(t.ids) AS p "
            f"CROSS JOIN {outbox} AS m ON m.id = p.value WHERE true ON CONFLICT DO NOTHING"
        )
    else:
        sql = (
            "WITH t AS MATERIALIZED (SELECT value ->> 0 AS title, value ->> 1 AS content, "  # noqa: S608
            "value ->> 2 AS icon, value -> 3 AS ids FROM jsonb_array_elements(%s::jsonb)) "
            f"INSERT INTO {inbox} ({columns}) "
            "SELECT m.id, m.user_id, m.notification_template_id, m.targets, t.title, t.content, t.icon, "
            "COALESCE(m.payload -> 'actions', '[]'::jsonb), %s::timestamptz "
            "FROM t CROSS JOIN jsonb_array_elements_text(t.ids) AS p(id) "
            f"JOIN {outbox} AS m ON m.id = p.id::uuid ON CONFLICT DO NOTHING"
        )
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(sql, [json.dumps(parcels), moment])
