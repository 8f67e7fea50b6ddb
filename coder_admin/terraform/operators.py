"""The meaning of operators, attribute access and indexes, as HCL and cty define them.

Nothing here knows positions: a refused operation raises `Refused`, and whoever compiled the expression says
where. Unknown operands give unknown results of the right type, marks go to the result.
"""

from __future__ import annotations

from collections.abc import Callable

from coder_admin.terraform import numbers
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.equality import equals, less_than
from coder_admin.terraform.numbers import Float, NumberError
from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.types import (
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
)
from coder_admin.terraform.unify import unify
from coder_admin.terraform.values import (
    DYNAMIC_UNKNOWN,
    NOT_NULL,
    Refinement,
    Value,
    boolean,
    null,
    unknown,
)


class Refused(Exception):
    """An operation that the language does not allow: the diagnostic's summary and detail."""

    def __init__(self, summary: str, detail: str) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail


UNKNOWN_NUMBER = unknown(NUMBER, NOT_NULL)
UNKNOWN_BOOL = unknown(BOOL, NOT_NULL)

_ARITHMETIC: dict[int, Callable[[int | Float, int | Float], int | Float]] = {
    t.PLUS: numbers.add,
    t.MINUS: numbers.subtract,
    t.STAR: numbers.multiply,
    t.SLASH: numbers.divide,
    t.PERCENT: numbers.modulo,
}


def operand(value: Value, of: Type, side: str) -> Value:
    """The operand converted to what the operator takes."""
    if value.type is of:
        return value
    try:
        return convert(value, of)
    except ConversionError as problem:
        raise Refused("Invalid operand", f"Unsuitable value for {side} operand: {problem}.") from None


def _not_null(*values: Value) -> None:
    for value in values:
        if value.data is None:
            raise Refused("Operation failed", "Error during operation: argument must not be null.")


def arithmetic(operator: int, left: Value, right: Value) -> Value:
    """`+ - * / %`"""
    left, right = operand(left, NUMBER, "left"), operand(right, NUMBER, "right")
    _not_null(left, right)
    marks = left.marks | right.marks
    if type(left.data) is Refinement or type(right.data) is Refinement:
        return UNKNOWN_NUMBER.with_marks(marks)
    try:
        result = _ARITHMETIC[operator](left.data, right.data)
    except NumberError as problem:
        raise Refused("Operation failed", f"Error during operation: {problem}.") from None
    except ZeroDivisionError:
        raise Refused("Operation failed", "Error during operation: can't divide by zero.") from None
    return Value(NUMBER, result, marks)


def ordering(operator: int, left: Value, right: Value) -> Value:
    """`< <= > >=`"""
    left, right = operand(left, NUMBER, "left"), operand(right, NUMBER, "right")
    _not_null(left, right)
    if operator == t.LESS:
        return less_than(left, right)
    if operator == t.GREATER:
        return less_than(right, left)
    if operator == t.GREATER_EQUAL:
        return _inverted(less_than(left, right))
    return _inverted(less_than(right, left))


def _inverted(value: Value) -> Value:
    if type(value.data) is Refinement:
        return value
    return boolean(not value.data).with_marks(value.marks)


def equality(operator: int, left: Value, right: Value) -> Value:
    """`== !=`"""
    result = equals(left, right)
    return result if operator == t.EQUAL_OP else _inverted(result)


def negate(value: Value) -> Value:
    """`-x`"""
    value = operand(value, NUMBER, "unary")
    _not_null(value)
    if type(value.data) is Refinement:
        return UNKNOWN_NUMBER.with_marks(value.marks)
    return Value(NUMBER, numbers.negate(value.data), value.marks)


def invert(value: Value) -> Value:
    """`!x`"""
    value = operand(value, BOOL, "unary")
    _not_null(value)
    if type(value.data) is Refinement:
        return UNKNOWN_BOOL.with_marks(value.marks)
    return _inverted(value)


def decided(operator: int, left: Value, right: Value) -> Value | None:
    """What `&&` or `||` of two bools is when one side alone decides it; None when both count.

    Then an error in the other side does not matter.
    """
    if decides(operator, left) or decides(operator, right):
        return boolean(operator == t.OR).with_marks(left.marks | right.marks)
    return None


def decides(operator: int, side: Value) -> bool:
    """A true side decides `||`; a false one decides `&&`, and so does null (since Terraform 1.12)."""
    return side.data is True if operator == t.OR else side.data in (False, None)


def logical(operator: int, left: Value, right: Value) -> Value:
    """`&& ||` of two bools of which neither decides alone."""
    marks = left.marks | right.marks
    if type(left.data) is Refinement or type(right.data) is Refinement:
        return UNKNOWN_BOOL.with_marks(marks)
    _not_null(left, right)
    return boolean(operator == t.AND).with_marks(marks)


