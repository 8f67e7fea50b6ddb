"""Regular expressions by RE2, as in Terraform: regex, regexall, and the expansion that replace uses.

RE2's running time is linear in the text, so no pattern that a template holds can hang an evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2

from ..types import DYNAMIC, STRING, Type, list_type, object_type, tuple_type
from ..values import Refinement, Value, list_of, null, object_, string, tuple_
from .registry import FunctionContext, FunctionError, Parameter, function

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 16 << 20
# RE2 in C++ has \C for any byte, Go's has not; and it would cut characters in two.
_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_PATTERN = Parameter("pattern", STRING)
_SUBJECT = Parameter("string", STRING)


@lru_cache(maxsize=512)
def _compile(pattern: str) -> Any:
    return re2.compile(pattern, options=_OPTIONS)


def compiled(pattern: str, arg_index: int | None) -> Any:
    """The compiled pattern. FunctionError, about that argument, when it is not valid."""
    if _ANY_BYTE.search(pattern):
        raise FunctionError("invalid regexp pattern: invalid escape sequence: \\C", arg_index)
    try:
        return _compile(pattern)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        message = f"invalid regexp pattern: {reason}"
        if arg_index is None:
            message = f"the pattern between slashes is not valid: {reason}"
        raise FunctionError(message, arg_index) from None


def _result_type(pattern: Any) -> Type:
    names = {index: name for name, index in pattern.groupindex.items()}
    if not pattern.groups:
        return STRING
    if not names:
        return tuple_type([STRING] * pattern.groups)
    if len(names) < pattern.groups:
        raise FunctionError("invalid regexp pattern: cannot mix both named and unnamed capture groups", 0)
    return object_type(dict.fromkeys(names.values(), STRING))


def _captured(found: Any, of: Type) -> Value:
    if of is STRING:
        return string(found.group(0))
    if of.kind == "tuple":
        return tuple_([_group(text) for text in found.groups()])
    return object_({name: _group(text) for name, text in found.groupdict().items()})


def _group(text: str | None) -> Value:
    return null(STRING) if text is None else string(text)


def _regex_type(args: Sequence[Value]) -> Type:
    if isinstance(args[0].data, Refinement):
        return DYNAMIC
    return _result_type(compiled(args[0].data, 0))


@function("regex", _PATTERN, _SUBJECT, returns=_regex_type)
def _regex(args: Sequence[Value], context: FunctionContext) -> Value:
    pattern = compiled(args[0].data, 0)
    of = _result_type(pattern)
    found = pattern.search(args[1].data)
    if found is None:
        raise FunctionError("pattern did not match any part of the given string")
    return _captured(found, of)


def _regexall_type(args: Sequence[Value]) -> Type:
    return list_type(_regex_type(args))


@function("regexall", _PATTERN, _SUBJECT, returns=_regexall_type)
def _regexall(args: Sequence[Value], context: FunctionContext) -> Value:
    pattern = compiled(args[0].data, 0)
    of = _result_type(pattern)
    found = [_captured(match, of) for match in _matches(pattern, args[1].data, context)]
    return list_of(found, of)


def _matches(pattern: Any, text: str, context: FunctionContext) -> list[Any]:
    """All matches as Go's FindAll gives them: an empty match right after another match does not count."""
    found: list[Any] = []
    end = -1
    for match in pattern.finditer(text):
        start, stop = match.span()
        if start == stop == end:
            continue
        context.budget.spend(1)
        found.append(match)
        end = stop
    return found


def expand(pattern: Any, text: str, replacement: str, context: FunctionContext) -> str:
    """Go's ReplaceAllString: `$1`, `${1}`, `$name`, `${name}` and `$$` in the replacement."""
    parts = _template(replacement)
    names = dict(pattern.groupindex)
    done: list[str] = []
    size = at = 0
    for match in _matches(pattern, text, context):
        start, stop = match.span()
        done.append(text[at:start])
        for literal, name in parts:
            piece = literal if name is None else _named_group(match, name, names, pattern.groups)
            size += len(piece)
            done.append(piece)
        context.budget.check_size(size)
        at = stop
    done.append(text[at:])
    return "".join(done)


def _named_group(match: Any, name: str, names: dict[str, int], count: int) -> str:
    if name.isascii() and name.isdecimal():
        index = int(name[:6])
        return (match.group(index) or "") if index <= count else ""
    return (match.group(names[name]) or "") if name in names else ""


@lru_cache(maxsize=512)
def _template(replacement: str) -> tuple[tuple[str, str | None], ...]:
    """The replacement as literal texts and names of groups."""
    parts: list[tuple[str, str | None]] = []
    rest = replacement
    while "$" in rest:
        before, _, rest = rest.partition("$")
        if before:
            parts.append((before, None))
        if rest.startswith("$"):
            parts.append(("$", None))
            rest = rest[1:]
            continue
        name, after = _group_name(rest)
        if name is None:
            parts.append(("$", None))
            continue
        parts.append(("", name))
        rest = after
    if rest:
        parts.append((rest, None))
    return tuple(parts)


def _group_name(text: str) -> tuple[str | None, str]:
    braced = text.startswith("{")
    start = 1 if braced else 0
    end = start
    while end < len(text) and (text[end] == "_" or text[end].isalpha() or text[end].isdecimal()):
        end += 1
    if end == start or (braced and text[end : end + 1] != "}"):
        return None, text
    return text[start:end], text[end + 1 :] if braced else text[end:]
