"""Type conversion (tobool, tolist, tomap, tonumber, toset, tostring) and marks (sensitive and the like)."""

from __future__ import annotations

from collections.abc import Sequence

from ..convert import ConversionError, conversion, convert
from ..types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    CollectionType,
    Type,
    friendly_name,
    list_type,
    map_type,
    set_type,
)
from ..values import EPHEMERAL, FALSE, SENSITIVE, TRUE, Value, null, unknown
from .registry import FunctionContext, FunctionError, Parameter, function

_HINTS = {
    NUMBER: "given string must be a decimal representation of a number",
    BOOL: 'only the strings "true" or "false" are allowed',
}


def _conversion(name: str, target: Type) -> None:
    @function(
        name,
        Parameter("v", DYNAMIC, null=True, unknown=True, dynamic=True, marked=True),
        returns=target,
        not_null=False,
    )
    def _call(args: Sequence[Value], context: FunctionContext) -> Value:
        given = args[0]
        if conversion(given.type, target) is None:
            raise FunctionError(f"cannot convert {friendly_name(given.type)} to {_wanted(target)}", 0)
        try:
            return convert(given, target)
        except ConversionError as error:
            raise FunctionError(_failure(given, target, error), 0) from None


def _wanted(target: Type) -> str:
    return (
        f"{target.kind} of any single type" if isinstance(target, CollectionType) else friendly_name(target)
    )


def _failure(given: Value, target: Type, error: ConversionError) -> str:
    if given.type is STRING and target in _HINTS:
        shown = "this sensitive string" if given.marks else f'"{given.data}"'
        return f"cannot convert {shown} to {friendly_name(target)}; {_HINTS[target]}"
    return str(error)


_conversion("tobool", BOOL)
_conversion("tolist", list_type(DYNAMIC))
_conversion("tomap", map_type(DYNAMIC))
_conversion("tonumber", NUMBER)
_conversion("toset", set_type(DYNAMIC))
_conversion("tostring", STRING)

_ANY = Parameter("value", DYNAMIC, null=True, unknown=True, dynamic=True, marked=True)


@function("sensitive", _ANY)
def _sensitive(args: Sequence[Value], context: FunctionContext) -> Value:
    return args[0].with_marks(SENSITIVE)


@function("nonsensitive", _ANY)
def _nonsensitive(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    return given.unmarked().with_marks(given.marks & ~SENSITIVE)


@function("issensitive", _ANY, returns=BOOL)
def _issensitive(args: Sequence[Value], context: FunctionContext) -> Value:
    if args[0].is_sensitive:
        return TRUE
    return FALSE if args[0].is_known else unknown(BOOL)


@function("ephemeralasnull", _ANY)
def _ephemeralasnull(args: Sequence[Value], context: FunctionContext) -> Value:
    return _without_ephemeral(args[0])


def _without_ephemeral(value: Value) -> Value:
    if not value.deep_marks & EPHEMERAL:
        return value
    if value.marks & EPHEMERAL:
        return null(value.type).with_marks(value.marks & ~EPHEMERAL)
    if isinstance(value.data, dict):
        parts = {name: _without_ephemeral(element) for name, element in value.data.items()}
        return Value(value.type, parts, value.marks)
    return Value(value.type, tuple([_without_ephemeral(element) for element in value.data]), value.marks)


def _retired(name: str, instead: str) -> None:
    @function(name, variadic=Parameter("vals", DYNAMIC, null=True, unknown=True, dynamic=True))
    def _call(args: Sequence[Value], context: FunctionContext) -> Value:
        raise FunctionError(f'Terraform has not had the "{name}" function since 0.12; {instead}')


_retired("list", "write tolist([ … ]) for a list")
_retired("map", "write tomap({ … }) for a map")
