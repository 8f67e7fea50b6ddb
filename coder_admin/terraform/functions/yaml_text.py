"""yamlencode and yamldecode over libyaml's parser and emitter, resolving plain scalars as go-cty-yaml does.

That is YAML 1.2's numbers with YAML 1.1's bools (`yes`, `on`), timestamps and merge keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import yaml

from ..numbers import NEGATIVE_INFINITY, POSITIVE_INFINITY, parse_number
from ..types import DYNAMIC, NUMBER, STRING
from ..values import FALSE, NOT_NULL, NULL, TRUE, Value, number, object_, string, to_text, tuple_, unknown
from .registry import FunctionContext, FunctionError, Parameter, function

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_TAG = "tag:yaml.org,2002:"
_MAX_DEPTH = 200
_PLAIN: dict[str, Value] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], TRUE),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], FALSE),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), NULL),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), Value(NUMBER, POSITIVE_INFINITY)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), Value(NUMBER, NEGATIVE_INFINITY)),
}
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_DATE = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d{1,9})?(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)


@function("yamldecode", Parameter("src", STRING))
def _yamldecode(args: Sequence[Value], context: FunctionContext) -> Value:
    try:
        return _Reader(args[0].data, context).document()
    except yaml.YAMLError as error:
        raise FunctionError(_problem(error)) from None


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "the text cannot be read"
    return f"on line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


class _Reader:
    """Builds values from YAML's events. Aliases share values; what they would unfold to is bounded."""

    def __init__(self, text: str, context: FunctionContext) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._open: set[str] = set()
        self._context = context

    def document(self) -> Value:
        next(self._events)  # the stream's beginning
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise FunctionError("the text holds no YAML document")
        if start.version not in (None, (1, 1)):
            raise FunctionError("found incompatible YAML document: only version 1.1 may be declared")
        value, _ = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise FunctionError("unexpected extra content after value: only one document is allowed")
        return value

    def _node(self, event: Any, depth: int) -> tuple[Value, int]:
        """A value, and how many nodes it has with all aliases unfolded."""
        if depth > _MAX_DEPTH:
            raise FunctionError(f"the YAML is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        if isinstance(event, yaml.ScalarEvent):
            found = _scalar(event), 1
        elif isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event, "seq")
            found = self._sequence(depth)
        else:
            _check_tag(event, "map")
            found = self._mapping(depth)
        self._context.budget.check_size(found[1])
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = found
        return found

    def _alias(self, event: Any) -> tuple[Value, int]:
        if event.anchor in self._open:
            raise FunctionError(f'cannot refer to anchor "{event.anchor}" from inside its own definition')
        if event.anchor not in self._anchors:
            raise FunctionError(f'reference to undefined anchor "{event.anchor}"')
        return self._anchors[event.anchor]

    def _sequence(self, depth: int) -> tuple[Value, int]:
        items: list[Value] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, nodes = self._node(event, depth + 1)
            items.append(value)
            size += nodes
            self._context.budget.spend(1)
        return tuple_(items), size

    def _mapping(self, depth: int) -> tuple[Value, int]:
        found: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            merge = _is_merge(event)
            key = "" if merge else self._key(event, depth)
            value, nodes = self._node(next(self._events), depth + 1)
            size += nodes + 1
            self._context.budget.spend(1)
            if merge:
                _merge(merged, value)
            else:
                found[key] = value
        return object_(merged | found), size

    def _key(self, event: Any, depth: int) -> str:
        anchor = getattr(event, "anchor", None)
        value, _ = self._node(event, depth + 1)
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            del self._anchors[anchor]  # an anchor on a key names nothing
        if value.data is None:
            raise FunctionError("mapping key cannot be null")
        if not value.type.is_primitive:
            raise FunctionError("only strings are allowed as mapping keys")
        return to_text(value)


def _check_tag(event: Any, kind: str) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        raise FunctionError(f'unsupported tag "{event.tag.replace(_TAG, "!!")}"')


def _is_merge(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.tag is None


def _merge(into: dict[str, Value], value: Value) -> None:
    if not isinstance(value.data, dict):
        raise FunctionError("cannot merge: the value of << must be a mapping")
    into.update(value.data)


def _scalar(event: Any) -> Value:
    text: str = event.value
    tag: str | None = event.tag
    plain = event.style in (None, "")
    if tag is None:
        return _resolved(text) if plain else string(text)
    if not tag.startswith(_TAG):
        raise FunctionError(f'unsupported tag "{tag}"')
    return _tagged(tag.removeprefix(_TAG), text, plain)


def _tagged(tag: str, text: str, plain: bool) -> Value:
    if tag in ("str", "binary"):
        return string(text)
    if tag == "null":
        return NULL
    value = _resolved(text) if plain else string(text)
    fits = {
        "int": value.type is NUMBER or not plain,
        "float": value.type is NUMBER or not plain,
        "bool": value.type.kind == "bool" or not plain,
        "timestamp": value.type is STRING,
    }
    if tag not in fits:
        raise FunctionError(f'unsupported tag "!!{tag}"')
    if not fits[tag]:
        raise FunctionError(f'cannot parse "{text}" as tag "!!{tag}"')
    return value


def _resolved(text: str) -> Value:
    """A plain scalar by the core schema."""
    found = _PLAIN.get(text)
    if found is not None:
        return found
    if _DECIMAL.fullmatch(text):
        return Value(NUMBER, parse_number(text))
    if _BASED.fullmatch(text):
        return number(int(text[2:], 8 if text[1] == "o" else 16))
    if text in (".nan", ".NaN", ".NAN"):
        raise FunctionError("floating point NaN is not supported")
    return string(_timestamp(text) or text)


def _timestamp(text: str) -> str | None:
    """A date or time that YAML 1.1 knows, in RFC 3339."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 (only to check that it is a date)
    except ValueError:
        return None
    zone = found["zone"] or "Z"
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{zone}"


@function("yamlencode", Parameter("value", DYNAMIC, null=True, unknown=True, dynamic=True), returns=STRING)
def _yamlencode(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args[0].is_wholly_known:
        return unknown(STRING, NOT_NULL)
    events: list[Any] = [yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False)]
    _emit(args[0], events)
    context.budget.check_size(len(events))
    events += [yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent()]
    text: str = yaml.emit(events, Dumper=_DUMPER, allow_unicode=True, width=80)
    context.budget.check_size(len(text))
    return string(_ended(args[0], text))


def _ended(value: Value, text: str) -> str:
    """A document that is one plain scalar is closed by `...`, as Go's emitter does."""
    plain = not isinstance(value.data, (str, tuple, dict))
    body = text[:-4] if text.endswith("\n...\n") else text  # libyaml closes some texts as well, Go's does not
    return body + "...\n" if plain else body


def _emit(value: Value, events: list[Any]) -> None:
    data = value.data
    if isinstance(data, dict):
        events.append(yaml.MappingStartEvent(None, None, implicit=True, flow_style=not data))
        for key, element in data.items():
            events.append(_text_event(key))
            _emit(element, events)
        events.append(yaml.MappingEndEvent())
    elif isinstance(data, tuple):
        events.append(yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not data))
        for element in data:
            _emit(element, events)
        events.append(yaml.SequenceEndEvent())
    elif isinstance(data, str):
        events.append(_text_event(data))
    else:
        text = "null" if data is None else to_text(value)
        events.append(yaml.ScalarEvent(None, None, (True, False), text, style=None))


def _text_event(text: str) -> Any:
    return yaml.ScalarEvent(None, None, (False, True), text, style="|" if "\n" in text else '"')
