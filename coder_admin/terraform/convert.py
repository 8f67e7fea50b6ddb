"""Conversion of values from type to type, as cty's convert package does it.

A conversion exists, or not, by the two types alone; `conversion` compiles it once per pair of types (bounded
cache) and it then runs over values. A safe conversion cannot fail on a value; the unsafe ones (string to
number, map to object, …) can. Unification is in `unify`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from .numbers import NumberError, parse_number
from .types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    CollectionType,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    collection_like,
    list_type,
    object_type,
    tuple_type,
    without_optional,
)
from .unify import unify
from .values import (
    FALSE,
    TRUE,
    UNREFINED,
    Refinement,
    Value,
    list_of,
    map_of,
    null,
    object_,
    set_of,
    to_text,
    tuple_,
    unknown,
)

Converter = Callable[[Value], Value]


class ConversionError(ValueError):
    """A value that does not fit a type. `path` leads from the value to the part that does not."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        steps = [f"element {step}" if isinstance(step, int) else f'attribute "{step}"' for step in self.path]
        return ": ".join([*steps, self.message])


def convert(value: Value, target: Type) -> Value:
    """The value converted to the type. ConversionError when it does not fit."""
    if target is DYNAMIC:
        return value
    source = value.type
    if source is target:
        return value
    converter = conversion(source, target)
    if converter is None:
        from .mismatch import mismatch

        message, path = mismatch(source, target)
        raise ConversionError(message, path)
    return converter(value)


@lru_cache(maxsize=4096)
def conversion(source: Type, target: Type, unsafe: bool = True) -> Converter | None:
    """The conversion between two types, None when there is none. `unsafe`: one that may fail."""
    if target is DYNAMIC or source is target:
        return _same
    inner = _known(source, target, unsafe)
    if inner is None:
        return None
    run = inner
    plain_target = without_optional(target)
    empty_type = dynamic_replaced(source, plain_target)

    def converter(value: Value) -> Value:
        data = value.data
        if data is None:
            result = null(empty_type)
        elif type(data) is Refinement:
            result = unknown(empty_type, _carried(data, value.type, empty_type))
        else:
            result = run(value)
        return result.with_marks(value.marks) if value.marks else result

    return converter


def _same(value: Value) -> Value:
    return value


def _carried(refinement: Refinement, source: Type, target: Type) -> Refinement:
    """What stays known of an unknown value once it is converted."""
    if refinement is UNREFINED:
        return UNREFINED
    low, high = refinement.min_length, refinement.max_length
    if not isinstance(target, CollectionType) or not isinstance(source, CollectionType):
        low, high = 0, None
    elif isinstance(target, SetType) and low > 1:
        low = 1  # elements may fall together
    return Refinement(not_null=refinement.not_null, min_length=low, max_length=high)


def _known(source: Type, target: Type, unsafe: bool) -> Converter | None:
    """The conversion for known, non-null, unmarked values."""
    if source is DYNAMIC:
        return (lambda value: convert(value, target)) if unsafe else None
    if target.is_primitive:
        return _primitive(source, target, unsafe)
    match target, source:
        case ObjectType(), ObjectType():
            return _object_to_object(source, target, unsafe)
        case ObjectType(), MapType():
            return _map_to_object(source, target) if unsafe else None
        case TupleType(), TupleType():
            return _tuple_to_tuple(source, target, unsafe)
        case CollectionType(), CollectionType() if (source.kind == "map") is (target.kind == "map"):
            if isinstance(target, SetType) and isinstance(source, ListType) and not unsafe:
                return None
            element = conversion(source.element, target.element, unsafe)
            return None if element is None else _collection(source, target, element)
        case ((ListType() | SetType()), TupleType()):
            return _members(source.elements, target, unsafe)
        case MapType(), ObjectType():
            return _members(tuple(source.attributes.values()), target, unsafe)
        case _:
            return None


def _primitive(source: Type, target: Type, unsafe: bool) -> Converter | None:
    if target is STRING and (source is NUMBER or source is BOOL):
        return lambda value: Value(STRING, to_text(value))
    if source is STRING and unsafe:
        return _to_number if target is NUMBER else _to_bool
    return None


def _to_number(value: Value) -> Value:
    try:
        return Value(NUMBER, parse_number(value.data))
    except NumberError as error:
        raise ConversionError(str(error)) from None


def _to_bool(value: Value) -> Value:
    match value.data:
        case "true" | "1":
            return TRUE
        case "false" | "0":
            return FALSE
        case "True" | "TRUE" as text:
            raise ConversionError(f'a bool is required; write "true" instead of "{text}"')
        case "False" | "FALSE" as text:
            raise ConversionError(f'a bool is required; write "false" instead of "{text}"')
        case _:
            raise ConversionError("a bool is required")


def _run(converter: Converter, value: Value, step: str | int) -> Value:
    try:
        return converter(value)
    except ConversionError as error:
        raise ConversionError(error.message, (step, *error.path)) from None


def _object_to_object(source: ObjectType, target: ObjectType, unsafe: bool) -> Converter | None:
    converters: dict[str, Converter] = {}
    defaults: dict[str, Value] = {}
    for name, wanted in target.attributes.items():
        have = source.attributes.get(name)
        if have is None:
            if name not in target.optional:
                return None
            defaults[name] = null(without_optional(wanted))
            continue
        converter = conversion(have, wanted, unsafe)
        if converter is None:
            return None
        converters[name] = converter

    def run(value: Value) -> Value:
        data = value.data
        found = {name: _run(converter, data[name], name) for name, converter in converters.items()}
        return object_(found | defaults)

    return run


