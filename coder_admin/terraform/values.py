"""The values of Terraform's language, as cty defines them: immutable, typed, maybe null, unknown or marked.

A `Value` holds `data` by its type:

- string: `str` (NFC); number: `int | Float`; bool: `bool`;
- list, tuple: `tuple[Value, ...]`; set: the same, without duplicates, in Terraform's order;
- map, object: `dict[str, Value]` in the order of the keys;
- null: `None`; unknown: a `Refinement`.

`marks` is a bit set (SENSITIVE, EPHEMERAL) of this value itself; a collection's elements carry their own.
Values are created on every keystroke of a form, so the type of a tuple or object is computed on demand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, final

from . import numbers
from .numbers import Float, Number
from .types import (
    BOOL,
    DYNAMIC,
    EMPTY_OBJECT_TYPE,
    EMPTY_TUPLE_TYPE,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    list_type,
    map_type,
    object_type,
    set_type,
    tuple_type,
)

SENSITIVE: Final = 1
EPHEMERAL: Final = 2

# Value._deep packs what a walk through the value finds: marks, this flag, the depth and the size.
_UNKNOWN_INSIDE: Final = 1 << 8
_FLAGS: Final = 0xFFFF
_DEPTH_SHIFT: Final = 16
_TEXT_SHIFT: Final = 6
_SIZE_SHIFT: Final = 48


@final
class Refinement:
    """What is known of an unknown value; the plain UNREFINED says nothing.

    `prefix`: a string begins so. `min_length`, `max_length`: elements of a collection (None: no bound).
    `lower`, `upper`: inclusive bounds of a number.
    """

    __slots__ = ("lower", "max_length", "min_length", "not_null", "prefix", "upper")

    def __init__(
        self,
        *,
        not_null: bool = False,
        prefix: str = "",
        min_length: int = 0,
        max_length: int | None = None,
        lower: Number | None = None,
        upper: Number | None = None,
    ) -> None:
        self.not_null = not_null
        self.prefix = prefix
        self.min_length = min_length
        self.max_length = max_length
        self.lower = lower
        self.upper = upper

    def _key(self) -> tuple[object, ...]:
        return self.not_null, self.prefix, self.min_length, self.max_length, self.lower, self.upper

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refinement) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


UNREFINED: Final = Refinement()
NOT_NULL: Final = Refinement(not_null=True)


@final
class Value:
    """One value of the language. `==` compares representations (type, marks and all), not as Terraform does:
    that is `equality.equals`."""

    __slots__ = ("_deep", "_type", "data", "marks")
    data: Any
    marks: int

    def __init__(self, of: Type | None, data: Any, marks: int = 0) -> None:
        """Prefer the constructors below. `of` None: the type of a tuple or object, computed from `data`."""
        self._type = of
        self.data = data
        self.marks = marks
        self._deep = -1

    @property
    def type(self) -> Type:
        of = self._type
        if of is None:
            if type(self.data) is dict:
                of = object_type({name: element.type for name, element in self.data.items()})
            else:
                of = tuple_type([element.type for element in self.data])
            self._type = of
        return of

    @property
    def is_known(self) -> bool:
        """The value itself is known (elements may not be)."""
        return type(self.data) is not Refinement

    @property
    def is_null(self) -> bool:
        return self.data is None

    @property
    def is_sensitive(self) -> bool:
        """The value itself is marked sensitive (elements may be as well)."""
        return self.marks & SENSITIVE != 0

    @property
    def refinement(self) -> Refinement:
        """What is known of this unknown value (UNREFINED for a known one)."""
        return self.data if type(self.data) is Refinement else UNREFINED

    @property
    def is_wholly_known(self) -> bool:
        """Nothing in the value is unknown, at any depth."""
        return not self._look_inside() & _UNKNOWN_INSIDE

    @property
    def deep_marks(self) -> int:
        """The marks of the value and of everything in it."""
        return self._look_inside() & 0xFF

    @property
    def size(self) -> int:
        """How many values this one consists of, itself included; one that stands in two places counts twice,
        and every 64 characters of text count as one more.

        Values share their parts, so a few lines of a template can stand for 2**100 of them: whoever walks
        through a value checks this first (it is computed once per value).
        """
        return self._look_inside() >> _SIZE_SHIFT

    @property
    def depth(self) -> int:
        """How deep the value is nested; 0 for a primitive."""
        return (self._look_inside() >> _DEPTH_SHIFT) & 0xFFFFFFFF

    def _look_inside(self) -> int:
        deep = self._deep
        if deep >= 0:
            return deep
        data = self.data
        kind = type(data)
        if kind is tuple or kind is dict:
            flags, depth, size = self.marks, 0, 1
            for element in data if kind is tuple else data.values():
                found = element._deep
                if found < 0:
                    found = element._look_inside()
                flags |= found & _FLAGS
                size += found >> _SIZE_SHIFT
                below = (found >> _DEPTH_SHIFT) & 0xFFFFFFFF
                if below >= depth:
                    depth = below + 1
            deep = flags | depth << _DEPTH_SHIFT | size << _SIZE_SHIFT
        else:
            size = 1 + (len(data) >> _TEXT_SHIFT) if kind is str else 1
            deep = self.marks | size << _SIZE_SHIFT
            if kind is Refinement:
                deep |= _UNKNOWN_INSIDE
        self._deep = deep
        return deep

    def with_marks(self, marks: int) -> Value:
        """The same value with these marks added."""
        if self.marks | marks == self.marks:
            return self
        return Value(self._type, self.data, self.marks | marks)

    def unmarked(self) -> Value:
        """The same value without its own marks (elements keep theirs)."""
        return Value(self._type, self.data) if self.marks else self

    def deeply_unmarked(self) -> Value:
        """The same value without any mark at any depth."""
        return self.without_marks(SENSITIVE | EPHEMERAL)

    def without_marks(self, marks: int) -> Value:
        """The same value without these marks, at any depth."""
        if not self.deep_marks & marks:
            return self
        data = self.data
        if type(data) is tuple:
            data = tuple([element.without_marks(marks) for element in data])
        elif type(data) is dict:
            data = {name: element.without_marks(marks) for name, element in data.items()}
        return Value(self._type, data, self.marks & ~marks)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Value) or self.marks != other.marks or self.data != other.data:
            return False
        return self.type is other.type

    def __hash__(self) -> int:
        data = self.data
        return hash(tuple(data.items()) if type(data) is dict else data)

    def __bool__(self) -> NoReturn:
        raise TypeError("a Value has no truth; look at its data")

    def __repr__(self) -> str:
        mark = " marked" if self.marks else ""
        if not self.is_known:
            return f"<unknown {self.type}{mark}>"
        return f"<{self.type}{mark} {self.data!r}>"


TRUE: Final = Value(BOOL, True)
FALSE: Final = Value(BOOL, False)
EMPTY_STRING: Final = Value(STRING, "")
EMPTY_TUPLE: Final = Value(EMPTY_TUPLE_TYPE, ())
EMPTY_OBJECT: Final = Value(EMPTY_OBJECT_TYPE, {})
NULL: Final = Value(DYNAMIC, None)
DYNAMIC_UNKNOWN: Final = Value(DYNAMIC, UNREFINED)


def normalized(text: str) -> str:
    """The text in Unicode's NFC, as every string value is."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def string(text: str) -> Value:
    return Value(STRING, text if text.isascii() else unicodedata.normalize("NFC", text))


