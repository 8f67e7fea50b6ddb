"""csvdecode: comma-separated values by Go's rules (RFC 4180, strict about quotes and field counts)."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import STRING, Type, object_type
from ..values import Value, list_of, normalized, object_, string
from .registry import FunctionContext, FunctionError, Parameter, function


def read_csv(text: str) -> list[list[str]]:
    """The records. FunctionError names the line where a quote or the number of fields is wrong."""
    records: list[list[str]] = []
    text = text.replace("\r\n", "\n")
    at, line = 0, 1
    while at < len(text):
        if text[at] == "\n":
            at, line = at + 1, line + 1
            continue
        first = line
        record, at, line = _record(text, at, line)
        if records and len(record) != len(records[0]):
            raise FunctionError(f"CSV parse error on line {first}: wrong number of fields")
        records.append(record)
    return records


def _record(text: str, at: int, line: int) -> tuple[list[str], int, int]:
    fields: list[str] = []
    while True:
        if text.startswith('"', at):
            field, at, line = _quoted(text, at, line)
        else:
            end = at
            while end < len(text) and text[end] not in ",\n":
                end += 1
            field, at = text[at:end], end
            if '"' in field:
                raise FunctionError(f'CSV parse error on line {line}: bare " in non-quoted-field')
        fields.append(field)
        if not text.startswith(",", at):
            return fields, at + 1, line + 1
        at += 1


def _quoted(text: str, at: int, line: int) -> tuple[str, int, int]:
    first = line
    parts: list[str] = []
    at += 1
    while True:
        end = text.find('"', at)
        if end < 0:
            raise FunctionError(f'CSV parse error on line {first}: extraneous or missing " in quoted-field')
        parts.append(text[at:end])
        line += text.count("\n", at, end)
        at = end + 1
        if text.startswith('"', at):
            parts.append('"')
            at += 1
            continue
        if at < len(text) and text[at] not in ",\n":
            raise FunctionError(f'CSV parse error on line {line}: extraneous or missing " in quoted-field')
        return "".join(parts), at, line


def _row_type(header: Sequence[str]) -> Type:
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise FunctionError(f'duplicate column name "{name}"')
        seen.add(name)
    return object_type({normalized(name): STRING for name in header})


@function("csvdecode", Parameter("str", STRING))
def _csvdecode(args: Sequence[Value], context: FunctionContext) -> Value:
    records = read_csv(args[0].data)
    if not records:
        raise FunctionError("missing header line")
    header = [normalized(name) for name in records[0]]
    of = _row_type(header)
    context.budget.spend(len(records) * len(header))
    rows = [
        object_(dict(zip(header, [string(cell) for cell in record], strict=True))) for record in records[1:]
    ]
    return list_of(rows, of)