def _map_to_object(source: MapType, target: ObjectType) -> Converter | None:
    converters: dict[str, Converter] = {}
    for name, wanted in target.attributes.items():
        converter = conversion(source.element, wanted, True)
        if converter is None:
            return None
        converters[name] = converter

    def run(value: Value) -> Value:
        found: dict[str, Value] = {}
        for name, converter in converters.items():
            element = value.data.get(name)
            if element is not None:
                found[name] = _run(converter, element, name)
            elif name in target.optional:
                found[name] = null(without_optional(target.attributes[name]))
            else:
                raise ConversionError(f'the map has no element "{name}", which is required')
        return object_(found)

    return run


def _tuple_to_tuple(source: TupleType, target: TupleType, unsafe: bool) -> Converter | None:
    if len(source.elements) != len(target.elements):
        return None
    converters: list[Converter] = []
    for have, wanted in zip(source.elements, target.elements, strict=True):
        converter = conversion(have, wanted, unsafe)
        if converter is None:
            return None
        converters.append(converter)

    def run(value: Value) -> Value:
        pairs = zip(converters, value.data, strict=True)
        return tuple_([_run(converter, element, index) for index, (converter, element) in enumerate(pairs)])

    return run


def _collection(source: CollectionType, target: CollectionType, element: Converter) -> Converter:
    """Between lists and sets, or between maps."""

    def run(value: Value) -> Value:
        if isinstance(value.data, dict):
            items = {key: _run(element, item, key) for key, item in value.data.items()}
            return _gathered(list(items.values()), target, source.element, list(items))
        if isinstance(source, SetType) and not set_length_known(value) and isinstance(target, ListType):
            return unknown(list_type(source.element))
        elements = [_run(element, item, index) for index, item in enumerate(value.data)]
        return _gathered(elements, target, source.element)

    return run


def set_length_known(value: Value) -> bool:
    """Whether the number of elements of a known set is known: unknown elements may turn out to be equal."""
    return len(value.data) < 2 or value.is_wholly_known


def _members(members: tuple[Type, ...], target: CollectionType, unsafe: bool) -> Converter | None:
    """From a tuple to a list or set, from an object to a map."""
    wanted = target.element
    if wanted is DYNAMIC and members:
        found = unify(members, unsafe)
        if found is None:
            return None
        wanted = found
    converters: list[Converter] = []
    for have in members:
        converter = conversion(have, wanted, unsafe)
        if converter is None:
            return None
        converters.append(converter)

    def run(value: Value) -> Value:
        data = value.data
        keys = list(data) if isinstance(data, dict) else None
        items: Sequence[Value] = list(data.values()) if isinstance(data, dict) else data
        steps: Sequence[str | int] = keys if keys is not None else range(len(items))
        done = [_run(c, item, step) for c, item, step in zip(converters, items, steps, strict=True)]
        return _gathered(done, target, wanted, keys)

    return run


def _gathered(
    elements: list[Value], target: CollectionType, fallback: Type, keys: list[str] | None = None
) -> Value:
    """The collection of converted elements; where the target leaves types open, they are unified."""
    wanted = without_optional(target.element)
    if not wanted.has_dynamic:
        of = wanted
    elif not elements:
        of = without_optional(fallback) if wanted is DYNAMIC else wanted
    else:
        elements, of = unified_elements(elements)
    if keys is not None:
        return map_of(dict(zip(keys, elements, strict=True)), of)
    return set_of(elements, of) if isinstance(target, SetType) else list_of(elements, of)


def unified_elements(elements: list[Value]) -> tuple[list[Value], Type]:
    """The elements converted to the one type they unify to, and that type. ConversionError: there is none.

    An element whose type is not known takes the type of the others.
    """
    kinds = {element.type for element in elements}
    kinds.discard(DYNAMIC)
    if not kinds:
        return elements, DYNAMIC
    if len(kinds) == 1:
        of: Type | None = kinds.pop()
    else:
        of = unify([element.type for element in elements if element.type is not DYNAMIC], True)
    if of is None:
        raise ConversionError("all elements must be of one type")
    return [convert(element, of) for element in elements], of


def dynamic_replaced(source: Type, target: Type) -> Type:
    """The target with what it leaves open taken from the source: the type that an unknown or null gets."""
    if source is DYNAMIC or not target.has_dynamic:
        return target
    match target, source:
        case _ if target is DYNAMIC:
            return source
        case ObjectType(), ObjectType():
            return object_type(
                {
                    name: dynamic_replaced(source.attributes.get(name, DYNAMIC), t)
                    for name, t in target.attributes.items()
                }
            )
        case ObjectType(), MapType():
            return object_type(
                {name: dynamic_replaced(source.element, t) for name, t in target.attributes.items()}
            )
        case TupleType(), TupleType() if len(source.elements) == len(target.elements):
            pairs = zip(source.elements, target.elements, strict=True)
            return tuple_type([dynamic_replaced(have, wanted) for have, wanted in pairs])
        case CollectionType(), CollectionType():
            return collection_like(target, dynamic_replaced(source.element, target.element))
        case (ListType() | SetType()) as wanted_type, TupleType():
            return _collection_of_members(wanted_type, source.elements)
        case MapType() as wanted_type, ObjectType():
            return _collection_of_members(wanted_type, tuple(source.attributes.values()))
        case _:
            return target


def _collection_of_members(target: CollectionType, members: tuple[Type, ...]) -> Type:
    element = unify(members, True) if members else None
    return collection_like(target, dynamic_replaced(element, target.element)) if element else target
