"""Insert any number of rows with one statement, leaving out those that a unique index refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.fields import Field


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
