"""Terraform's `==` and `<` over values that may be null, unknown or marked, as cty defines them."""

from __future__ import annotations

from . import numbers
from .numbers import Float, Number
from .types import BOOL, DYNAMIC, NUMBER, CollectionType, MapType, ObjectType, SetType, TupleType, Type
from .values import FALSE, NOT_NULL, TRUE, Refinement, Value, boolean, unknown

UNKNOWN_BOOL = unknown(BOOL, NOT_NULL)


def equals(a: Value, b: Value) -> Value:
    """Whether the two are equal: a bool, unknown where that cannot be told, with the marks of both.

    Values of different types are never equal, except that nulls of all types are equal.
    """
    marks = a.deep_marks | b.deep_marks
    if marks:
        return _equals(a.deeply_unmarked(), b.deeply_unmarked()).with_marks(marks)
    return _equals(a, b)


def _equals(a: Value, b: Value) -> Value:
    left, right = a.data, b.data
    left_unknown, right_unknown = type(left) is Refinement, type(right) is Refinement
    if left_unknown or right_unknown:
        if left_unknown and right_unknown:
            return UNKNOWN_BOOL
        return _against_unknown(b, a) if left_unknown else _against_unknown(a, b)
    if left is None or right is None:
        return boolean(left is right)
    if a._type is b._type and a._type is not None and a._type.is_primitive:
        return boolean(left == right)
    if not (type_is_known(a) and type_is_known(b)):
        return UNKNOWN_BOOL
    if a.type is not b.type:
        return FALSE
    return _same_type(a, b)


def type_is_known(value: Value) -> bool:
    """No part of the value is an unknown of a type that is not known either."""
    if value.type is DYNAMIC:
        return value.is_known
    if not value.type.has_dynamic:
        return True
    data = value.data
    if isinstance(data, dict):
        return all(type_is_known(element) for element in data.values())
    if isinstance(data, tuple):
        return all(type_is_known(element) for element in data)
    return not isinstance(data, Refinement)


def _against_unknown(known: Value, other: Value) -> Value:
    refinement = other.refinement
    if known.data is None:
        return FALSE if refinement.not_null else UNKNOWN_BOOL
    if known.type.has_dynamic or other.type.has_dynamic:
        return UNKNOWN_BOOL
    if known.type is not other.type or not may_be(refinement, known):
        return FALSE
    return UNKNOWN_BOOL


def may_be(refinement: Refinement, known: Value) -> bool:
    """Whether an unknown value of this refinement could turn out to be this known, non-null one."""
    data = known.data
    if isinstance(data, str):
        return data.startswith(refinement.prefix)
    if isinstance(data, (tuple, dict)):
        if isinstance(known.type, SetType) and not known.is_wholly_known:
            return True
        size = len(data)
        return refinement.min_length <= size and (
            refinement.max_length is None or size <= refinement.max_length
        )
    if isinstance(data, (int, Float)) and not isinstance(data, bool):
        low, high = refinement.lower, refinement.upper
        return (low is None or numbers.compare(low, data) <= 0) and (
            high is None or numbers.compare(data, high) <= 0
        )
    return True


def _same_type(a: Value, b: Value) -> Value:
    of: Type = a.type
    if isinstance(of, SetType):
        if not (a.is_wholly_known and b.is_wholly_known):
            return UNKNOWN_BOOL
        return boolean(a.data == b.data)
    if isinstance(of, (ObjectType, MapType)):
        if a.data.keys() != b.data.keys():
            return FALSE
        return _all_equal(a.data.values(), b.data.values())
    if isinstance(of, (TupleType, CollectionType)):
        return FALSE if len(a.data) != len(b.data) else _all_equal(a.data, b.data)
    return boolean(a.data == b.data)


def _all_equal(left: object, right: object) -> Value:
    result = TRUE
    for one, other in zip(left, right, strict=True):  # type: ignore[call-overload]
        same = _equals(one, other)
        if same.data is False:
            return FALSE
        if same.data is not True:
            result = UNKNOWN_BOOL
    return result


def less_than(a: Value, b: Value) -> Value:
    """`a < b` of two numbers, not null. Known bounds of unknown numbers may decide it."""
    marks = a.marks | b.marks
    low_a, high_a = _bounds(a)
    low_b, high_b = _bounds(b)
    if high_a is not None and low_b is not None and numbers.compare(high_a, low_b) < 0:
        result = TRUE
    elif low_a is not None and high_b is not None and _not_less(low_a, high_b, a, b):
        result = FALSE
    else:
        result = UNKNOWN_BOOL
    return result.with_marks(marks)


def _not_less(low: Number, high: Number, a: Value, b: Value) -> bool:
    """cty takes every bound of an unknown number as exclusive; between known numbers `>=` decides."""
    order = numbers.compare(low, high)
    return order > 0 or (order == 0 and a.is_known and b.is_known)


def _bounds(value: Value) -> tuple[Number | None, Number | None]:
    if isinstance(value.data, Refinement):
        return (value.data.lower, value.data.upper) if value.type is NUMBER else (None, None)
    return value.data, value.data
