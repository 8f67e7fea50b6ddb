"""How text becomes a number, bool or list: Go's rules, not Python's.

Templates are planned by programs written in Go, so a value that passes here must pass there
(reference dynamic-parameters 13, trap 21): ``int(" 1_0 ")`` of Python would accept what Go refuses.
"""

import json
import math
import re
from collections.abc import Sequence

TRUE_TEXTS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE_TEXTS = frozenset({"0", "f", "F", "FALSE", "false", "False"})

_WHOLE = re.compile(r"[+-]?[0-9]+\Z")
_DIGITS = r"[0-9](?:_?[0-9])*"
_HEX_DIGITS = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_DECIMAL_FLOAT = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?\Z")
_HEX_FLOAT = re.compile(
    rf"[+-]?0[xX]_?(?:{_HEX_DIGITS}\.?(?:{_HEX_DIGITS})?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}\Z"
)
_INFINITY = re.compile(r"[+-]?inf(?:inity)?\Z", re.IGNORECASE)
_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)
_INT64_DIGITS = 19


def parse_whole(text: str) -> int | None:
    """The 64-bit whole number that ``text`` is, or None. Optional sign and ASCII digits only."""
    if not _WHOLE.match(text):
        return None
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > _INT64_DIGITS:
        return None
    number = sign * int(digits)
    return number if _INT64_MIN <= number <= _INT64_MAX else None


def is_float(text: str) -> bool:
    """Whether Go's 64-bit float parser takes ``text`` (decimal, hexadecimal, inf, nan; no overflow)."""
    if _INFINITY.match(text) or text.lower() == "nan":
        return True
    try:
        if _DECIMAL_FLOAT.match(text):
            return math.isfinite(float(text.replace("_", "")))
        if _HEX_FLOAT.match(text):
            return math.isfinite(float.fromhex(text.replace("_", "")))
    except (ValueError, OverflowError):
        return False
    return False


def parse_bool(text: str) -> bool | None:
    """True or False for exactly the twelve forms of Go's bool parser, else None."""
    if text in TRUE_TEXTS:
        return True
    return False if text in FALSE_TEXTS else None


def parse_strings(text: str) -> Sequence[str] | None:
    """The strings of a JSON list (``null`` elements read as "", ``null`` itself as no element), else None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if value is None:
        return ()
    if not isinstance(value, list) or not all(item is None or isinstance(item, str) for item in value):
        return None
    return tuple(item or "" for item in value)
