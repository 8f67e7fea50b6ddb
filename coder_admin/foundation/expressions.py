"""A database expression that Django has no word for on both databases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, F, FloatField, Func, Value


class SecondsSince(Func):
    """How many seconds before `now` a column's time lies; 0 when it lies after."""

    output_field = FloatField()

    def __init__(self, column: str, now: datetime) -> None:
        super().__init__(F(column), Value(now, output_field=DateTimeField()))

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **_context: Any
    ) -> Any:
        then, now = self.get_source_expressions()
        (then_sql, then_params), (now_sql, now_params) = compiler.compile(then), compiler.compile(now)
        if connection.vendor == "sqlite":
            sql = f"MAX(0.0, (julianday({now_sql}) - julianday({then_sql})) * 86400.0)"
        else:
            sql = f"GREATEST(0, EXTRACT(EPOCH FROM ({now_sql}::timestamptz - {then_sql})))"
        return sql, (*now_params, *then_params)
