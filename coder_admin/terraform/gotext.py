"""Texts as Go's standard library writes them: quoted strings and floats, which Terraform's results show."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from .numbers import Float, Number, format_number

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def is_printable(char: str) -> bool:
    """Go's strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


def quoted(text: str, *, ascii_only: bool = False) -> str:
    """Go's %q (strconv.Quote): in double quotes, with escapes for what is not printable."""
    return f'"{"".join(_escaped(char, ascii_only) for char in text)}"'


def _escaped(char: str, ascii_only: bool) -> str:
    found = _ESCAPES.get(char)
    if found is not None:
        return found
    code = ord(char)
    if is_printable(char) and (code < 0x7F or not ascii_only):
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def exact_decimal(x: Number) -> Decimal:
    """The number as a Decimal with nothing lost."""
    if isinstance(x, Float):
        mantissa, exponent = x.mantissa, x.exponent or 0
        if exponent < 0:
            return Decimal(mantissa * 5**-exponent).scaleb(exponent)
        return Decimal(mantissa << exponent)
    return Decimal(x)


def general(x: Number, precision: int = 10) -> str:
    """Go's big.Float.Text('g', precision): at most that many digits, an exponent where it is far off."""
    if isinstance(x, Float) and x.exponent is None:
        return format_number(x)
    if x == 0:
        return "0"
    with localcontext() as context:
        context.prec, context.rounding = precision, ROUND_HALF_EVEN
        context.Emax, context.Emin = 10**9, -(10**9)
        rounded = +exact_decimal(x)
    sign, digits_tuple, exponent = rounded.as_tuple()
    digits = "".join(map(str, digits_tuple))
    point = len(digits) + int(exponent)
    digits = digits.rstrip("0")
    minus = "-" if sign else ""
    limit = precision
    if limit > len(digits) >= point:
        limit = len(digits)
    power = point - 1
    if power < -4 or power >= limit:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{minus}{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return minus + digits + "0" * (point - len(digits))
    return f"{minus}{digits[:point]}.{digits[point:]}"
