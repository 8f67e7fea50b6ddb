"""format and formatlist: Go's verbs over the language's values, as cty's format package defines them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache

from .. import numbers
from ..convert import ConversionError, convert
from ..gotext import exact_decimal, general, quoted
from ..numbers import NEGATIVE_ZERO, Float, Number
from ..types import BOOL, DYNAMIC, NUMBER, STRING, ListType, SetType, TupleType, Type, list_type
from ..values import NOT_NULL, Refinement, Value, list_of, string, to_text, unknown
from .graphemes import grapheme_count, graphemes, safe_prefix
from .json_text import json_string, json_text
from .registry import FunctionContext, FunctionError, Parameter, function

_VERB = re.compile(
    r"%(?P<flags>[ #+0-]*)(?P<width>\d+)?(?:\.(?P<precision>\d*))?(?:\[(?P<index>\d+)\])?(?P<mode>.)?",
    re.DOTALL,
)
_MAX_WIDTH = 1_000_000


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of a format string, such as `%-8.2f`. `offset` in UTF-8 bytes, `arg` counts from 0."""

    raw: str
    offset: int
    mode: str
    arg: int
    width: int | None
    precision: int | None
    plus: bool
    minus: bool
    space: bool
    zero: bool
    sharp: bool


@lru_cache(maxsize=512)
def parse_format(text: str) -> tuple[str | Verb, ...]:
    """The format string as literal texts and verbs. FunctionError where it is not valid."""
    parts: list[str | Verb] = []
    at = next_arg = 0
    while (start := text.find("%", at)) >= 0:
        if start > at:
            parts.append(text[at:start])
        offset = len(text[:start].encode())
        if text.startswith("%%", start):
            parts.append("%")
            at = start + 2
            continue
        found = _VERB.match(text, start)
        if found is None or found["mode"] is None:
            raise FunctionError(f"invalid format string starting at offset {offset + 1}")
        verb = _verb(found, offset, next_arg)
        next_arg = verb.arg + 1
        parts.append(verb)
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def _verb(found: re.Match[str], offset: int, next_arg: int) -> Verb:
    mode, flags = found["mode"], found["flags"]
    if not ("a" <= mode <= "z" or "A" <= mode <= "Z"):
        place = offset + len(found[0].encode()) - len(mode.encode())
        raise FunctionError(f"unrecognized format character {_quoted_char(mode)} at offset {place}")
    arg = next_arg
    if found["index"] is not None:
        arg = int(found["index"][:9]) - 1
        if arg < 0:
            raise FunctionError(f'the arguments are counted from 1, but "{found[0]}" names argument 0')
    width, precision = _size(found["width"]), _size(found["precision"])
    return Verb(
        raw=found[0],
        offset=offset,
        mode=mode,
        arg=arg,
        width=width,
        precision=precision,
        plus="+" in flags,
        minus="-" in flags,
        space=" " in flags,
        zero="0" in flags and "-" not in flags,
        sharp="#" in flags,
    )


def _quoted_char(char: str) -> str:
    return f"'{quoted(char)[1:-1]}'"


def _size(digits: str | None) -> int | None:
    if digits is None:
        return None
    size = int(digits[:9] or 0)
    if size > _MAX_WIDTH:
        raise FunctionError(f"a width or precision of {digits} is too large; {_MAX_WIDTH} is allowed")
    return size


def format_text(text: str, args: Sequence[Value], context: FunctionContext) -> str:
    """The formatted text; the arguments a verb uses must be wholly known."""
    used = 0
    done: list[str] = []
    size = 0
    for part in parse_format(text):
        if isinstance(part, Verb):
            if part.arg >= len(args):
                raise FunctionError(
                    f'not enough arguments for "{part.raw}" at {part.offset}: need index {part.arg + 1} '
                    f"but have {len(args)} total"
                )
            used = max(used, part.arg + 1)
            piece = format_value(part, args[part.arg])
        else:
            piece = part
        size += len(piece)
        context.budget.check_size(size)
        done.append(piece)
    if used < len(args):
        if used == 0:
            raise FunctionError("too many arguments; no verbs in format string", 1)
        raise FunctionError(f"too many arguments; only {used} used by format string", used + 1)
    return "".join(done)


def format_value(verb: Verb, value: Value) -> str:
    """What one verb makes of one value. FunctionError where it does not take it."""
    mode = verb.mode
    if mode == "v":
        return _padded(_default(verb, value), verb)
    if value.data is None:
        raise _unsupported(verb, "null value cannot be formatted")
    if mode == "t":
        return to_text(_as(verb, value, BOOL))  # a width is not heeded, as in cty
    if mode in "bdoxXeEfgG":
        return _number(verb, _as(verb, value, NUMBER).data)
    if mode in "sq":
        text = str(_as(verb, value, STRING).data)
        if verb.precision is not None:
            text = "".join(list(graphemes(text))[: verb.precision])
        return _padded(json_string(text) if mode == "q" else text, verb)
    raise FunctionError(
        f'unsupported format verb {_quoted_char(mode)} in "{verb.raw}" at offset {verb.offset}'
    )


def _as(verb: Verb, value: Value, of: Type) -> Value:
    try:
        return convert(value, of)
    except ConversionError as error:
        raise _unsupported(verb, str(error)) from None


def _unsupported(verb: Verb, reason: str) -> FunctionError:
    return FunctionError(f'unsupported value for "{verb.raw}" at {verb.offset}: {reason}')


def _default(verb: Verb, value: Value) -> str:
    """%v: strings bare, numbers as %g, bools as %t, everything else and %#v as JSON."""
    if verb.sharp or value.data is None:
        return json_text(value)
    if value.type is STRING:
        return str(value.data)
    if value.type is NUMBER:
        return _float_text(value.data, "g", None)
    return json_text(value)


