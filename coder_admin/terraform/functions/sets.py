"""Sets: setintersection, setproduct, setsubtract, setunion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from ..convert import ConversionError, convert, set_length_known
from ..types import DYNAMIC, ListType, SetType, TupleType, Type, list_type, set_type, tuple_type
from ..unify import unify
from ..values import NOT_NULL, Value, list_of, set_of, tuple_, unknown
from .registry import FunctionContext, FunctionError, Parameter, function

_ANY_SET = set_type(DYNAMIC)


def _common_type(args: Sequence[Value]) -> Type:
    """The set type that all arguments convert to; empty sets of no particular type do not count."""
    types = [arg.type for arg in args if not (arg.is_known and not arg.data and _is_open(arg.type))]
    of = unify(types or [args[0].type])
    if of is None or (_is_open(of) and not all(map(_is_open, types))):
        raise FunctionError("given sets must all have compatible element types")
    return of


def _is_open(of: Type) -> bool:
    return isinstance(of, SetType) and of.element is DYNAMIC


def _ready(args: Sequence[Value], of: Type) -> list[Value]:
    try:
        return [convert(arg, of) for arg in args]
    except ConversionError as error:
        raise FunctionError(str(error)) from None


Combine = Callable[[Sequence[Sequence[Value]]], list[Value]]


def _combination(name: str, combine: Combine, *, fixed: bool = False) -> None:
    first = Parameter("a" if fixed else "first_set", _ANY_SET, unknown=True)
    other = Parameter("b" if fixed else "other_sets", _ANY_SET, unknown=True)

    def call(args: Sequence[Value], context: FunctionContext) -> Value:
        of = _common_type(args)
        if any(not arg.is_wholly_known for arg in args):
            return unknown(of, NOT_NULL)
        sets = _ready(args, of)
        context.budget.spend(sum(len(one.data) for one in sets))
        element = of.element if isinstance(of, SetType) else DYNAMIC
        return set_of(combine([one.data for one in sets]), element)

    if fixed:
        function(name, first, other, returns=_common_type)(call)
    else:
        function(name, first, variadic=other, returns=_common_type)(call)


def _union(sets: Sequence[Sequence[Value]]) -> list[Value]:
    return [element for one in sets for element in one]


def _intersection(sets: Sequence[Sequence[Value]]) -> list[Value]:
    common = set(sets[0]).intersection(*sets[1:])
    return [element for element in sets[0] if element in common]


def _difference(sets: Sequence[Sequence[Value]]) -> list[Value]:
    without = set(sets[1])
    return [element for element in sets[0] if element not in without]


_combination("setunion", _union)
_combination("setintersection", _intersection)
_combination("setsubtract", _difference, fixed=True)


def _product_type(args: Sequence[Value]) -> Type:
    if len(args) < 2:
        raise FunctionError("at least two arguments are required")
    elements: list[Type] = []
    any_set = False
    for index, arg in enumerate(args):
        of = arg.type
        if isinstance(of, (ListType, SetType)):
            elements.append(of.element)
            any_set = any_set or isinstance(of, SetType)
        elif isinstance(of, TupleType):
            common = unify(of.elements) if of.elements else DYNAMIC
            if common is None:
                raise FunctionError("all elements must be of the same type", index)
            elements.append(common)
        else:
            raise FunctionError("a set or a list is required", index)
    row = tuple_type(elements)
    return set_type(row) if any_set else list_type(row)


@function("setproduct", variadic=Parameter("sets", DYNAMIC, marked=True), returns=_product_type)
def _setproduct(args: Sequence[Value], context: FunctionContext) -> Value:
    of = _product_type(args)
    row = of.element  # type: ignore[attr-defined]
    marks = 0
    total = 1
    columns: list[list[Value]] = []
    for arg, element in zip(args, row.elements, strict=True):
        marks |= arg.marks
        if isinstance(arg.type, SetType) and not set_length_known(arg):
            return unknown(of, NOT_NULL).with_marks(marks)
        columns.append([convert(item, element) for item in arg.data])
        total *= len(arg.data)
    context.budget.check_size(total * len(args))
    context.budget.spend(total)
    rows = [tuple_(cells) for cells in product(*columns)]
    result = set_of(rows, row) if isinstance(of, SetType) else list_of(rows, row)
    return result.with_marks(marks)
