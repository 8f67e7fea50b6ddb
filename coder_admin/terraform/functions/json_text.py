"""JSON as Terraform writes it: no blanks, keys in order, `<`, `>` and `&` escaped, numbers in full."""

from __future__ import annotations

from ..numbers import Float, format_number
from ..values import Value
from .registry import FunctionError

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_TABLE = str.maketrans(_ESCAPES | {chr(c): f"\\u{c:04x}" for c in range(32) if chr(c) not in _ESCAPES})


def json_string(text: str) -> str:
    """The text as a JSON string, in quotes."""
    return f'"{text.translate(_TABLE)}"'


def json_text(value: Value) -> str:
    """A wholly known value as JSON text."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: Value, parts: list[str]) -> None:
    data = value.data
    kind = type(data)
    if data is None:
        parts.append("null")
    elif kind is str:
        parts.append(json_string(data))
    elif kind is bool:
        parts.append("true" if data else "false")
    elif kind is tuple:
        parts.append("[")
        for index, element in enumerate(data):
            if index:
                parts.append(",")
            _write(element, parts)
        parts.append("]")
    elif kind is dict:
        parts.append("{")
        for index, (key, element) in enumerate(data.items()):
            parts.append(f"{',' if index else ''}{json_string(key)}:")
            _write(element, parts)
        parts.append("}")
    elif isinstance(data, Float) and data.exponent is None:
        raise FunctionError("JSON cannot hold an infinite number")
    else:
        parts.append(format_number(data))
