"""Strings: chomp, indent, join, case, trimming, reversing, cutting, splitting, searching, replacing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..types import BOOL, NUMBER, STRING, list_type
from ..values import FALSE, NOT_NULL, TRUE, Refinement, Value, boolean, list_of, string, unknown
from . import casing
from .graphemes import graphemes
from .numeric import int_argument
from .patterns import compiled, expand
from .registry import FunctionContext, FunctionError, Parameter, function

_STR = Parameter("str", STRING)
_STRINGS = list_type(STRING)
# Go's unicode.IsSpace; Python counts the separators U+001C to U+001F as well.
_SPACES = "".join(
    map(chr, [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029])
) + ("\u202f\u205f\u3000")


def _simple(name: str, change: Callable[[str], str]) -> None:
    """Register a function from one string to one string."""

    @function(name, _STR, returns=STRING)
    def _call(args: Sequence[Value], context: FunctionContext) -> Value:
        return string(change(args[0].data))


def _chomp(text: str) -> str:
    return text.rstrip("\r\n")


_simple("upper", casing.upper)
_simple("lower", casing.lower)
_simple("title", casing.title)
_simple("chomp", _chomp)
_simple("trimspace", lambda text: text.strip(_SPACES))
_simple("strrev", lambda text: "".join(reversed(list(graphemes(text)))))


@function("indent", Parameter("spaces", NUMBER), _STR, returns=STRING)
def _indent(args: Sequence[Value], context: FunctionContext) -> Value:
    spaces = int_argument(args, 0)
    text: str = args[1].data
    if spaces < 0:
        raise FunctionError("the number of spaces must not be negative")
    context.budget.check_size(len(text) + spaces * text.count("\n"))
    return string(text.replace("\n", "\n" + " " * spaces))


@function(
    "join",
    Parameter("separator", STRING),
    variadic=Parameter("lists", _STRINGS, unknown=True),
    returns=STRING,
)
def _join(args: Sequence[Value], context: FunctionContext) -> Value:
    if len(args) < 2:
        raise FunctionError("at least one list is required")
    separator: str = args[0].data
    parts: list[str] = []
    size = 0
    for index, given in enumerate(args[1:], 1):
        if not given.is_wholly_known:
            return unknown(STRING, NOT_NULL)
        for position, element in enumerate(given.data):
            if element.data is None:
                raise FunctionError(f"element {position} is null; cannot concatenate null values", index)
            parts.append(element.data)
            size += len(element.data) + len(separator)
    context.budget.check_size(size)
    return string(separator.join(parts))


@function("split", Parameter("separator", STRING), _STR, returns=_STRINGS)
def _split(args: Sequence[Value], context: FunctionContext) -> Value:
    separator, text = args[0].data, args[1].data
    parts = text.split(separator) if separator else list(text)
    context.budget.spend(len(parts))
    return list_of([string(part) for part in parts], STRING)


@function("trim", _STR, Parameter("cutset", STRING), returns=STRING)
def _trim(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(args[0].data.strip(args[1].data) if args[1].data else args[0].data)


@function("trimprefix", _STR, Parameter("prefix", STRING), returns=STRING)
def _trimprefix(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(args[0].data.removeprefix(args[1].data))


@function("trimsuffix", _STR, Parameter("suffix", STRING), returns=STRING)
def _trimsuffix(args: Sequence[Value], context: FunctionContext) -> Value:
    return string(args[0].data.removesuffix(args[1].data))


@function("substr", _STR, Parameter("offset", NUMBER), Parameter("length", NUMBER), returns=STRING)
def _substr(args: Sequence[Value], context: FunctionContext) -> Value:
    offset, length = int_argument(args, 1), int_argument(args, 2)
    if length == 0 and offset >= 0:
        return string("")
    clusters = list(graphemes(args[0].data))
    if offset < 0:
        # Further back than the text begins: from its beginning. A length of 0 then means all of the rest,
        # which is an oddity of cty that templates may rely on.
        offset = max(0, offset + len(clusters))
    end = len(clusters) if length <= 0 else offset + length
    return string("".join(clusters[offset:end]))


@function("startswith", Parameter("str", STRING, unknown=True), Parameter("prefix", STRING), returns=BOOL)
def _startswith(args: Sequence[Value], context: FunctionContext) -> Value:
    prefix: str = args[1].data
    if not args[0].is_known:
        return _begins(args[0].refinement, prefix)
    return boolean(args[0].data.startswith(prefix))


def _begins(refinement: Refinement, prefix: str) -> Value:
    """What the known beginning of an unknown string says about a prefix."""
    known = refinement.prefix
    if prefix == "" or known.startswith(prefix):
        return TRUE
    if not prefix.startswith(known):
        return FALSE
    return unknown(BOOL, NOT_NULL)


@function("endswith", _STR, Parameter("suffix", STRING), returns=BOOL)
def _endswith(args: Sequence[Value], context: FunctionContext) -> Value:
    return boolean(args[0].data.endswith(args[1].data))


@function("strcontains", _STR, Parameter("substr", STRING), returns=BOOL)
def _strcontains(args: Sequence[Value], context: FunctionContext) -> Value:
    return boolean(args[1].data in args[0].data)


@function("replace", _STR, Parameter("substr", STRING), Parameter("replace", STRING), returns=STRING)
def _replace(args: Sequence[Value], context: FunctionContext) -> Value:
    """A `substr` between slashes is a regular expression, and `replace` may then name its groups."""
    text, search, replacement = args[0].data, args[1].data, args[2].data
    if len(search) > 1 and search[0] == search[-1] == "/":
        return string(expand(compiled(search[1:-1], None), text, replacement, context))
    if replacement and search != replacement:
        context.budget.check_size(len(text) + text.count(search) * max(0, len(replacement) - len(search)))
    return string(text.replace(search, replacement))
