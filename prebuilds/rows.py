"""Rows of a query as a snapshot wants them: identifiers as text, instants aware.

A pass reads tens of thousands of rows. On PostgreSQL the driver gives a UUID's own text, and its instants
come from the loader in C instead of Django's in Python: a tenth of the time of `values_list` by itself.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

Row = tuple[Any, ...]
PORTION = 500


def plain_rows(query: QuerySet[Any, Row]) -> list[Row]:
    """All rows of a `values_list` query, in its order; every UUID in them is its canonical string."""
    if connection.vendor == "postgresql":
        return _postgresql(query)
    return [tuple(str(value) if isinstance(value, UUID) else value for value in row) for row in query]


def _postgresql(query: QuerySet[Any, Row]) -> list[Row]:
    from psycopg.types.datetime import TimestamptzLoader
    from psycopg.types.string import TextLoader

    try:
        sql, params = query.query.sql_with_params()
    except EmptyResultSet:  # a condition that nothing can meet
        return []
    with connection.cursor() as cursor:
        adapters = cursor.cursor.adapters
        adapters.register_loader("uuid", TextLoader)
        adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(sql, params)
        rows: list[Row] = []
        # In portions: the driver does not let other threads run while it turns one into objects.
        while portion := cursor.fetchmany(PORTION):
            rows += portion
    return rows
