"""Maps and objects: keys, lookup, matchkeys, merge, transpose, values, zipmap."""

from __future__ import annotations

from collections.abc import Sequence

from ..convert import ConversionError, convert
from ..equality import equals
from ..types import (
    DYNAMIC,
    STRING,
    MapType,
    ObjectType,
    TupleType,
    Type,
    list_type,
    map_type,
    object_type,
    tuple_type,
)
from ..unify import unify
from ..values import (
    DYNAMIC_UNKNOWN,
    EMPTY_OBJECT,
    NOT_NULL,
    Value,
    list_of,
    map_of,
    object_,
    string,
    tuple_,
    unknown,
)
from .registry import FunctionContext, FunctionError, Parameter, function

_ANY_LIST = list_type(DYNAMIC)
_STRINGS = list_type(STRING)
_STRING_LISTS = map_type(_STRINGS)


def _keys_type(args: Sequence[Value]) -> Type:
    of = args[0].type
    if isinstance(of, MapType):
        return _STRINGS
    if isinstance(of, ObjectType):
        return tuple_type([STRING] * len(of.attributes))
    raise FunctionError("must have map or object type", 0)


@function("keys", Parameter("inputMap", DYNAMIC, unknown=True, marked=True), returns=_keys_type)
def _keys(args: Sequence[Value], context: FunctionContext) -> Value:
    given = args[0]
    of = _keys_type(args)
    if isinstance(given.type, ObjectType):
        return tuple_([string(name) for name in given.type.attributes]).with_marks(given.marks)
    if not given.is_known:
        return unknown(of, NOT_NULL).with_marks(given.marks)
    return list_of([string(key) for key in given.data], STRING).with_marks(given.marks)


def _values_type(args: Sequence[Value]) -> Type:
    of = args[0].type
    if isinstance(of, MapType):
        return list_type(of.element)
    if isinstance(of, ObjectType):
        return tuple_type(of.attributes.values())
    raise FunctionError("values() requires a map as the first argument")


@function("values", Parameter("mapping", DYNAMIC, marked=True), returns=_values_type)
def _values(args: Sequence[Value], context: FunctionContext) -> Value:
    return Value(_values_type(args), tuple(args[0].data.values()), args[0].marks)


def _lookup_type(args: Sequence[Value]) -> Type:
    if len(args) > 3:
        raise FunctionError(f"lookup() takes two or three arguments, got {len(args)}")
    of = args[0].type
    if isinstance(of, ObjectType):
        if not args[1].is_known:
            return DYNAMIC
        if args[1].data in of.attributes:
            return of.attributes[args[1].data]
        if len(args) == 3:
            return args[2].type
        raise FunctionError(f'the given object has no attribute "{args[1].data}"', 0)
    if not isinstance(of, MapType):
        raise FunctionError("lookup() requires a map as the first argument", 0)
    if (
        len(args) == 3
        and unify([of.element, args[2].type]) is not of.element
        and args[2].type is not of.element
    ):
        try:
            fits = convert(args[2].unmarked(), of.element) is not None and _same_shape(args[2], of.element)
        except ConversionError:
            fits = False
        if not fits:
            raise FunctionError("the default value must have the same type as the map elements", 2)
    return of.element


def _same_shape(value: Value, of: Type) -> bool:
    return value.data is None or value.type.is_primitive or value.type is DYNAMIC or of is DYNAMIC


@function(
    "lookup",
    Parameter("inputMap", DYNAMIC, marked=True),
    Parameter("key", STRING, marked=True),
    variadic=Parameter("default", DYNAMIC, null=True, unknown=True, dynamic=True, marked=True),
    returns=_lookup_type,
    not_null=False,
)
def _lookup(args: Sequence[Value], context: FunctionContext) -> Value:
    of = _lookup_type(args)
    given, key = args[0], args[1]
    marks = given.marks | key.marks
    found: Value | None = given.data.get(key.data)
    if found is not None:
        return found.with_marks(marks)
    if len(args) < 3:
        raise FunctionError(
            f'the given object has no attribute "{key.data}"'
            if given.type.kind == "object"
            else f'lookup failed to find key "{key.data}"'
        )
    try:
        return convert(args[2], of).with_marks(marks)
    except ConversionError as error:
        raise FunctionError(str(error), 2) from None


def _match_type(args: Sequence[Value]) -> Type:
    """The type in which keys are compared."""
    of = unify([args[1].type, args[2].type])
    if of is None:
        raise FunctionError("keys and searchset must be of the same type")
    return of