def get_attribute(value: Value, name: str) -> Value:
    """`value.name`"""
    data = value.data
    marks = value.marks
    if type(data) is dict:
        element: Value | None = data.get(name)
        if element is None:
            if isinstance(value.type, MapType):
                raise Refused(
                    "Missing map element", f'This map does not have an element with the key "{name}".'
                )
            raise Refused("Unsupported attribute", f'This object does not have an attribute named "{name}".')
        return element.with_marks(marks) if marks else element
    of = value.type
    if data is None:
        raise Refused(
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes.",
        )
    if of is DYNAMIC:
        return DYNAMIC_UNKNOWN.with_marks(marks)
    if isinstance(of, ObjectType):
        attribute = of.attributes.get(name)
        if attribute is None:
            raise Refused("Unsupported attribute", f'This object does not have an attribute named "{name}".')
        return unknown(attribute).with_marks(marks)
    if isinstance(of, MapType):
        return unknown(of.element).with_marks(marks)
    raise Refused("Unsupported attribute", _no_attributes(of, name))


def _no_attributes(of: Type, name: str) -> str:
    if isinstance(of, ListType | SetType) and isinstance(of.element, ObjectType):
        if isinstance(of, ListType):
            return (
                f"Can't access attributes on a list of objects. Did you mean to access attribute "
                f'"{name}" for a '
                "specific element of the list, or across all elements of the list?"
            )
        return (
            "Can't access attributes on a set of objects. Did you mean to access an attribute across all "
            "elements of the set?"
        )
    if of.is_primitive:
        return f"Can't access attributes on a primitive-typed value ({of})."
    return "This value does not have any attributes."


_NO_ELEMENT = "The given key does not identify an element in this collection value"


def index(collection: Value, key: Value) -> Value:
    """`collection[key]`"""
    of = collection.type
    if collection.data is None:
        raise Refused("Attempt to index null value", "This value is null, so it does not have any indices.")
    if key.data is None:
        raise Refused("Invalid index", "Can't use a null value as an indexing key.")
    marks = collection.marks | key.marks
    if isinstance(of, ListType | TupleType):
        return _index_sequence(collection, of, _as_key(key, NUMBER)).with_marks(marks)
    if isinstance(of, MapType | ObjectType):
        return _index_mapping(collection, of, _as_key(key, STRING)).with_marks(marks)
    if of is DYNAMIC:
        return DYNAMIC_UNKNOWN.with_marks(marks)
    if isinstance(of, SetType):
        raise Refused(
            "Invalid index",
            "Elements of a set are identified only by their value and don't have any separate index or "
            "key to select with, so it's only possible to perform operations across all elements of the "
            "set.",
        )
    raise Refused("Invalid index", "This value does not have any indices.")


def _as_key(key: Value, of: Type) -> Value:
    try:
        return convert(key, of)
    except ConversionError as problem:
        raise Refused("Invalid index", f"{_NO_ELEMENT}: {problem}.") from None


def _index_sequence(collection: Value, of: ListType | TupleType, key: Value) -> Value:
    items, at = collection.data, key.data
    if type(at) is Refinement:
        return DYNAMIC_UNKNOWN if isinstance(of, TupleType) else unknown(of.element)
    if type(at) is not int:
        raise Refused(
            "Invalid index",
            f"{_NO_ELEMENT}: indexing a sequence requires a whole number, but the given index has a "
            "fractional part.",
        )
    if at < 0:
        raise Refused(
            "Invalid index", f"{_NO_ELEMENT}: a negative number is not a valid index for a sequence."
        )
    if type(items) is Refinement:
        if isinstance(of, ListType):
            return unknown(of.element)
        size = len(of.elements)
        if at < size:
            return unknown(of.elements[at])
    else:
        size = len(items)
        if at < size:
            found: Value = items[at]
            return found
    why = "the given index is greater than or equal to the length of the collection"
    raise Refused("Invalid index", f"{_NO_ELEMENT}: {why if size else 'the collection has no elements'}.")


def _index_mapping(collection: Value, of: MapType | ObjectType, key: Value) -> Value:
    items, name = collection.data, key.data
    if type(name) is Refinement:
        return unknown(of.element) if isinstance(of, MapType) else DYNAMIC_UNKNOWN
    if type(items) is Refinement:
        if isinstance(of, MapType):
            return unknown(of.element)
        attribute = of.attributes.get(name)
        if attribute is not None:
            return unknown(attribute)
        raise Refused("Invalid index", f"{_NO_ELEMENT}.")
    found: Value | None = items.get(name)
    if found is None:
        raise Refused("Invalid index", f"{_NO_ELEMENT}.")
    return found


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
