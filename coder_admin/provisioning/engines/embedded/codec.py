"""Values as JSON: exactly, for the state, and in the shapes of Terraform's plan documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from coder_admin.terraform import numbers
from coder_admin.terraform.types import (
    DYNAMIC,
    NUMBER,
    CollectionType,
    ObjectType,
    TupleType,
    Type,
    type_from_json,
    type_to_json,
)
from coder_admin.terraform.values import SENSITIVE, Value, is_mapping, is_sequence, null, to_python

Step = str | int
Path = Sequence[Step]

_LEFT_OUT: Final = object()


class CodecError(ValueError):
    """The JSON does not hold a value of the type that is expected there."""


def to_state(value: Value, of: Type) -> Any:
    """JSON from which ``from_state`` makes the same value again, marks aside.

    Where the schema leaves the type open, the type is written beside the value. A fraction is text: JSON
    readers would round it.
    """
    if of is DYNAMIC and not value.is_null:
        return {"type": type_to_json(value.type), "value": to_state(value, value.type)}
    data = value.data
    if data is None:
        return None
    if not value.is_known:
        raise CodecError("an unknown value cannot be kept in the state")
    if isinstance(data, tuple):
        return [to_state(v, t) for v, t in zip(data, _element_types(of, len(data)), strict=True)]
    if isinstance(data, dict):
        return {name: to_state(v, _member_type(of, name)) for name, v in data.items()}
    if of is NUMBER and not isinstance(data, int):
        return numbers.format_number(data)
    return data


def from_state(data: Any, of: Type) -> Value:
    """The value that ``to_state`` wrote; CodecError when it is none of this type."""
    if data is None:
        return null(of)
    if of is DYNAMIC:
        if not isinstance(data, dict) or set(data) != {"type", "value"}:
            raise CodecError("a value of open type lacks its type")
        return from_state(data["value"], type_from_json(data["type"]))
    match of:
        case TupleType() | CollectionType() if isinstance(data, list):
            return Value(
                of, tuple(from_state(v, t) for v, t in zip(data, _element_types(of, len(data)), strict=True))
            )
        case ObjectType() if isinstance(data, dict):
            return Value(of, {name: from_state(data.get(name), t) for name, t in of.attributes.items()})
        case CollectionType() if isinstance(data, dict):
            return Value(of, {name: from_state(v, of.element) for name, v in data.items()})
        case _:
            return _primitive(data, of)


def _primitive(data: Any, of: Type) -> Value:
    if of.kind == "string" and isinstance(data, str):
        return Value(of, data)
    if of.kind == "bool" and isinstance(data, bool):
        return Value(of, data)
    if of is NUMBER and isinstance(data, str):
        return Value(of, numbers.parse_number(data))
    if of is NUMBER and isinstance(data, int) and not isinstance(data, bool):
        return Value(of, data)
    raise CodecError(f"the state holds {type(data).__name__} where a {of.kind} is expected")


def _element_types(of: Type, count: int) -> Iterable[Type]:
    if isinstance(of, TupleType):
        return of.elements
    if isinstance(of, CollectionType):
        return [of.element] * count
    raise CodecError(f"a sequence where a {of.kind} is expected")


def _member_type(of: Type, name: str) -> Type:
    if isinstance(of, ObjectType):
        return of.attributes[name]
    if isinstance(of, CollectionType):
        return of.element
    raise CodecError(f"an object where a {of.kind} is expected")


def sensitive_paths(value: Value) -> list[list[Step]]:
    """Where the value is marked sensitive, outermost marks only."""
    if not value.deep_marks & SENSITIVE:
        return []
    if value.is_sensitive:
        return [[]]
    return [[step, *rest] for step, v in _members(value) for rest in sensitive_paths(v)]


def mark_paths(value: Value, paths: Iterable[Path]) -> Value:
    """The value marked sensitive at these paths; a path that is not there any more is ignored."""
    for path in paths:
        value = _mark(value, path)
    return value


def _mark(value: Value, path: Path) -> Value:
    if not path:
        return value.with_marks(SENSITIVE)
    step, rest = path[0], path[1:]
    data = value.data
    if isinstance(data, dict) and step in data:
        return Value(value.type, {**data, str(step): _mark(data[str(step)], rest)}, value.marks)
    if isinstance(data, tuple) and isinstance(step, int) and step < len(data):
        return Value(value.type, (*data[:step], _mark(data[step], rest), *data[step + 1 :]), value.marks)
    return value


def plan_value(value: Value) -> Any:
    """The known part: an unknown member of an object is left out, an unknown element of a list is null."""
    shown = _plan_value(value)
    return None if shown is _LEFT_OUT else shown


def _plan_value(value: Value) -> Any:
    if not value.is_known:
        return _LEFT_OUT
    data = value.data
    if isinstance(data, tuple):
        return [plan_value(v) for v in data]
    if isinstance(data, dict):
        members = {name: _plan_value(v) for name, v in data.items()}
        return {name: v for name, v in members.items() if v is not _LEFT_OUT}
    return to_python(value)


def plan_unknown(value: Value) -> Any:
    """``after_unknown``: true where nothing is known; known members of an object are left out."""
    return not value.is_known if _is_leaf(value) else _shape(value, plan_unknown)


def plan_sensitive(value: Value) -> Any:
    """``after_sensitive`` and ``before_sensitive``, in the same shape."""
    if not value.is_sensitive and not value.is_known:
        # Of an unknown object or list nothing is sensitive, but its shape is shown.
        return {} if is_mapping(value.type) else [] if is_sequence(value.type) else False
    if value.is_sensitive or _is_leaf(value):
        return value.is_sensitive
    return _shape(value, plan_sensitive)


def _is_leaf(value: Value) -> bool:
    return not isinstance(value.data, tuple | dict)


def _shape(value: Value, flag: Any) -> Any:
    if isinstance(value.data, tuple):
        return [flag(v) for v in value.data]
    members = {name: flag(v) for name, v in value.data.items()}
    return {name: v for name, v in members.items() if v is not False}


def secrets(value: Value) -> set[str]:
    """The texts that a log must not show because they are, or are part of, a sensitive value."""
    if not value.deep_marks & SENSITIVE:
        return set()
    if value.is_sensitive:
        return set(_texts(to_python(value.deeply_unmarked(), unknown_as=None)))
    return {text for _, member in _members(value) for text in secrets(member)}


def _texts(data: Any) -> Iterable[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield str(data)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
    elif isinstance(data, dict):
        for item in data.values():
            yield from _texts(item)


def _members(value: Value) -> Iterable[tuple[Step, Value]]:
    if isinstance(value.data, tuple):
        return enumerate(value.data)
    return value.data.items() if isinstance(value.data, dict) else ()