def number(x: int | float | Float) -> Value:
    """A number from an integer of any size, a double (53 bits, as Terraform's functions give) or a Float."""
    if type(x) is float:
        return Value(NUMBER, numbers.from_float(x))
    return Value(NUMBER, numbers.from_int(x) if isinstance(x, int) else x)


def boolean(x: bool) -> Value:
    return TRUE if x else FALSE


def null(of: Type = DYNAMIC) -> Value:
    """The null of a type."""
    return NULL if of is DYNAMIC else Value(of, None)


def unknown(of: Type = DYNAMIC, refinement: Refinement = UNREFINED) -> Value:
    """An unknown value of a type; of DYNAMIC, the type is not known either and nothing else can be."""
    return DYNAMIC_UNKNOWN if of is DYNAMIC else Value(of, refinement)


def tuple_(elements: Iterable[Value]) -> Value:
    """A tuple: what `[a, b]` gives."""
    return Value(None, tuple(elements)) if elements else EMPTY_TUPLE


def object_(attributes: Mapping[str, Value]) -> Value:
    """An object: what `{a = 1}` gives. Attribute names must be NFC."""
    if not attributes:
        return EMPTY_OBJECT
    return Value(None, sorted_by_key(attributes))


def list_of(elements: Iterable[Value], element_type: Type | None = None) -> Value:
    """A list of values that are all of `element_type` (left out: the first one's; of none, DYNAMIC)."""
    items = tuple(elements)
    return Value(list_type(element_type or _common(items)), items)


