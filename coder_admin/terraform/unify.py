"""The one type that several types convert to, as cty's convert.Unify finds it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from .types import (
    DYNAMIC,
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
    map_type,
    object_type,
    tuple_type,
)


def unify(types: Sequence[Type], unsafe: bool = True) -> Type | None:
    """The type that all of these convert to, or None. `unsafe`: conversions that may fail count as well.

    Objects and tuples of different shapes unify as maps and lists. Beside objects, tuples or collections, a
    type that is not known leaves the result unknown (DYNAMIC).
    """
    distinct = tuple(dict.fromkeys(types))
    if len(distinct) < 2:
        return distinct[0] if distinct else None
    return _unified(distinct, unsafe)


@lru_cache(maxsize=2048)
def _unified(types: tuple[Type, ...], unsafe: bool) -> Type | None:
    kinds = {t.kind for t in types}
    dynamic = "dynamic" in kinds
    kinds.discard("dynamic")
    if len(kinds) == 1:
        first = next(t for t in types if t is not DYNAMIC)
        if isinstance(first, (CollectionType, ObjectType, TupleType)):
            return DYNAMIC if dynamic else _same_kind(types, first, unsafe)
    mixed = None
    if kinds in ({"map", "object"}, {"list", "tuple"}):
        mixed = _structures_as_collection(types, unsafe)
    elif {"object", "tuple"} <= kinds:
        return None
    return mixed or _preferred(types, unsafe)


def _same_kind(types: tuple[Type, ...], first: Type, unsafe: bool) -> Type | None:
    if isinstance(first, ObjectType):
        return _objects([t for t in types if isinstance(t, ObjectType)], unsafe)
    if isinstance(first, TupleType):
        return _tuples([t for t in types if isinstance(t, TupleType)], unsafe)
    collections = [t for t in types if isinstance(t, CollectionType)]
    element = unify([t.element for t in collections], unsafe)
    if element is None:
        return None
    return _if_reachable(types, collection_like(collections[0], element), unsafe)


def _if_reachable(types: Sequence[Type], target: Type, unsafe: bool) -> Type | None:
    from .convert import conversion

    reachable = all(t is target or conversion(t, target, unsafe) is not None for t in types)
    return target if reachable else None


def _objects(types: list[ObjectType], unsafe: bool) -> Type | None:
    names = types[0].attributes.keys()
    if any(t.attributes.keys() != names for t in types):
        return _as_map(types, unsafe)
    attributes: dict[str, Type] = {}
    for name in names:
        found = unify([t.attributes[name] for t in types], unsafe)
        if found is None:
            return None
        attributes[name] = found
    return _if_reachable(types, object_type(attributes), unsafe) or _as_map(types, unsafe)


def _as_map(types: Sequence[ObjectType], unsafe: bool) -> Type | None:
    element = unify([a for t in types for a in t.attributes.values()], unsafe)
    return None if element is None else _if_reachable(types, map_type(element), unsafe)


def _tuples(types: list[TupleType], unsafe: bool) -> Type | None:
    length = len(types[0].elements)
    if any(len(t.elements) != length for t in types):
        return _as_list(types, unsafe)
    elements: list[Type] = []
    for index in range(length):
        found = unify([t.elements[index] for t in types], unsafe)
        if found is None:
            return None
        elements.append(found)
    return _if_reachable(types, tuple_type(elements), unsafe) or _as_list(types, unsafe)


def _as_list(types: Sequence[TupleType], unsafe: bool) -> Type | None:
    element = unify([e for t in types for e in t.elements], unsafe)
    return None if element is None else _if_reachable(types, list_type(element), unsafe)


def _structures_as_collection(types: tuple[Type, ...], unsafe: bool) -> Type | None:
    """Objects beside maps unify as maps, tuples beside lists as lists, where their members allow it."""
    objects = [t for t in types if isinstance(t, ObjectType)]
    tuples = [t for t in types if isinstance(t, TupleType)]
    found = _as_map(objects, unsafe) if objects else _as_list(tuples, unsafe)
    if found is None:
        return None
    rest = [t for t in types if not isinstance(t, (ObjectType, TupleType))]
    result = unify([*rest, found], unsafe)
    return result if isinstance(result, (MapType, ListType)) else None


def _preferred(types: tuple[Type, ...], unsafe: bool) -> Type | None:
    """The first of the types, most general first, that all others convert to."""
    for candidate in sorted(types, key=_generality):
        if _if_reachable(types, candidate, unsafe):
            return candidate
    return None


def _generality(of: Type) -> tuple[int, int]:
    """Strings before other primitives, collections before the structures they hold, unknown types last."""
    if of is DYNAMIC:
        return 9, 0
    if isinstance(of, CollectionType):
        depth = _generality(of.element)[0]
        return (1 if isinstance(of, SetType) else 0), depth
    return (0 if of is STRING else 2), 0
