"""The trail as a file: JSON as the API shows it, or CSV for a spreadsheet. Bounded, newest first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from .describe import spoken
from .models import AuditLog

MAXIMUM_ROWS = 10_000
FORMATS = ("csv", "json")
COLUMNS = (
    "time",
    "user",
    "action",
    "resource_type",
    "resource_target",
    "resource_id",
    "organization",
    "status_code",
    "ip",
    "user_agent",
    "request_id",
    "description",
    "changes",
    "additional_fields",
)


def newest(rows: QuerySet[AuditLog]) -> list[AuditLog]:
    """What one export holds: at most MAXIMUM_ROWS; the rest is reached by `date_to:`."""
    return list(rows[:MAXIMUM_ROWS])


def as_csv(rows: Iterable[AuditLog]) -> str:
    """One line for each entry, with the columns of COLUMNS; secrets were never stored."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in _values(row)])
    return out.getvalue()


def as_json(entries: Sequence[Any], count: int) -> str:
    """`{audit_logs, count}` as the list gives it; `count` is that of the whole search."""
    return json.dumps({"audit_logs": entries, "count": count}, cls=DjangoJSONEncoder, indent=1)


def _values(row: AuditLog) -> tuple[Any, ...]:
    return (
        row.time.isoformat(),
        row.username,
        row.action,
        row.resource_type,
        row.resource_target,
        row.resource_id,
        row.organization.name if row.organization else "",
        row.status_code,
        row.ip or "",
        row.user_agent,
        row.request_id,
        spoken(row),
        json.dumps(row.diff, cls=DjangoJSONEncoder, sort_keys=True) if row.diff else "",
        json.dumps(row.additional_fields, cls=DjangoJSONEncoder, sort_keys=True)
        if row.additional_fields
        else "",
    )


def _cell(value: Any) -> str:
    """Spreadsheets run a cell that begins like a formula: such a text is set in an apostrophe."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
