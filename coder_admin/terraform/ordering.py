"""The order of a set's elements, and which of them are the same, as cty's sets have it.

Strings, numbers and bools have their natural order, nulls and unknown elements come last. Elements of other
types are ordered by a text made of their contents, which is arbitrary but shows in Terraform's results.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key
from zlib import crc32

from . import numbers
from .gotext import general, quoted
from .numbers import Number
from .types import BOOL, NUMBER, STRING, Type
from .values import Refinement, Value


def set_order(elements: Iterable[Value], of: Type) -> tuple[Value, ...]:
    """The elements (unmarked, all of type `of`) without duplicates, in Terraform's order.

    Unknown elements are kept each for itself: they may turn out to be equal to others, or not.
    """
    seen: set[Value] = set()
    unique: list[Value] = []
    for element in elements:
        if element.is_wholly_known:
            if element in seen:
                continue
            seen.add(element)
        unique.append(element)
    if len(unique) < 2:
        return tuple(unique)
    return tuple(_sorted(unique, of))


def _sorted(elements: list[Value], of: Type) -> list[Value]:
    known = [e for e in elements if e.data is not None and type(e.data) is not Refinement]
    rest = [e for e in elements if type(e.data) is Refinement]
    nulls = [e for e in elements if e.data is None]
    if of is STRING or of is BOOL:
        known.sort(key=_data)
    elif of is NUMBER:
        if all(type(e.data) is int for e in known):
            known.sort(key=_data)
        else:
            known.sort(key=cmp_to_key(_compare_numbers))
    else:
        known.sort(key=_bucket_order)
        known.sort(key=hash_text)
    return known + rest + nulls


def _data(element: Value) -> str:
    data: str = element.data
    return data


def _compare_numbers(a: Value, b: Value) -> int:
    left: Number = a.data
    right: Number = b.data
    return numbers.compare(left, right)


def _bucket_order(element: Value) -> int:
    return crc32(hash_text(element))


def hash_text(value: Value) -> bytes:
    """The text that cty hashes a value by."""
    parts: list[str] = []
    _append(value, parts)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _append(value: Value, parts: list[str]) -> None:
    data = value.data
    kind = type(data)
    if kind is Refinement:
        parts.append("?")
    elif data is None:
        parts.append("~")
    elif kind is bool:
        parts.append("T" if data else "F")
    elif kind is str:
        parts.append(quoted(data))
    elif kind is dict:
        is_map = value.type.kind == "map"
        parts.append("{" if is_map else "<")
        for key, element in data.items():
            if is_map:
                parts.append(quoted(key) + ":")
            _append(element, parts)
            parts.append(";")
        parts.append("}" if is_map else ">")
    elif kind is tuple:
        is_tuple = value.type.kind == "tuple"
        parts.append("<" if is_tuple else "[")
        for element in data:
            _append(element, parts)
            parts.append(";")
        parts.append(">" if is_tuple else "]")
    else:
        parts.append(general(data))
