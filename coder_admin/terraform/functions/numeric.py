"""Numbers: abs, ceil, floor, log, max, min, parseint, pow, range, signum, sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import numbers
from ..convert import ConversionError, convert
from ..numbers import Number
from ..types import DYNAMIC, NUMBER, STRING, Type, list_type
from ..values import (
    NOT_NULL,
    Value,
    is_sequence,
    list_of,
    number,
    to_text,
    unknown,
)
from .registry import FunctionContext, FunctionError, Parameter, function

RANGE_LIMIT = 1024
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUM = Parameter("num", NUMBER)


@function("abs", _NUM, returns=NUMBER)
def _abs(args: Sequence[Value], context: FunctionContext) -> Value:
    x: Number = args[0].data
    return number(numbers.negate(x)) if numbers.is_negative(x) else args[0]


@function("ceil", _NUM, returns=NUMBER)
def _ceil(args: Sequence[Value], context: FunctionContext) -> Value:
    return number(numbers.ceil(args[0].data) or 0)


@function("floor", _NUM, returns=NUMBER)
def _floor(args: Sequence[Value], context: FunctionContext) -> Value:
    return number(numbers.floor(args[0].data) or 0)


@function("signum", _NUM, returns=NUMBER)
def _signum(args: Sequence[Value], context: FunctionContext) -> Value:
    return number(numbers.compare(int_argument(args, 0), 0))


def int_argument(args: Sequence[Value], index: int, *, blame: bool = False) -> int:
    """The whole number that the function requires here; FunctionError otherwise.

    blame: the error points at the argument and not at the call; Terraform's functions differ in this.
    """
    low, high = -(2**63), 2**63 - 1
    try:
        x = numbers.to_int(args[index].data)
    except ValueError:
        x = low - 1
    if not low <= x <= high:
        raise FunctionError(
            f"value must be a whole number, between {low} and {high}", index if blame else None
        )
    return x


@function("log", _NUM, Parameter("base", NUMBER), returns=NUMBER)
def _log(args: Sequence[Value], context: FunctionContext) -> Value:
    x, base = float(args[0].data), float(args[1].data)
    if x < 0 or base < 0 or (base == 1 and x == 1):
        raise FunctionError("the logarithm is not a number")
    result = _divided(_natural_log(x), _natural_log(base))
    if math.isnan(result):
        raise FunctionError("the logarithm is not a number")
    return number(result)


def _natural_log(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def _divided(a: float, b: float) -> float:
    if b == 0:
        return math.copysign(math.inf, a)
    return a / b


@function("pow", _NUM, Parameter("power", NUMBER), returns=NUMBER)
def _pow(args: Sequence[Value], context: FunctionContext) -> Value:
    try:
        return number(go_pow(float(args[0].data), float(args[1].data)))
    except numbers.NumberError:
        raise FunctionError("the power is not a number") from None


def go_pow(x: float, y: float) -> float:
    """x**y as Go computes it: by repeated squaring of the mantissa, so its last digit can differ from C's."""
    if y == 0 or x == 1 or y == 1:
        return x if y == 1 else 1.0
    if x == 0 or math.isinf(x) or math.isinf(y) or (x < 0 and not y.is_integer()):
        return _special_pow(x, y)
    if abs(y) == 0.5:
        return math.sqrt(x) if y > 0 else 1 / math.sqrt(x)
    fraction, whole = math.modf(abs(y))
    if whole >= 2**63:
        return math.inf if (abs(x) > 1) == (y > 0) else 0.0
    result, exponent = 1.0, 0
    if fraction:
        if fraction > 0.5:
            fraction -= 1
            whole += 1
        result = math.exp(fraction * math.log(x))
    mantissa, power = math.frexp(x)
    steps = int(whole)
    while steps and abs(power) < 1 << 40:
        if steps & 1:
            result *= mantissa
            exponent += power
        mantissa *= mantissa
        power <<= 1
        if mantissa < 0.5:
            mantissa += mantissa
            power -= 1
        steps >>= 1
    if steps:
        exponent += power
    if y < 0:
        result, exponent = 1 / result, -exponent
    try:
        return math.ldexp(result, exponent)
    except OverflowError:
        return math.copysign(math.inf, result)


