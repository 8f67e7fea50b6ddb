"""Insert any number of rows with one statement, leaving out those that a unique index refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
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


#: (id of the message, title, content, icon)
Text = tuple[uuid.UUID, str, str, str]


def move_to_inbox(texts: Sequence[Text], now: datetime) -> None:
    """Insert the inbox rows of messages with one statement: the texts travel once each however many read
    them, the rest is taken from the outbox where it lies. A row that is there already stays as it is."""
    if not texts:
        return
    numbers: dict[tuple[str, str, str], int] = {}
    field = NotificationMessage._meta.pk
    picks = [
        [
            str(field.get_db_prep_value(id_, connection)),
            numbers.setdefault((title, content, icon), len(numbers)),
        ]
        for id_, title, content, icon in texts
    ]
    inbox, outbox = InboxNotification._meta.db_table, NotificationMessage._meta.db_table
    columns = "id, user_id, template_id, targets, title, content, icon, actions, created_at"
    if connection.vendor == "sqlite":
        sql = (
            f"INSERT INTO {inbox} ({columns}) "  # noqa: S608 - names of ours
            "SELECT m.id, m.user_id, m.notification_template_id, m.targets, json_extract(t.value, '$[0]'), "
            "json_extract(t.value, '$[1]'), json_extract(t.value, '$[2]'), "
            "COALESCE(json_extract(m.payload, '$.actions'), '[]'), %s FROM json_each(%s) AS p "
            f"CROSS JOIN {outbox} AS m ON m.id = json_extract(p.value, '$[0]') "
            "CROSS JOIN json_each(%s) AS t ON t.key = json_extract(p.value, '$[1]') "
            "WHERE true ON CONFLICT DO NOTHING"
        )
    else:
        sql = (
            f"INSERT INTO {inbox} ({columns}) "  # noqa: S608 - names of ours
            "SELECT m.id, m.user_id, m.notification_template_id, m.targets, t.value ->> 0, t.value ->> 1, "
            "t.value ->> 2, COALESCE(m.payload -> 'actions', '[]'::jsonb), %s::timestamptz "
            "FROM jsonb_array_elements(%s::jsonb) AS p(value) "
            f"JOIN {outbox} AS m ON m.id = (p.value ->> 0)::uuid "
            "JOIN jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS t(value, place) "
            "ON t.place = (p.value ->> 1)::int + 1 ON CONFLICT DO NOTHING"
        )
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment, json.dumps(picks), json.dumps(list(numbers))])
