"""Terraform's numbers: binary floating point with mantissas of up to 512 bits (Go's big.Float, as in cty).

A number is a plain `int` while it is an integer of no more bits than its precision, which is 512, and 53 for
what float64 functions (pow, log) give; anything else is a `Float`. The precision decides how many digits are
printed: pow(2, 64) prints as 18446744073709552000. This is what makes
`1/3*3 == 1` true and `0.1+0.2` print as Terraform prints it, which decimal arithmetic would not.
"""

from __future__ import annotations

import math
import re
from typing import Final, final

PRECISION: Final = 512
# Decimal exponents beyond this are refused: Terraform would take them, and print a number of so many digits.
EXPONENT_LIMIT: Final = 20_000
_INT_LIMIT: Final = 1 << PRECISION
_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?", re.ASCII)


class NumberError(ValueError):
    """A text that is no number, a division by zero, or a number out of range."""


@final
class Float:
    """`mantissa * 2**exponent`, mantissa odd; never an integer of at most `precision` bits.

    An infinity has mantissa ±1 and exponent None; negative zero, which prints as -0, mantissa 0.
    """

    __slots__ = ("exponent", "mantissa", "precision")

    def __init__(self, mantissa: int, exponent: int | None, precision: int = PRECISION) -> None:
        self.mantissa = mantissa
        self.exponent = exponent
        self.precision = precision

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Float):
            return self.mantissa == other.mantissa and self.exponent == other.exponent
        return isinstance(other, int) and is_whole(self) and to_int(self) == other

    def __hash__(self) -> int:
        return hash(to_int(self)) if is_whole(self) else hash((self.mantissa, self.exponent))

    def __bool__(self) -> bool:
        return self.mantissa != 0

    def __repr__(self) -> str:
        return f"Float({format_number(self)})"

    def __float__(self) -> float:
        if self.exponent is None:
            return math.copysign(math.inf, self.mantissa)
        if not self.mantissa:
            return -0.0
        try:
            if self.exponent >= 0:
                return float(self.mantissa << self.exponent)
            return self.mantissa / (1 << -self.exponent)
        except OverflowError:
            return math.copysign(math.inf, self.mantissa)


Number = int | Float
POSITIVE_INFINITY: Final = Float(1, None)
NEGATIVE_INFINITY: Final = Float(-1, None)
NEGATIVE_ZERO: Final = Float(0, 0)


def _rounded(numerator: int, exponent: int, precision: int) -> Number:
    """`numerator * 2**exponent` rounded to `precision` bits (to the nearest, ties to even)."""
    if not numerator:
        return 0
    magnitude = abs(numerator)
    extra = magnitude.bit_length() - precision
    if extra > 0:
        kept = magnitude >> extra
        rest = magnitude & ((1 << extra) - 1)
        half = 1 << (extra - 1)
        if rest > half or (rest == half and kept & 1):
            kept += 1
        magnitude, exponent = kept, exponent + extra
    zeros = (magnitude & -magnitude).bit_length() - 1
    magnitude >>= zeros
    exponent += zeros
    if numerator < 0:
        magnitude = -magnitude
    if exponent >= 0 and magnitude.bit_length() + exponent <= precision:
        return magnitude << exponent
    if abs(exponent) > 4 * EXPONENT_LIMIT:
        raise NumberError("the number is out of range")
    return Float(magnitude, exponent, precision)


def _parts(x: Number) -> tuple[int, int, int]:
    if isinstance(x, Float):
        if x.exponent is None:
            raise NumberError("the number is infinite")
        return x.mantissa, x.exponent, x.precision
    return x, 0, PRECISION


def from_int(x: int) -> Number:
    """An integer of any size as a number."""
    return x if -_INT_LIMIT < x < _INT_LIMIT else _rounded(x, 0, PRECISION)


def from_float(x: float) -> Number:
    """A double as a number of 53 bits. NumberError for NaN."""
    if math.isnan(x):
        raise NumberError("not a number")
    if math.isinf(x):
        return POSITIVE_INFINITY if x > 0 else NEGATIVE_INFINITY
    if x.is_integer() and abs(x) < 2**53:
        return int(x) if x or math.copysign(1, x) > 0 else NEGATIVE_ZERO
    numerator, denominator = x.as_integer_ratio()
    return _rounded(numerator, 1 - denominator.bit_length(), 53)


