"""Values: normal forms, order of sets and maps, marks, unknown parts, sizes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_admin.terraform import types as t
from coder_admin.terraform.equality import equals, less_than
from coder_admin.terraform.values import (
    EPHEMERAL,
    FALSE,
    NOT_NULL,
    NULL,
    SENSITIVE,
    TRUE,
    Refinement,
    Value,
    from_python,
    list_of,
    map_of,
    null,
    number,
    object_,
    refined,
    set_of,
    string,
    to_python,
    to_text,
    tuple_,
    unknown,
)
from tests.terraform.profile import EXAMPLES
from tests.terraform.strategies import typed_values, types, values_of


def test_strings_are_normalised() -> None:
    assert string("e\u0301").data == "\u00e9"
    assert set_of([string("e\u0301"), string("\u00e9")]).data == (string("\u00e9"),)


def test_maps_and_objects_are_in_the_order_of_their_keys() -> None:
    keys = ["b", "Z", "10", "9", "é", "a b", "a"]
    ordered = ["10", "9", "Z", "a", "a b", "b", "é"]
    assert list(object_(dict.fromkeys(keys, TRUE)).data) == ordered
    assert list(map_of(dict.fromkeys(keys, TRUE)).data) == ordered


@pytest.mark.parametrize(
    ("elements", "ordered"),
    [
        (["z", "a", "M", "0"], ["0", "M", "a", "z"]),
        ([10, 9, 1.5, 100], [1.5, 9, 10, 100]),
        ([True, False], [False, True]),
        ([[10], [9]], [[10], [9]]),  # structures are ordered by the text of their contents
        ([{"b": 1}, {"b": 0}], [{"b": 0}, {"b": 1}]),
    ],
)
def test_sets_have_terraforms_order(elements: list[object], ordered: list[object]) -> None:
    assert to_python(set_of([from_python(element) for element in elements])) == ordered


def test_nulls_and_unknown_elements_come_last_in_a_set() -> None:
    found = set_of([unknown(t.STRING), null(t.STRING), string("b"), unknown(t.STRING), string("a")])
    assert [element.data for element in found.data[:2]] == ["a", "b"]
    assert [element.is_known for element in found.data[2:]] == [False, False, True]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    types().flatmap(lambda of: st.lists(values_of(of), min_size=1, max_size=6)),
    st.randoms(use_true_random=False),
)
def test_a_set_does_not_depend_on_the_order_of_its_elements(
    elements: list[Value], shuffler: random.Random
) -> None:
    mixed = list(elements)
    shuffler.shuffle(mixed)
    of = elements[0].type
    assert set_of(elements, of) == set_of(mixed, of)
    assert len(set_of(elements + elements, of).data) == len(set_of(elements, of).data)


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_values())
def test_values_equal_themselves_as_terraform_compares(value: Value) -> None:
    assert equals(value, value) is TRUE
    assert value == Value(value.type, value.data)
    assert hash(value) == hash(Value(value.type, value.data))


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_values(), typed_values())
def test_equality_is_symmetric(a: Value, b: Value) -> None:
    assert equals(a, b) is equals(b, a)
    if a.type is not b.type and not (a.is_null and b.is_null):
        assert equals(a, b) is FALSE


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_values())
def test_plain_data_reads_back(value: Value) -> None:
    plain = to_python(value)
    assert to_python(from_python(plain)) == plain


def test_marks_of_elements_move_to_the_set_and_nowhere_else() -> None:
    secret = string("s").with_marks(SENSITIVE)
    assert set_of([secret, string("a")]).is_sensitive
    assert not list_of([secret]).is_sensitive
    assert tuple_([secret, TRUE]).deep_marks == SENSITIVE
    assert not tuple_([secret]).deeply_unmarked().deep_marks


def test_removing_one_mark_leaves_the_other() -> None:
    value = tuple_([string("s").with_marks(SENSITIVE | EPHEMERAL)]).with_marks(SENSITIVE)
    left = value.without_marks(SENSITIVE)
    assert not left.is_sensitive
    assert left.data[0].marks == EPHEMERAL


def test_marks_of_both_sides_are_on_a_comparison() -> None:
    assert equals(tuple_([string("a").with_marks(SENSITIVE)]), string("b")).is_sensitive
    assert less_than(number(1).with_marks(EPHEMERAL), number(2)).marks == EPHEMERAL


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        (unknown(t.STRING), string("a"), None),
        (unknown(t.STRING), NULL, None),
        (unknown(t.STRING, NOT_NULL), NULL, False),
        (unknown(t.STRING, Refinement(prefix="x-")), string("y"), False),
        (unknown(t.STRING, Refinement(prefix="x-")), string("x-y"), None),
        (unknown(t.NUMBER), string("1"), False),
        (unknown(t.list_type(t.STRING), Refinement(min_length=1)), list_of([], t.STRING), False),
        (unknown(t.DYNAMIC), number(1), None),
        (tuple_([unknown(t.STRING)]), from_python(["a", "b"]), False),
        (tuple_([unknown(t.STRING), string("z")]), from_python(["a", "b"]), False),
        (tuple_([unknown(t.STRING)]), from_python(["a"]), None),
        (null(t.STRING), null(t.NUMBER), True),
        (from_python({"a": None}), from_python({"a": None}), True),
        (number(1), string("1"), False),
    ],
)
def test_what_is_known_of_an_unknown_value_decides_equality(a: Value, b: Value, result: bool | None) -> None:
    for found in (equals(a, b), equals(b, a)):
        assert (found.data if found.is_known else None) is result


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        (number(1), number(2), True),
        (number(2), number(2), False),
        (number(0), unknown(t.NUMBER, Refinement(lower=2)), True),
        (unknown(t.NUMBER, Refinement(lower=2)), number(0), False),
        (unknown(t.NUMBER, Refinement(lower=0)), number(0), None),
        (unknown(t.NUMBER), number(0), None),
    ],
)
def test_known_bounds_decide_an_order(a: Value, b: Value, result: bool | None) -> None:
    found = less_than(a, b)
    assert (found.data if found.is_known else None) is result


def test_facts_about_an_unknown_value_add_up() -> None:
    value = refined(refined(unknown(t.STRING), not_null=True), prefix="a")
    assert value.refinement == Refinement(not_null=True, prefix="a")
    assert refined(string("x"), not_null=True).data == "x"


def test_shared_parts_count_as_often_as_they_stand() -> None:
    value = tuple_([string("x")] * 10)
    for _ in range(60):
        value = tuple_([value] * 10)
    assert value.size > 10**60
    assert value.depth == 61
    assert value.is_wholly_known


def test_a_value_has_no_truth() -> None:
    with pytest.raises(TypeError):
        bool(TRUE)


@pytest.mark.parametrize(("value", "text"), [(TRUE, "true"), (number(1.5), "1.5"), (string("x"), "x")])
def test_primitives_have_a_text(value: Value, text: str) -> None:
    assert to_text(value) == text


def test_collections_and_unknown_values_have_no_plain_form() -> None:
    with pytest.raises(ValueError, match="tuple"):
        to_text(tuple_([TRUE]))
    with pytest.raises(ValueError, match="not known"):
        to_python(unknown(t.STRING))
    assert to_python(tuple_([unknown(t.STRING)]), unknown_as="?") == ["?"]
    with pytest.raises(TypeError):
        from_python(object())
