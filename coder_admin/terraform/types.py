"""The types of Terraform's language, as cty defines them.

Every type is interned: two equal types are the same object, so `is` compares types in constant time, and
building a type that already exists allocates nothing that stays. Object and tuple types are held weakly; the
table forgets a type when no value uses it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final
from weakref import WeakValueDictionary


class Type:
    """A type. Compare with `is`; `kind` names the sort of type ("string", "list", "object", …)."""

    __slots__ = ("__weakref__", "_as_list", "_as_map", "_as_set", "has_dynamic")
    kind: ClassVar[str] = ""
    is_primitive: ClassVar[bool] = False
    is_collection: ClassVar[bool] = False  # list, set, map

    has_dynamic: bool  # any type stands somewhere inside
    _as_list: ListType | None
    _as_set: SetType | None
    _as_map: MapType | None

    def __init__(self) -> None:
        self.has_dynamic = False
        self._as_list = self._as_set = self._as_map = None

    def __reduce__(self) -> Any:
        return type_from_json, (type_to_json(self),)

    def __copy__(self) -> Type:
        return self

    def __deepcopy__(self, memo: object) -> Type:
        return self

    def __str__(self) -> str:
        return friendly_name(self)

    def __repr__(self) -> str:
        return f"<type {constraint_text(self)}>"


@final
class PrimitiveType(Type):
    """string, number or bool."""

    __slots__ = ("kind",)
    is_primitive = True
    kind: str  # type: ignore[misc]

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


@final
class DynamicType(Type):
    """The type of a value whose type is not known yet; as a constraint, `any`."""

    __slots__ = ()
    kind = "dynamic"

    def __init__(self) -> None:
        super().__init__()
        self.has_dynamic = True


class CollectionType(Type):
    """A list, set or map: any number of elements of one type."""

    __slots__ = ("element",)
    is_collection = True
    element: Type

    def __init__(self, element: Type) -> None:
        super().__init__()
        self.element = element
        self.has_dynamic = element.has_dynamic


@final
class ListType(CollectionType):
    __slots__ = ()
    kind = "list"


@final
class SetType(CollectionType):
    __slots__ = ()
    kind = "set"


@final
class MapType(CollectionType):
    __slots__ = ()
    kind = "map"


@final
class TupleType(Type):
    """A fixed sequence of elements, each of its own type."""

    __slots__ = ("elements",)
    kind = "tuple"
    elements: tuple[Type, ...]

    def __init__(self, elements: tuple[Type, ...]) -> None:
        super().__init__()
        self.elements = elements
        self.has_dynamic = any(t.has_dynamic for t in elements)


@final
class ObjectType(Type):
    """Named attributes, each of its own type, in the order of their names.

    `optional` names the attributes that a value may leave out; only type constraints have some, never the
    type of a value.
    """

    __slots__ = ("attributes", "optional")
    kind = "object"
    attributes: dict[str, Type]
    optional: frozenset[str]

    def __init__(self, attributes: dict[str, Type], optional: frozenset[str]) -> None:
        super().__init__()
        self.attributes = attributes
        self.optional = optional
        self.has_dynamic = any(t.has_dynamic for t in attributes.values())


STRING = PrimitiveType("string")
NUMBER = PrimitiveType("number")
BOOL = PrimitiveType("bool")
DYNAMIC = DynamicType()

_lock = threading.Lock()
_tuples: WeakValueDictionary[tuple[Type, ...], TupleType] = WeakValueDictionary()
_objects: WeakValueDictionary[tuple[Any, ...], ObjectType] = WeakValueDictionary()


def list_type(element: Type) -> ListType:
    """The type of lists whose elements are `element`."""
    found = element._as_list
    if found is None:
        with _lock:
            found = element._as_list
            if found is None:
                found = element._as_list = ListType(element)
    return found


def set_type(element: Type) -> SetType:
    """The type of sets whose elements are `element`."""
    found = element._as_set
    if found is None:
        with _lock:
            found = element._as_set
            if found is None:
                found = element._as_set = SetType(element)
    return found


def map_type(element: Type) -> MapType:
    """The type of maps from string to `element`."""
    found = element._as_map
    if found is None:
        with _lock:
            found = element._as_map
            if found is None:
                found = element._as_map = MapType(element)
    return found


def tuple_type(elements: Iterable[Type]) -> TupleType:
    """The type of tuples with exactly these element types."""
    key = tuple(elements)
    found = _tuples.get(key)
    if found is None:
        with _lock:
            found = _tuples.get(key)
            if found is None:
                found = _tuples[key] = TupleType(key)
    return found


def object_type(attributes: Mapping[str, Type], optional: Iterable[str] = ()) -> ObjectType:
    """The type of objects with exactly these attributes (names must be NFC already)."""
    items = sorted(attributes.items(), key=_first) if len(attributes) > 1 else list(attributes.items())
    spare = frozenset(optional)
    key = (*items, spare) if spare else tuple(items)
    found = _objects.get(key)
    if found is None:
        with _lock:
            found = _objects.get(key)
            if found is None:
                found = _objects[key] = ObjectType(dict(items), spare)
    return found


def _first(item: tuple[str, Type]) -> str:
    return item[0]


EMPTY_TUPLE_TYPE = tuple_type(())
EMPTY_OBJECT_TYPE = object_type({})

_PRIMITIVES: dict[str, Type] = {"string": STRING, "number": NUMBER, "bool": BOOL, "dynamic": DYNAMIC}


def without_optional(of: Type) -> Type:
    """The type with no attribute optional any more: the type that values of the constraint have."""
    match of:
        case CollectionType():
            element = without_optional(of.element)
            return of if element is of.element else collection_like(of, element)
        case TupleType():
            return tuple_type(without_optional(t) for t in of.elements)
        case ObjectType():
            return object_type({name: without_optional(t) for name, t in of.attributes.items()})
        case _:
            return of


def collection_like(of: CollectionType, element: Type) -> CollectionType:
    """The same sort of collection with another element type."""
    if isinstance(of, ListType):
        return list_type(element)
    return set_type(element) if isinstance(of, SetType) else map_type(element)


def type_to_json(of: Type) -> Any:
    """cty's JSON form: "string", ["list", "string"], ["object", {…}], ["object", {…}, [optional…]]."""
    match of:
        case CollectionType():
            return [of.kind, type_to_json(of.element)]
        case TupleType():
            return ["tuple", [type_to_json(t) for t in of.elements]]
        case ObjectType():
            attributes = {name: type_to_json(t) for name, t in of.attributes.items()}
            return ["object", attributes, sorted(of.optional)] if of.optional else ["object", attributes]
        case _:
            return of.kind