def _padded(text: str, verb: Verb) -> str:
    if verb.width is None:
        return text
    missing = verb.width - grapheme_count(text)
    if missing <= 0:
        return text
    if verb.minus:
        return text + " " * missing
    return ("0" if verb.zero else " ") * missing + text


def _number(verb: Verb, x: Number) -> str:
    mode = verb.mode
    if mode in "bdoxX":
        try:
            whole = numbers.to_int(x)
        except ValueError:
            raise _unsupported(verb, "an integer is required") from None
        negative, digits, prefix = whole < 0, _integer_digits(verb, abs(whole)), ""
        if verb.sharp:
            prefix = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}.get(mode, "")
    else:
        if isinstance(x, Float) and x.exponent is None:
            return _padded(numbers.format_number(x), verb)
        text = _float_text(x, mode, verb.precision)
        negative, digits, prefix = text.startswith("-"), text.removeprefix("-").removeprefix("+"), ""
    sign = "-" if negative else "+" if verb.plus else " " if verb.space else ""
    width = verb.width or 0
    if verb.zero and (verb.precision is None or mode not in "bdoxX"):
        digits = digits.rjust(width - len(sign) - len(prefix), "0")
    text = sign + prefix + digits
    return text.ljust(width) if verb.minus else text.rjust(width)


def _integer_digits(verb: Verb, x: int) -> str:
    if verb.precision == 0 and x == 0:
        return ""
    digits = format(x, verb.mode)
    return digits.rjust(verb.precision or 0, "0")


def _float_text(x: Number, mode: str, precision: int | None) -> str:
    """Go's big.Float formatting; 6 digits where e, E and f say nothing, the shortest for g and G."""
    if isinstance(x, Float) and x.exponent is None:
        return numbers.format_number(x)
    if x is NEGATIVE_ZERO:
        return "-" + _float_text(0, mode, precision)
    if mode in "gG":
        text = _shortest_general(x) if precision is None else general(x, precision or 1)
        return text.upper() if mode == "G" else text
    digits = 6 if precision is None else precision
    exact = exact_decimal(x)
    with localcontext() as context:
        context.Emax, context.Emin, context.rounding = 10**9, -(10**9), ROUND_HALF_EVEN
        context.prec = max(1, exact.adjusted() + digits + 2 if mode == "f" else digits + 1)
        if mode == "f":
            return format(exact.quantize(Decimal(1).scaleb(-digits)), "f")
        return _scientific(+exact, digits, mode)


def _scientific(rounded: Decimal, digits: int, mode: str) -> str:
    sign, found, _ = rounded.as_tuple()
    power = rounded.adjusted() if rounded else 0
    text = "".join(map(str, found)).ljust(digits + 1, "0")[: digits + 1]
    fraction = f".{text[1:]}" if digits else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}{mode}{'-' if power < 0 else '+'}{abs(power):02d}"


def _shortest_general(x: Number) -> str:
    """%g without a precision: the shortest digits; with an exponent below 1e-4 and from 1e6 on."""
    if x == 0:
        return "0"
    text = numbers.format_number(x)
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    digits = digits.rstrip("0")
    if power < -4 or power >= 6:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return sign + text


@function(
    "format",
    Parameter("format", STRING),
    variadic=Parameter("args", DYNAMIC, null=True, unknown=True, dynamic=True),
    returns=STRING,
)
def _format(args: Sequence[Value], context: FunctionContext) -> Value:
    if any(not arg.is_wholly_known for arg in args[1:]):
        return unknown(STRING, _known_prefix(args[0].data))
    return string(format_text(args[0].data, args[1:], context))


def _known_prefix(text: str) -> Refinement:
    """An unknown result begins with what stands before the first verb."""
    prefix = safe_prefix(text.partition("%")[0])
    return Refinement(not_null=True, prefix=prefix) if prefix else NOT_NULL


@function(
    "formatlist",
    Parameter("format", STRING),
    variadic=Parameter("args", DYNAMIC, null=True, unknown=True, dynamic=True),
    returns=list_type(STRING),
)
def _formatlist(args: Sequence[Value], context: FunctionContext) -> Value:
    text, given = args[0].data, args[1:]
    length = _iterations(given)
    if length is None:
        return unknown(list_type(STRING), NOT_NULL)
    results: list[Value] = []
    size = 0
    for step in range(length):
        row = [arg.data[step] if _is_list(arg) and arg.data is not None else arg for arg in given]
        if any(not cell.is_wholly_known for cell in row):
            results.append(unknown(STRING, _known_prefix(text)))
            continue
        try:
            line = format_text(text, row, context)
        except FunctionError as error:
            raise FunctionError(f"error on format iteration {step}: {error.message}") from None
        size += len(line)
        context.budget.check_size(size)
        results.append(string(line))
    return list_of(results, STRING)


def _is_list(value: Value) -> bool:
    return isinstance(value.type, (ListType, SetType, TupleType))


def _iterations(args: Sequence[Value]) -> int | None:
    """How many texts: as many as the lists have elements (all the same), 1 without lists; None: not known."""
    length: int | None = None
    chosen = 0
    known = True
    for index, arg in enumerate(args, 1):
        if arg.type is DYNAMIC and not arg.is_known:
            known = False
        if not _is_list(arg) or arg.data is None:
            continue
        if isinstance(arg.data, Refinement):
            known = False
            continue
        size = len(arg.data)
        if length is not None and size != length:
            raise FunctionError(
                f"argument {index} has length {size}, which is inconsistent with argument {chosen} of length "
                f"{length}",
                index,
            )
        length, chosen = size, index
    if not known:
        return None
    return 1 if length is None else length
