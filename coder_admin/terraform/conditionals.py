"""Conditionals: `test ? then : otherwise`, whose type depends on both sides whatever the test says."""

from __future__ import annotations

from coder_admin.terraform import numbers
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.numbers import Float
from coder_admin.terraform.operators import UNKNOWN_BOOL, Refused
from coder_admin.terraform.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    CollectionType,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
)
from coder_admin.terraform.unify import unify
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, NOT_NULL, Refinement, Value, null, unknown


def condition(value: Value, what: str = "The condition expression must be of type bool.") -> Value:
    """The condition of a conditional as a bool: not null, perhaps unknown."""
    if value.data is None:
        raise Refused(
            "Null condition", "The condition value is null. Conditions must either be true or false."
        )
    if value.type is BOOL:
        return value
    if type(value.data) is Refinement:
        return UNKNOWN_BOOL.with_marks(value.marks)
    try:
        return convert(value, BOOL)
    except ConversionError:
        raise Refused("Incorrect condition type", what) from None


def choose(test: Value, then: Value, otherwise: Value) -> Value:
    """`test ? then : otherwise` of a condition that is a bool: the chosen value in the type of both."""
    left, right = then.type, otherwise.type
    of = left if left is right else _common_type(then, otherwise, left, right)
    if type(test.data) is Refinement:
        return _undecided(then, otherwise, of).with_marks(test.marks | then.marks | otherwise.marks)
    chosen = then if test.data else otherwise
    if chosen.type is not of and of is not DYNAMIC:
        try:
            chosen = convert(chosen, of)
        except ConversionError as problem:
            side = "true" if test.data else "false"
            raise Refused(
                "Inconsistent conditional result types",
                f"The {side} result value has the wrong type: {problem}.",
            ) from None
    return chosen.with_marks(test.marks)


def _common_type(then: Value, otherwise: Value, left: Type, right: Type) -> Type:
    if left is DYNAMIC:
        return right if then.data is None else DYNAMIC
    if right is DYNAMIC:
        return left if otherwise.data is None else DYNAMIC
    of = unify([left, right], True)
    if of is None:
        raise Refused(
            "Inconsistent conditional result types",
            "The true and false result expressions must have consistent types. " + _difference(left, right),
        )
    return of


def _difference(left: Type, right: Type) -> str:
    if isinstance(left, ObjectType) and isinstance(right, ObjectType):
        for name in left.attributes:
            if name not in right.attributes:
                return _absent("true", name, "false")
        for name in right.attributes:
            if name not in left.attributes:
                return _absent("false", name, "true")
        for name, one in left.attributes.items():
            if unify([one, right.attributes[name]], True) is None:
                inner = _difference(one, right.attributes[name])
                return f'Type mismatch for object attribute "{name}": {inner}'
    if isinstance(left, TupleType) and isinstance(right, TupleType):
        if len(left.elements) != len(right.elements):
            return (
                f"The 'true' tuple has length {len(left.elements)}, but the 'false' tuple has length "
                f"{len(right.elements)}."
            )
        for at, (one, other) in enumerate(zip(left.elements, right.elements, strict=True)):
            if unify([one, other], True) is None:
                return f"Type mismatch for tuple element {at}: {_difference(one, other)}"
    return f"The 'true' value is {left}, but the 'false' value is {right}."


def _absent(side: str, name: str, other: str) -> str:
    return f"The '{side}' value includes object attribute \"{name}\", which is absent in the '{other}' value."


def _undecided(then: Value, otherwise: Value, of: Type) -> Value:
    """The result when the condition is unknown: what the two sides have in common."""
    if then.data is None and otherwise.data is None:
        return null(of)
    if of is DYNAMIC:
        return DYNAMIC_UNKNOWN
    left, right = _facts(then), _facts(otherwise)
    not_null = left.not_null and right.not_null
    if then.type is NUMBER and otherwise.type is NUMBER:
        lower = _outer_bound(left.lower, right.lower, -1)
        upper = _outer_bound(left.upper, right.upper, 1)
        if not_null and lower is not None and lower == upper:
            return Value(NUMBER, lower)
        return unknown(of, Refinement(not_null=not_null, lower=lower, upper=upper))
    if isinstance(of, CollectionType) and then.type is otherwise.type:
        low = min(left.min_length, right.min_length)
        high = None
        if left.max_length is not None and right.max_length is not None:
            high = max(left.max_length, right.max_length)
        if not_null and low == high:
            exact = _of_length(of, low)
            if exact is not None:
                return exact
        return unknown(of, Refinement(not_null=not_null, min_length=low, max_length=high))
    return unknown(of, NOT_NULL if not_null else Refinement())


def _outer_bound(one: int | Float | None, other: int | Float | None, sign: int) -> int | Float | None:
    """The lower (sign -1) or upper (1) of two bounds; none when one side has none."""
    if one is None or other is None:
        return None
    return one if numbers.compare(one, other) * sign >= 0 else other


def _of_length(of: CollectionType, length: int) -> Value | None:
    """A collection of which only the number of elements is known; None when that tells too little."""
    if length == 0:
        return Value(of, {} if isinstance(of, MapType) else ())
    if isinstance(of, ListType) or (isinstance(of, SetType) and length == 1):
        return Value(of, (unknown(of.element),) * length)
    return None


def _facts(value: Value) -> Refinement:
    data = value.data
    if isinstance(data, Refinement):
        return data
    if data is None:
        return Refinement()
    if value.type is NUMBER:
        return Refinement(not_null=True, lower=data, upper=data)
    if isinstance(data, dict | tuple) and value.type.is_collection:
        return Refinement(not_null=True, min_length=len(data), max_length=len(data))
    return NOT_NULL