@function(
    "matchkeys",
    Parameter("values", _ANY_LIST),
    Parameter("keys", _ANY_LIST),
    Parameter("searchset", _ANY_LIST),
    returns=lambda args: (_match_type(args), args[0].type)[1],
)
def _matchkeys(args: Sequence[Value], context: FunctionContext) -> Value:
    values, keys, wanted = args
    of = _match_type(args)
    if len(keys.data) != len(values.data):
        raise FunctionError("length of keys and values should be equal")
    keys, wanted = convert(keys, of), convert(wanted, of)
    context.budget.spend(len(keys.data) * len(wanted.data))
    found: list[Value] = []
    for value, key in zip(values.data, keys.data, strict=True):
        for candidate in wanted.data:
            same = equals(key, candidate)
            if not same.is_known:
                return unknown(values.type, NOT_NULL)
            if same.data is True:
                found.append(value)
                break
    return Value(values.type, tuple(found))


@function(
    "merge",
    variadic=Parameter("maps", DYNAMIC, null=True, unknown=True, dynamic=True, marked=True),
    returns=DYNAMIC,
)
def _merge(args: Sequence[Value], context: FunctionContext) -> Value:
    marks = 0
    known, dynamic = True, False
    for arg in args:
        marks |= arg.marks
        if arg.type is DYNAMIC:
            dynamic = dynamic or not arg.is_known
        elif not isinstance(arg.type, (MapType, ObjectType)):
            raise FunctionError(f'arguments must be maps or objects, got "{arg.type}"')
        known = known and arg.is_known
    if not known:
        return (DYNAMIC_UNKNOWN if dynamic else unknown(_merged_type(args), NOT_NULL)).with_marks(marks)
    found: dict[str, Value] = {}
    present = [arg for arg in args if arg.data is not None]
    for arg in present:
        found.update(arg.data)
    context.budget.check_size(len(found))
    typed = [arg for arg in args if arg.type is not DYNAMIC]
    kinds = {arg.type for arg in typed}
    if len(kinds) == 1 and isinstance(only := kinds.pop(), MapType):
        return map_of(found, only.element).with_marks(marks)
    return object_(found).with_marks(marks) if found else EMPTY_OBJECT.with_marks(marks)


def _merged_type(args: Sequence[Value]) -> Type:
    types = {arg.type for arg in args if arg.type is not DYNAMIC}
    if len(types) == 1:
        return types.pop()
    attributes: dict[str, Type] = {}
    for arg in args:
        if isinstance(arg.type, ObjectType):
            if arg.data is not None:
                attributes.update(arg.type.attributes)
        elif isinstance(arg.type, MapType):
            if not arg.is_known:
                return DYNAMIC
            attributes.update(dict.fromkeys(arg.data or {}, arg.type.element))
    return object_type(attributes)


@function("transpose", Parameter("values", _STRING_LISTS), returns=_STRING_LISTS)
def _transpose(args: Sequence[Value], context: FunctionContext) -> Value:
    if not args[0].is_wholly_known:
        return unknown(_STRING_LISTS, NOT_NULL)
    found: dict[str, list[str]] = {}
    for key, names in args[0].data.items():
        if names.data is None:
            raise FunctionError("the map must not contain null lists")
        for name in names.data:
            if name.data is None:
                raise FunctionError("input list must not contain null string")
            found.setdefault(name.data, []).append(key)
    lists = {name: list_of([string(key) for key in sorted(keys)], STRING) for name, keys in found.items()}
    return map_of(lists, _STRINGS)


def _zipmap_type(args: Sequence[Value]) -> Type:
    keys, values = args
    if isinstance(values.type, TupleType):
        if not keys.is_known or not keys.is_wholly_known:
            return DYNAMIC
        if len(keys.data) != len(values.type.elements):
            raise _unequal(len(keys.data), len(values.type.elements))
        pairs = zip([key.data for key in keys.data], values.type.elements, strict=True)
        return object_type(dict(pairs))
    if values.type.kind == "list":
        return map_type(values.type.element)  # type: ignore[attr-defined]
    raise FunctionError("values argument must be a list or tuple value")


def _unequal(keys: int, values: int) -> FunctionError:
    return FunctionError(f"number of keys ({keys}) does not match number of values ({values})")


@function(
    "zipmap",
    Parameter("keys", _STRINGS, marked=True),
    Parameter("values", DYNAMIC, marked=True),
    returns=_zipmap_type,
)
def _zipmap(args: Sequence[Value], context: FunctionContext) -> Value:
    keys, values = args
    marks = keys.marks | values.marks
    if values.type.kind not in ("list", "tuple"):
        raise FunctionError("values argument must be a list or tuple value")
    for position, key in enumerate(keys.data):
        marks |= key.marks
        if key.data is None:
            raise FunctionError(f"the key at position {position} is null")
    if len(keys.data) != len(values.data):
        raise _unequal(len(keys.data), len(values.data))
    if not keys.is_wholly_known:
        return unknown(_zipmap_type(args), NOT_NULL).with_marks(marks)
    found = dict(zip([key.data for key in keys.data], values.data, strict=True))
    if isinstance(values.type, TupleType):
        return object_(found).with_marks(marks)
    return map_of(found, values.type.element).with_marks(marks)  # type: ignore[attr-defined]
