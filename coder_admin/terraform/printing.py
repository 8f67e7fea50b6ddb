"""Values as JSON text for people and programs outside: exact numbers, unknown values in their own form."""

from __future__ import annotations

import json

from coder_admin.terraform.diagnostics import DiagnosticError, error
from coder_admin.terraform.functions.json_text import json_string
from coder_admin.terraform.numbers import Float, format_number
from coder_admin.terraform.types import type_to_json
from coder_admin.terraform.values import Refinement, Value


def to_json_text(value: Value) -> str:
    """The value as jsonencode() writes it; an unknown one is `{"unknown": true, "type": …}`, at any depth.

    Sensitive marks do not show. DiagnosticError for an infinite number.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: Value, parts: list[str]) -> None:
    data = value.data
    if data is None:
        parts.append("null")
    elif isinstance(data, Refinement):
        parts.append(f'{{"unknown":true,"type":{json.dumps(type_to_json(value.type))}}}')
    elif isinstance(data, str):
        parts.append(json_string(data))
    elif isinstance(data, bool):
        parts.append("true" if data else "false")
    elif isinstance(data, int | Float):
        if isinstance(data, Float) and data.exponent is None:
            raise DiagnosticError(error("Value cannot be written", "JSON cannot hold an infinite number."))
        parts.append(format_number(data))
    elif isinstance(data, dict):
        _write_members([(f"{json_string(name)}:", item) for name, item in data.items()], "{}", parts)
    else:
        _write_members([("", item) for item in data], "[]", parts)


def _write_members(members: list[tuple[str, Value]], brackets: str, parts: list[str]) -> None:
    parts.append(brackets[0])
    for at, (prefix, item) in enumerate(members):
        parts.append(f",{prefix}" if at else prefix)
        _write(item, parts)
    parts.append(brackets[1])