def _special_pow(x: float, y: float) -> float:
    """The powers of zero and infinities; NaN for what has none."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return math.inf
    except ValueError:  # zero to a negative power, or a root of a negative number
        return math.inf if x == 0 else math.nan


@function("max", variadic=Parameter("numbers", NUMBER), returns=NUMBER)
def _max(args: Sequence[Value], context: FunctionContext) -> Value:
    return _extreme(args, 1)


@function("min", variadic=Parameter("numbers", NUMBER), returns=NUMBER)
def _min(args: Sequence[Value], context: FunctionContext) -> Value:
    return _extreme(args, -1)


def _extreme(args: Sequence[Value], sign: int) -> Value:
    if not args:
        raise FunctionError("must pass at least one number")
    best = args[0]
    for value in args[1:]:
        if numbers.compare(value.data, best.data) == sign:
            best = value
    return best


def _parseint_type(args: Sequence[Value]) -> Type:
    if args[0].type not in (STRING, DYNAMIC):
        raise FunctionError(f"first argument must be a string, not {args[0].type}", 0)
    return NUMBER


@function("parseint", Parameter("number", DYNAMIC), Parameter("base", NUMBER), returns=_parseint_type)
def _parseint(args: Sequence[Value], context: FunctionContext) -> Value:
    _parseint_type(args)
    base = int_argument(args, 1, blame=True)
    if not 2 <= base <= 62:
        raise FunctionError("base must be a whole number between 2 and 62 inclusive", 1)
    text: str = args[0].data
    digits = text[1:] if text[:1] in ("+", "-") else text
    if base <= 36:
        digits = digits.lower()
    allowed = _DIGITS[:base]
    if not digits or any(digit not in allowed for digit in digits):
        raise FunctionError(f'cannot parse "{text}" as a base {base} integer', 0)
    context.budget.check_size(len(digits) * len(digits) // 64)
    value = 0
    for digit in digits:
        value = value * base + allowed.index(digit)
    return number(-value if text[0] == "-" else value)


@function("range", variadic=Parameter("params", NUMBER), returns=list_type(NUMBER))
def _range(args: Sequence[Value], context: FunctionContext) -> Value:
    match [arg.data for arg in args]:
        case [end]:
            start: Number = 0
            step: Number = -1 if numbers.compare(end, 0) < 0 else 1
        case [start, end]:
            step = -1 if numbers.compare(end, start) < 0 else 1
        case [start, end, step]:
            _check_direction(start, end, step)
        case _:
            raise FunctionError("must have one, two, or three arguments")
    sign = numbers.compare(step, 0)
    found: list[Value] = []
    at = start
    while numbers.compare(at, end) * sign < 0 or (sign == 0 and numbers.compare(at, end)):
        if len(found) >= RANGE_LIMIT:
            raise FunctionError(
                f"more than {RANGE_LIMIT} values were generated; either decrease the difference between "
                "start and end or use a larger step"
            )
        found.append(Value(NUMBER, at))
        at = numbers.add(at, step)
    return list_of(found, NUMBER)


def _check_direction(start: Number, end: Number, step: Number) -> None:
    sign = numbers.compare(step, 0)
    if sign > 0 and numbers.compare(end, start) < 0:
        raise FunctionError("end must be greater than start when step is positive", 0)
    if sign < 0 and numbers.compare(end, start) > 0:
        raise FunctionError("end must be less than start when step is negative", 0)


@function("sum", Parameter("list", DYNAMIC), returns=NUMBER)
def _sum(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    if not isinstance(given.data, (tuple, dict)):
        raise FunctionError("cannot sum noniterable", 0)
    if not given.data:
        raise FunctionError("cannot sum an empty list", 0)
    if not is_sequence(given.type):
        raise FunctionError(f"argument must be list, set, or tuple. Received {given.type}", 0)
    if not given.is_wholly_known:
        return unknown(NUMBER, NOT_NULL)
    total: Number = 0
    for element in given.data:
        try:
            if element.data is None:
                raise ConversionError("a null")
            total = numbers.add(total, convert(element, NUMBER).data)
        except ConversionError:
            raise FunctionError("argument must be list, set, or tuple of number values", 0) from None
        except numbers.NumberError as error:
            raise FunctionError(str(error)) from None
    return number(total)


def describe(value: Value) -> str:
    """A known primitive for a message: strings in quotes."""
    return f'"{value.data}"' if value.type is STRING else to_text(value)
