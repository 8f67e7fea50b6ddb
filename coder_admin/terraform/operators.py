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
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
)
from coder_admin.terraform.values import (
    DYNAMIC_UNKNOWN,
    NOT_NULL,
    Refinement,
    Value,
    boolean,
    unknown,
)


class Refused(Exception):
    """An operation that the language does not allow: the diagnostic's summary and detail.

    side: which operand of an operator is at fault, "left" or "right"; empty when it is both or neither.
    """

    def __init__(self, summary: str, detail: str, side: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.side = side


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
        raise Refused("Invalid operand", f"Unsuitable value for {side} operand: {problem}.", side) from None


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
