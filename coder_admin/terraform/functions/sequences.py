"""Lists and tuples: chunklist, compact, concat, distinct, element, flatten, index, length, one,
reverse, slice, sort, and the predicates alltrue, anytrue, contains."""

from __future__ import annotations

from collections.abc import Sequence

from ..convert import convert, set_length_known
from ..equality import UNKNOWN_BOOL, equals
from ..types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    CollectionType,
    ListType,
    SetType,
    TupleType,
    Type,
    list_type,
    tuple_type,
)
from ..unify import unify
from ..values import (
    DYNAMIC_UNKNOWN,
    FALSE,
    NOT_NULL,
    TRUE,
    Refinement,
    Value,
    list_of,
    null,
    number,
    tuple_,
    unknown,
)
from .graphemes import grapheme_count
from .numeric import int_argument
from .registry import FunctionContext, FunctionError, Parameter, function

_ANY_LIST = list_type(DYNAMIC)
_STRINGS = list_type(STRING)
_BOOLS = list_type(BOOL)


def is_list_like(value: Value) -> bool:
    """A list, set or tuple."""
    return isinstance(value.type, (ListType, SetType, TupleType))


@function("alltrue", Parameter("list", _BOOLS), returns=BOOL)
def _alltrue(args: Sequence[Value], context: FunctionContext) -> Value:
    result = TRUE
    for element in args[0].data:
        if not element.is_known:
            result = UNKNOWN_BOOL
        elif element.data is not True:
            return FALSE
    return result


@function("anytrue", Parameter("list", _BOOLS), returns=BOOL)
def _anytrue(args: Sequence[Value], context: FunctionContext) -> Value:
    result = FALSE
    for element in args[0].data:
        if not element.is_known:
            result = UNKNOWN_BOOL
        elif element.data is True:
            return TRUE
    return result