def map_of(elements: Mapping[str, Value], element_type: Type | None = None) -> Value:
    """A map of values that are all of `element_type` (left out: the first one's; of none, DYNAMIC)."""
    of = element_type or _common(elements.values())
    return Value(map_type(of), sorted_by_key(elements))


def set_of(elements: Iterable[Value], element_type: Type | None = None) -> Value:
    """A set of values that are all of `element_type`; duplicates fall together, marks move to the set."""
    from .ordering import set_order

    items = tuple(elements)
    of = element_type or _common(items)
    marks = 0
    for element in items:
        marks |= element.deep_marks
    if marks:
        items = tuple([element.deeply_unmarked() for element in items])
    return Value(set_type(of), set_order(items, of), marks)


def sorted_by_key(elements: Mapping[str, Value]) -> dict[str, Value]:
    """The mapping in the order of its keys (by code point, as Terraform orders UTF-8)."""
    keys = list(elements)
    ordered = sorted(keys)
    return {key: elements[key] for key in ordered} if keys != ordered else dict(elements)


def _common(elements: Iterable[Value]) -> Type:
    for element in elements:
        return element.type
    return DYNAMIC


def refined(value: Value, **facts: Any) -> Value:
    """The unknown value with facts of `Refinement` added to what is known of it; a known value as it is."""
    if value.is_known or value.type is DYNAMIC:
        return value
    old = value.refinement
    known = {name: getattr(old, name) for name in Refinement.__slots__}
    return Value(value.type, Refinement(**(known | facts)), value.marks)


def from_python(data: Any) -> Value:
    """A value from Python's None, bool, int, float, str, list/tuple (a tuple), dict (an object) or Value.

    TypeError for anything else.
    """
    match data:
        case Value():
            return data
        case None:
            return NULL
        case bool():
            return TRUE if data else FALSE
        case str():
            return string(data)
        case int() | Float():
            return number(data)
        case float():
            return Value(NUMBER, numbers.parse_number(repr(data)))
        case list() | tuple():
            return tuple_([from_python(item) for item in data])
        case Mapping():
            return object_({normalized(str(key)): from_python(item) for key, item in data.items()})
        case _:
            raise TypeError(f"no value of the template language: {type(data).__name__}")


def to_python(value: Value, unknown_as: Any = ...) -> Any:
    """Plain Python data: str, int, float, bool, list, dict, None; marks fall away.

    ValueError for an unknown value, unless `unknown_as` says what stands for it.
    """
    data = value.data
    kind = type(data)
    if kind is tuple:
        return [to_python(element, unknown_as) for element in data]
    if kind is dict:
        return {name: to_python(element, unknown_as) for name, element in data.items()}
    if kind is Float:
        return int(numbers.to_int(data)) if numbers.is_whole(data) else float(data)
    if kind is Refinement:
        if unknown_as is ...:
            raise ValueError("the value is not known yet")
        return unknown_as
    return data


def to_text(value: Value) -> str:
    """A known string, number or bool as Terraform turns it into a string. ValueError otherwise."""
    data = value.data
    kind = type(data)
    if kind is str:
        return str(data)
    if kind is bool:
        return "true" if data else "false"
    if kind is int or kind is Float:
        return numbers.format_number(data)
    raise ValueError(f"no text for a value of type {value.type}")


def is_sequence(of: Type) -> bool:
    """list, set or tuple: data is a tuple of values."""
    return isinstance(of, (ListType, SetType, TupleType))


def is_mapping(of: Type) -> bool:
    """map or object: data is a dict of values."""
    return isinstance(of, (MapType, ObjectType))