def type_from_json(data: Any) -> Type:
    """The type that cty's JSON form names. ValueError for anything else."""
    match data:
        case str() if data in _PRIMITIVES:
            return _PRIMITIVES[data]
        case ["list", element]:
            return list_type(type_from_json(element))
        case ["set", element]:
            return set_type(type_from_json(element))
        case ["map", element]:
            return map_type(type_from_json(element))
        case ["tuple", list(elements)]:
            return tuple_type(type_from_json(t) for t in elements)
        case ["object", dict(attributes), *rest]:
            optional = rest[0] if rest else ()
            return object_type({name: type_from_json(t) for name, t in attributes.items()}, optional)
        case _:
            raise ValueError(f"not a type in JSON form: {data!r}")


def friendly_name(of: Type) -> str:
    """The type as Terraform's messages name it: "list of string", "object", "tuple", "dynamic"."""
    if isinstance(of, CollectionType):
        return f"{of.kind} of {friendly_name(of.element)}"
    return of.kind


def constraint_name(of: Type) -> str:
    """The type as a message names it where something is required: `any` reads "any type"."""
    if isinstance(of, CollectionType):
        return f"{of.kind} of {constraint_name(of.element)}"
    return "any type" if of is DYNAMIC else of.kind


def constraint_text(of: Type) -> str:
    """The type as a template writes it: `map(object({a=string,b=optional(number)}))`."""
    match of:
        case CollectionType():
            return f"{of.kind}({constraint_text(of.element)})"
        case TupleType():
            return f"tuple([{','.join(constraint_text(t) for t in of.elements)}])"
        case ObjectType():
            parts = []
            for name, t in of.attributes.items():
                text = constraint_text(t)
                parts.append(f"{name}=optional({text})" if name in of.optional else f"{name}={text}")
            return f"object({{{','.join(parts)}}})"
        case _:
            return "any" if of is DYNAMIC else of.kind