@function(
    "chunklist",
    Parameter("list", _ANY_LIST, marked=True),
    Parameter("size", NUMBER, marked=True),
    returns=lambda args: list_type(args[0].type),
)
def _chunklist(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    marks = given.marks | args[1].marks
    size = int_argument([given, args[1].unmarked()], 1)
    if size < 0:
        raise FunctionError("the size argument must be positive")
    items: tuple[Value, ...] = given.data
    if size == 0:
        chunks = [items] if items else []
    else:
        chunks = [items[at : at + size] for at in range(0, len(items), size)]
    return Value(list_type(given.type), tuple([Value(given.type, chunk) for chunk in chunks]), marks)


@function("compact", Parameter("list", _STRINGS), returns=_STRINGS)
def _compact(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args[0].is_wholly_known:
        return unknown(_STRINGS, NOT_NULL)
    return list_of([element for element in args[0].data if element.data], STRING)


def _concat_type(args: Sequence[Value]) -> Type:
    if all(isinstance(arg.type, ListType) for arg in args):
        of = unify([arg.type for arg in args], True)
        if of is not None:
            return of
    elements: list[Type] = []
    for index, arg in enumerate(args):
        of = arg.type
        if isinstance(of, TupleType):
            elements.extend(of.elements)
        elif isinstance(of, ListType):
            if not arg.is_known:
                return DYNAMIC
            elements.extend([of.element] * len(arg.data))
        else:
            raise FunctionError(f"all arguments must be lists or tuples; got {of}", index)
    return tuple_type(elements)


@function("concat", variadic=Parameter("seqs", DYNAMIC, unknown=True, marked=True), returns=_concat_type)
def _concat(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args:
        raise FunctionError("at least one argument is required")
    of = _concat_type(args)
    marks = 0
    items: list[Value] = []
    for arg in args:
        marks |= arg.marks
        if not arg.is_known:
            return unknown(of, NOT_NULL).with_marks(marks)
    for arg in args:
        items.extend(convert(arg, of).data if isinstance(of, ListType) else arg.data)
        context.budget.check_size(len(items))
    return Value(of, tuple(items), marks) if isinstance(of, ListType) else tuple_(items).with_marks(marks)


@function("contains", Parameter("list", DYNAMIC), Parameter("value", DYNAMIC), returns=BOOL)
def _contains(args: Sequence[Value], context: FunctionContext) -> Value:
    given, wanted = args
    if not is_list_like(given):
        raise FunctionError("argument must be list, tuple, or set")
    result = FALSE
    context.budget.spend(len(given.data))
    for element in given.data:
        same = equals(element, wanted)
        if same.data is True:
            return TRUE
        if not same.is_known:
            result = UNKNOWN_BOOL
    return result


@function("distinct", Parameter("list", _ANY_LIST), returns=lambda args: args[0].type)
def _distinct(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    if not given.is_wholly_known:
        return unknown(given.type, NOT_NULL)
    return Value(given.type, tuple(dict.fromkeys(given.data)))


def _element_type(args: Sequence[Value]) -> Type:
    of = args[0].type
    if isinstance(of, ListType):
        return of.element
    if isinstance(of, TupleType):
        if not of.elements:
            raise FunctionError("cannot use element function with an empty list")
        if not args[1].is_known:
            return DYNAMIC
        return of.elements[int_argument([args[0], args[1].unmarked()], 1) % len(of.elements)]
    raise FunctionError(f"cannot read elements from {of}")


@function(
    "element",
    Parameter("list", DYNAMIC, marked=True),
    Parameter("index", NUMBER),
    returns=_element_type,
    not_null=False,
)
def _element(args: Sequence[Value], context: FunctionContext) -> Value:
    _element_type(args)
    index = int_argument(args, 1)
    items: tuple[Value, ...] = args[0].data
    if not items:
        raise FunctionError("cannot use element function with an empty list")
    return items[index % len(items)].with_marks(args[0].marks)


@function("flatten", Parameter("list", DYNAMIC, marked=True), returns=DYNAMIC)
def _flatten(args: Sequence[Value], context: FunctionContext) -> Value:
    if not is_list_like(args[0]):
        if not args[0].is_wholly_known:
            return DYNAMIC_UNKNOWN.with_marks(args[0].marks)
        raise FunctionError("can only flatten lists, sets and tuples")
    items: list[Value] = []
    marks = args[0].marks
    complete = True
    stack = [iter(args[0].data)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
            continue
        context.budget.spend(1)
        if element.data is None or not (is_list_like(element) or element.type is DYNAMIC):
            items.append(element)
            continue
        marks |= element.marks
        if not element.is_known or (isinstance(element.type, SetType) and not set_length_known(element)):
            complete = False
        else:
            stack.append(iter(element.data))
    return (tuple_(items) if complete else DYNAMIC_UNKNOWN).with_marks(marks)


@function("index", Parameter("list", DYNAMIC), Parameter("value", DYNAMIC), returns=NUMBER)
def _index(args: Sequence[Value], context: FunctionContext) -> Value:
    given, wanted = args
    if not isinstance(given.type, (ListType, TupleType)):
        raise FunctionError("argument must be a list or tuple")
    if not given.data:
        raise FunctionError("cannot search an empty list")
    context.budget.spend(len(given.data))
    for position, element in enumerate(given.data):
        same = equals(element, wanted)
        if not same.is_known:
            return unknown(NUMBER, NOT_NULL)
        if same.data is True:
            return number(position)
    raise FunctionError("item not found")


@function("length", Parameter("value", DYNAMIC, unknown=True, dynamic=True, marked=True), returns=NUMBER)
def _length(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    of, data = given.type, given.data
    if isinstance(of, TupleType):
        return number(len(of.elements)).with_marks(given.marks)
    if of.kind == "object":
        return number(len(of.attributes)).with_marks(given.marks)  # type: ignore[attr-defined]
    if isinstance(data, Refinement):
        if not (of is STRING or of is DYNAMIC or isinstance(of, CollectionType)):
            raise _no_length()
        return unknown(NUMBER, _length_bounds(of, data)).with_marks(given.marks)
    if of is STRING:
        return number(grapheme_count(data)).with_marks(given.marks)
    if not isinstance(of, CollectionType):
        raise _no_length()
    if isinstance(of, SetType) and not set_length_known(given):
        fewest = len({e for e in data if e.is_wholly_known}) or 1
        return unknown(NUMBER, Refinement(not_null=True, lower=fewest, upper=len(data)))
    return number(len(data)).with_marks(given.marks)


def _no_length() -> FunctionError:
    return FunctionError("argument must be a string, a collection type, or a structural type")


def _length_bounds(of: Type, known: Refinement) -> Refinement:
    if of is STRING:
        return Refinement(not_null=True, lower=grapheme_count(known.prefix))
    if isinstance(of, CollectionType):
        return Refinement(not_null=True, lower=known.min_length, upper=known.max_length)
    return Refinement(not_null=True, lower=0)


@function("one", Parameter("list", DYNAMIC, unknown=True), returns=DYNAMIC, not_null=False)
def _one(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    of = given.type
    problem = FunctionError("must be a list, set, or tuple value with either zero or one elements", 0)
    if isinstance(of, TupleType):
        if len(of.elements) > 1:
            raise problem
        element: Type = of.elements[0] if of.elements else DYNAMIC
    elif isinstance(of, (ListType, SetType)):
        element = of.element
    else:
        raise problem
    if isinstance(given.data, Refinement):
        return unknown(element)
    if isinstance(of, SetType) and not set_length_known(given):
        return unknown(element)
    if len(given.data) > 1:
        raise problem
    return given.data[0] if given.data else null(element)


def _reversed_type(args: Sequence[Value]) -> Type:
    of = args[0].type
    if isinstance(of, TupleType):
        return tuple_type(reversed(of.elements))
    if isinstance(of, (ListType, SetType)):
        return list_type(of.element)
    raise FunctionError(f"can only reverse list or tuple values, not {of}", 0)


@function("reverse", Parameter("list", DYNAMIC, marked=True), returns=_reversed_type)
def _reverse(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    of = _reversed_type(args)
    if isinstance(given.type, SetType) and not set_length_known(given):
        return unknown(of, NOT_NULL).with_marks(given.marks)
    return Value(of, tuple(reversed(given.data)), given.marks)


def _slice_bounds(args: Sequence[Value], length: int | None) -> tuple[int, int]:
    start, end = int_argument(args, 1, blame=True), int_argument(args, 2, blame=True)
    if start < 0:
        raise FunctionError("start index must not be less than zero", 1)
    if length is not None and start > length:
        raise FunctionError("start index must not be greater than the length of the list", 1)
    if length is not None and end > length:
        raise FunctionError("end index must not be greater than the length of the list", 2)
    if start > end:
        raise FunctionError("start index must not be greater than end index", 1)
    return start, end


def _slice_type(args: Sequence[Value]) -> Type:
    of = args[0].type
    if isinstance(of, ListType):
        return of
    if isinstance(of, TupleType):
        if not (args[1].is_known and args[2].is_known):
            return DYNAMIC
        start, end = _slice_bounds(args, len(of.elements))
        return tuple_type(of.elements[start:end])
    raise FunctionError("must be a list or tuple value", 0)


@function(
    "slice",
    Parameter("list", DYNAMIC, marked=True),
    Parameter("start_index", NUMBER),
    Parameter("end_index", NUMBER),
    returns=_slice_type,
)
def _slice(args: Sequence[Value], context: FunctionContext) -> Value:
    if not isinstance(args[0].type, (ListType, TupleType)):
        raise FunctionError("must be a list or tuple value", 0)
    given = args[0]
    start, end = _slice_bounds(args, len(given.data))
    items = given.data[start:end]
    of = given.type if isinstance(given.type, ListType) else None
    return (Value(of, items) if of else tuple_(items)).with_marks(given.marks)


@function("sort", Parameter("list", _STRINGS), returns=_STRINGS)
def _sort(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args[0].is_wholly_known:
        return list_of([unknown(STRING, NOT_NULL)] * len(args[0].data), STRING)
    for position, element in enumerate(args[0].data):
        if element.data is None:
            raise FunctionError(f"given list element {position} is null; a null string cannot be sorted")
    context.budget.spend(len(args[0].data))
    return list_of(sorted(args[0].data, key=_text), STRING)


def _text(value: Value) -> str:
    text: str = value.data
    return text