def from_ratio(numerator: int, denominator: int, precision: int = PRECISION) -> Number:
    """`numerator / denominator` (denominator > 0), rounded to `precision` bits."""
    shift = max(0, precision + 2 - numerator.bit_length() + denominator.bit_length())
    quotient, rest = divmod(abs(numerator) << shift, denominator)
    if rest:  # a sticky bit keeps the rounding exact
        quotient = (quotient << 2) | 1
        shift += 2
    return _rounded(-quotient if numerator < 0 else quotient, -shift, precision)


def parse_number(text: str) -> Number:
    """A number from decimal digits (`-12.5e3`), as cty.ParseNumberVal reads it. NumberError otherwise."""
    if text.isdecimal() and text.isascii() and len(text) < 100:
        return int(text)
    if len(text) > EXPONENT_LIMIT:
        raise NumberError("a number is required")
    found = _NUMBER.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise NumberError("a number is required")
    sign, whole, fraction, exponent = found[1], found[2], found[3] or "", int(found[4] or 0)
    if abs(exponent) > EXPONENT_LIMIT:
        raise NumberError("the number is out of range")
    digits = int((whole + fraction)[:EXPONENT_LIMIT])
    if sign == "-":
        if not digits:
            return NEGATIVE_ZERO
        digits = -digits
    scale = exponent - len(fraction)
    if scale >= 0:
        return from_int(digits * 10**scale)
    return from_ratio(digits, 10**-scale)


def format_number(x: Number) -> str:
    """The number as Terraform writes it: no exponent, the fewest digits that give the same number back."""
    if isinstance(x, int):
        return str(x)
    if x.exponent is None:
        return "+Inf" if x.mantissa > 0 else "-Inf"
    if not x.mantissa:
        return "-0"
    digits, point = shortest_digits(x)
    sign = "-" if x.mantissa < 0 else ""
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def shortest_digits(x: Float) -> tuple[str, int]:
    """The shortest digits that round to `x` at its precision, and where the decimal point stands in them.

    The number is `0.DIGITS * 10**point`. Go's big.Float.Text('f', -1) in exact integers: the digits end as
    soon as they lie within half a unit of the last binary place.
    """
    mantissa, exponent, precision = _parts(x)
    mantissa = abs(mantissa)
    shift = precision - mantissa.bit_length()
    mantissa <<= max(shift, 0)
    exponent -= max(shift, 0)
    # value = mantissa / scale, half = half an ulp / scale, in integers
    mantissa, half, scale = mantissa * 2, 1, 2
    lower_half = 1
    if mantissa & (mantissa - 1) == 0:  # a power of two: the gap below is half as wide
        mantissa, half, scale = mantissa * 2, 2, 4
    if exponent >= 0:
        mantissa, half, lower_half = mantissa << exponent, half << exponent, lower_half << exponent
    else:
        scale <<= -exponent
    inclusive = (abs(x.mantissa) << max(shift, 0)) & 1 == 0
    point = math.floor((mantissa.bit_length() - scale.bit_length()) * 0.30102999566398120) - 1
    if point >= 0:
        scale *= 10**point
    else:
        ten = 10**-point
        mantissa, half, lower_half = mantissa * ten, half * ten, lower_half * ten
    while mantissa >= scale:
        scale *= 10
        point += 1
    digits: list[str] = []
    while True:
        mantissa, half, lower_half = mantissa * 10, half * 10, lower_half * 10
        digit, mantissa = divmod(mantissa, scale)
        down = mantissa < lower_half or (inclusive and mantissa == lower_half)
        up = scale - mantissa < half or (inclusive and scale - mantissa == half)
        if not (down or up):
            digits.append(chr(48 + digit))
            continue
        if up and (not down or mantissa * 2 > scale or (mantissa * 2 == scale and digit & 1)):
            digit += 1
        if digit == 10:
            return _carried(digits, point)
        digits.append(chr(48 + digit))
        return "".join(digits).rstrip("0") or "0", point


def _carried(digits: list[str], point: int) -> tuple[str, int]:
    while digits and digits[-1] == "9":
        digits.pop()
    if not digits:
        return "1", point + 1
    digits[-1] = chr(ord(digits[-1]) + 1)
    return "".join(digits), point


def compare(a: Number, b: Number) -> int:
    """-1, 0 or 1."""
    if isinstance(a, int) and isinstance(b, int):
        return (a > b) - (a < b)
    for x, other, sign in ((a, b, 1), (b, a, -1)):
        if isinstance(x, Float) and x.exponent is None:
            return 0 if x == other else sign * x.mantissa
    ma, ea, _ = _parts(a)
    mb, eb, _ = _parts(b)
    low = min(ea, eb)
    left, right = ma << (ea - low), mb << (eb - low)
    return (left > right) - (left < right)


