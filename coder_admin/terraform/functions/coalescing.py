"""The first value that is there: coalesce, coalescelist."""

from __future__ import annotations

from collections.abc import Sequence

from ..convert import ConversionError, convert
from ..types import DYNAMIC, STRING, ListType, TupleType
from ..unify import unify
from ..values import NOT_NULL, Value, unknown
from .registry import FunctionContext, FunctionError, Parameter, function


@function(
    "coalesce", variadic=Parameter("vals", DYNAMIC, null=True, unknown=True, dynamic=True), returns=DYNAMIC
)
def _coalesce(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args:
        raise FunctionError("at least one argument is required")
    of = unify([arg.type for arg in args], True)
    if of is None:
        raise FunctionError("all arguments must have the same type")
    for arg in args:
        try:
            value = convert(arg, of)
        except ConversionError:
            continue  # as if it were null, which is what cty does
        if not value.is_known:
            return unknown(of, NOT_NULL)
        if value.data is None or (of is STRING and value.data == ""):
            continue
        return value
    raise FunctionError("no non-null, non-empty-string arguments")


@function(
    "coalescelist",
    variadic=Parameter("vals", DYNAMIC, null=True, unknown=True, dynamic=True),
    returns=DYNAMIC,
)
def _coalescelist(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args:
        raise FunctionError("at least one argument is required")
    types = {arg.type for arg in args}
    for arg in args:
        if not arg.is_known:
            break
        if not isinstance(arg.type, (ListType, TupleType)):
            raise FunctionError("coalescelist arguments must be lists or tuples")
    for arg in args:
        if not arg.is_known:
            return unknown(types.pop() if len(types) == 1 else DYNAMIC)
        if arg.data:
            return arg
    raise FunctionError("no non-null arguments, or all lists are empty")
