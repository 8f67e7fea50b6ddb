"""yamlencode and yamldecode: YAML 1.2's core schema over libyaml's parser and emitter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ..numbers import NEGATIVE_INFINITY, POSITIVE_INFINITY, Float, parse_number
from ..types import DYNAMIC, NUMBER, STRING
from ..values import FALSE, NOT_NULL, NULL, TRUE, Value, number, object_, string, to_text, tuple_, unknown
from .registry import FunctionContext, FunctionError, Parameter, function

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_TAG = "tag:yaml.org,2002:"
_MAX_DEPTH = 200
_PLAIN: dict[str, Value] = {
    **dict.fromkeys(("true", "True", "TRUE"), TRUE),
    **dict.fromkeys(("false", "False", "FALSE"), FALSE),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), NULL),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), Value(NUMBER, POSITIVE_INFINITY)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), Value(NUMBER, NEGATIVE_INFINITY)),
}
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
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
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return NULL
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
            found = self._sequence(depth)
        else:
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
        value, _ = self._node(event, depth + 1)
        if value.data is None:
            raise FunctionError("mapping key cannot be null")
        if not value.type.is_primitive:
            raise FunctionError("only strings are allowed as mapping keys")
        return to_text(value)


def _is_merge(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]


def _merge(into: dict[str, Value], value: Value) -> None:
    for source in value.data if isinstance(value.data, tuple) else (value,):
        if not isinstance(source.data, dict):
            raise FunctionError("cannot merge: the value must be a mapping or a sequence of mappings")
        for key, element in source.data.items():
            into.setdefault(key, element)


def _scalar(event: Any) -> Value:
    text: str = event.value
    tag: str | None = event.tag
    if tag is None or tag == "!":
        return _resolved(text) if event.implicit[0] and tag is None else string(text)
    if not tag.startswith(_TAG):
        raise FunctionError(f'unsupported tag "{tag}"')
    return _tagged(tag.removeprefix(_TAG), text)


def _tagged(tag: str, text: str) -> Value:
    if tag in ("str", "binary", "timestamp"):
        return string(text)
    value = _resolved(text)
    fits = {
        "int": value.type is NUMBER and isinstance(value.data, int),
        "float": value.type is NUMBER,
        "bool": value.type.kind == "bool",
        "null": value.data is None,
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
    return string(text)


@function("yamlencode", Parameter("value", DYNAMIC, null=True, unknown=True, dynamic=True), returns=STRING)
def _yamlencode(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args[0].is_wholly_known:
        return unknown(STRING, NOT_NULL)
    events: list[Any] = [yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False)]
    _emit(args[0], events)
    context.budget.check_size(len(events))
    events += [yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent()]
    text: str = yaml.emit(events, Dumper=_DUMPER, allow_unicode=True, width=2**31 - 1)
    context.budget.check_size(len(text))
    return string(_ended(args[0], text))


def _ended(value: Value, text: str) -> str:
    """A document that is one plain scalar is closed by `...`, as Go's emitter does."""
    plain = not isinstance(value.data, (str, tuple, dict))
    return text.removesuffix("...\n") + "...\n" if plain else text


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
        if isinstance(data, Float) and data.exponent is None:
            text = ".inf" if data.mantissa > 0 else "-.inf"
        events.append(yaml.ScalarEvent(None, None, (True, False), text, style=None))


def _text_event(text: str) -> Any:
    return yaml.ScalarEvent(None, None, (False, True), text, style="|" if "\n" in text else '"')