def add(a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int):
        return from_int(a + b)
    if _infinite(a) or _infinite(b):
        if _infinite(a) and _infinite(b) and a != b:
            raise NumberError("can't add infinities of opposite signs")
        return a if _infinite(a) else b
    ma, ea, pa = _parts(a)
    mb, eb, pb = _parts(b)
    if a is NEGATIVE_ZERO and b is NEGATIVE_ZERO:
        return NEGATIVE_ZERO
    low = min(ea, eb)
    return _rounded((ma << (ea - low)) + (mb << (eb - low)), low, max(pa, pb))


def negate(a: Number) -> Number:
    if isinstance(a, int):
        return -a if a else NEGATIVE_ZERO
    if not a.mantissa:
        return 0
    return Float(-a.mantissa, a.exponent, a.precision)


def subtract(a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int):
        return from_int(a - b)
    return add(a, negate(b))


def multiply(a: Number, b: Number) -> Number:
    """cty computes products with 512 bits whatever the operands carry."""
    if isinstance(a, int) and isinstance(b, int):
        return from_int(a * b) if a and b else _zero(a, b)
    if _infinite(a) or _infinite(b):
        if not (a and b):
            raise NumberError("can't multiply zero by infinity")
        return _infinity(is_negative(a) != is_negative(b))
    if not (a and b):
        return _zero(a, b)
    ma, ea, pa = _parts(a)
    mb, eb, pb = _parts(b)
    product = _rounded(ma * mb, ea + eb, PRECISION)
    needed = (product.mantissa if isinstance(product, Float) else product).bit_length()
    return _rounded(*_parts(product)[:2], max(pa, pb, min(needed, PRECISION)))


def _infinite(a: Number) -> bool:
    return isinstance(a, Float) and a.exponent is None


def _infinity(negative: bool) -> Number:
    return NEGATIVE_INFINITY if negative else POSITIVE_INFINITY


def _zero(a: Number, b: Number) -> Number:
    """The zero that a product or quotient of these is: negative where exactly one of them is."""
    return NEGATIVE_ZERO if is_negative(a) != is_negative(b) else 0


def is_negative(a: Number) -> bool:
    """Below zero, or negative zero."""
    return a < 0 if isinstance(a, int) else a.mantissa < 0 or a is NEGATIVE_ZERO


def divide(a: Number, b: Number) -> Number:
    """Something over zero is infinite; NumberError for zero over zero and infinity over infinity."""
    if (not a and not b) or (_infinite(a) and _infinite(b)):
        raise NumberError("can't divide zero by zero or infinity by infinity")
    if not b or _infinite(a):
        return _infinity(is_negative(a) != is_negative(b))
    if not a or _infinite(b):
        return _zero(a, b)
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    ma, ea, pa = _parts(a)
    mb, eb, pb = _parts(b)
    if mb < 0:
        ma, mb = -ma, -mb
    shift = ea - eb
    if shift >= 0:
        return from_ratio(ma << shift, mb, max(pa, pb))
    return from_ratio(ma, mb << -shift, max(pa, pb))


def modulo(a: Number, b: Number) -> Number:
    """The remainder with the sign of `a` (Go's, not Python's); of a division by zero, `a` itself."""
    if not b:
        return a
    if _infinite(a) or _infinite(b):
        raise NumberError("can't divide infinity, nor by it, with a remainder")
    if isinstance(a, int) and isinstance(b, int):
        rest = abs(a) % abs(b)
        return -rest if a < 0 else rest
    quotient = truncate(divide(a, b)) or 0
    return subtract(a, multiply(quotient, b))


def truncate(a: Number) -> Number:
    """Towards zero."""
    if isinstance(a, int) or a.exponent is None or a.exponent >= 0:
        return a
    whole = abs(a.mantissa) >> -a.exponent
    return -whole if a.mantissa < 0 else whole


def floor(a: Number) -> Number:
    if isinstance(a, int) or a.exponent is None or a.exponent >= 0:
        return a
    return a.mantissa >> -a.exponent


def ceil(a: Number) -> Number:
    return negate(floor(negate(a)))


def is_whole(a: Number) -> bool:
    return isinstance(a, int) or (a.exponent is not None and a.exponent >= 0)


def to_int(a: Number) -> int:
    """The integer. ValueError where it has a fraction."""
    if isinstance(a, int):
        return a
    if a.exponent is None or a.exponent < 0:
        raise ValueError("not a whole number")
    return a.mantissa << a.exponent
