"""Conversion and unification of types, by cty's rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from coder_admin.terraform import types as t
from coder_admin.terraform.convert import ConversionError, conversion, convert
from coder_admin.terraform.unify import unify
from coder_admin.terraform.values import (
    NULL,
    SENSITIVE,
    Refinement,
    Value,
    from_python,
    list_of,
    map_of,
    null,
    number,
    set_of,
    string,
    to_python,
    unknown,
)
from tests.terraform.profile import EXAMPLES
from tests.terraform.strategies import typed_values, types

ANY_LIST, ANY_SET, ANY_MAP = t.list_type(t.DYNAMIC), t.set_type(t.DYNAMIC), t.map_type(t.DYNAMIC)


@pytest.mark.parametrize(
    ("value", "target", "result", "of"),
    [
        (1, t.STRING, "1", "string"),
        (True, t.STRING, "true", "string"),
        ("1.50", t.NUMBER, 1.5, "number"),
        ("true", t.BOOL, True, "bool"),
        ("1", t.BOOL, True, "bool"),
        ([1, "a"], ANY_LIST, ["1", "a"], "list(string)"),
        ([[1], ["a"]], ANY_LIST, [["1"], ["a"]], "list(tuple([string]))"),
        ([[], [1]], ANY_LIST, [[], [1]], "list(list(number))"),
        ([None, None], ANY_LIST, [None, None], "list(any)"),
        ([None, 1], ANY_LIST, [None, 1], "list(number)"),
        ([], ANY_LIST, [], "list(any)"),
        ([2, 1, 2], ANY_SET, [1, 2], "set(number)"),
        ([{"a": 1}, {"a": 2, "b": 3}], ANY_SET, [{"a": 1}, {"a": 2, "b": 3}], "set(map(number))"),
        ({"a": {"x": 1}, "b": {"y": 2}}, ANY_MAP, {"a": {"x": 1}, "b": {"y": 2}}, "map(map(number))"),
        ({"a": 1, "b": "x"}, ANY_MAP, {"a": "1", "b": "x"}, "map(string)"),
        ({"a": 1, "c": 2}, t.object_type({"a": t.STRING}), {"a": "1"}, "object({a=string})"),
        (
            {"a": 1},
            t.object_type({"a": t.STRING, "b": t.NUMBER}, ["b"]),
            {"a": "1", "b": None},
            "object({a=string,b=number})",
        ),
        ([1, True], t.tuple_type([t.STRING, t.STRING]), ["1", "true"], "tuple([string,string])"),
    ],
)
def test_values_convert(value: Any, target: t.Type, result: Any, of: str) -> None:
    found = convert(from_python(value), target)
    assert to_python(found) == result
    assert t.constraint_text(found.type) == of


@pytest.mark.parametrize(
    ("value", "target", "message"),
    [
        ("x", t.NUMBER, "a number is required"),
        ("True", t.BOOL, 'a bool is required; write "true" instead of "True"'),
        (True, t.NUMBER, "number required, but have bool"),
        ([], t.STRING, "string required, but have tuple"),
        ([1, [2]], ANY_LIST, "all list elements must have the same type"),
        ([1, 2], t.list_type(t.BOOL), "element 0: bool required, but have number"),
        (["1", "x"], t.list_type(t.NUMBER), "element 1: a number is required"),
        ({}, t.object_type({"a": t.STRING}), 'attribute "a" is required'),
        ({"a": []}, t.object_type({"a": t.STRING}), 'attribute "a": string required, but have tuple'),
        (
            {"a": {"b": ["x"]}},
            t.map_type(t.map_type(t.list_type(t.NUMBER))),
            'attribute "a": attribute "b": element 0',
        ),
        ([1], t.tuple_type([]), "a tuple of 0 elements is required, but have 1"),
        ({"a": 1}, ANY_LIST, "list of any single type required, but have object"),
    ],
)
def test_what_does_not_fit_says_where_and_why(value: Any, target: t.Type, message: str) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(from_python(value), target)
    assert str(caught.value).startswith(message)


def test_maps_become_objects_when_they_have_the_keys() -> None:
    target = t.object_type({"a": t.NUMBER, "b": t.STRING}, ["b"])
    assert to_python(convert(map_of({"a": string("1"), "z": string("2")}), target)) == {"a": 1, "b": None}
    with pytest.raises(ConversionError, match='no element "a"'):
        convert(map_of({"z": string("2")}), target)


def test_unknown_and_null_values_take_the_type() -> None:
    target = t.object_type({"a": t.STRING, "b": t.DYNAMIC}, ["a"])
    source = t.object_type({"a": t.NUMBER, "b": t.BOOL})
    for value in (unknown(source), null(source)):
        found = convert(value, target)
        assert found.type is t.object_type({"a": t.STRING, "b": t.BOOL})
        assert found.is_null == value.is_null
    assert convert(NULL, t.STRING).type is t.STRING


def test_what_is_known_of_an_unknown_collection_survives() -> None:
    value = unknown(t.list_type(t.STRING), Refinement(not_null=True, min_length=3))
    assert convert(value, t.set_type(t.STRING)).refinement == Refinement(not_null=True, min_length=1)
    assert convert(value, t.list_type(t.NUMBER)).refinement == Refinement(not_null=True, min_length=3)


def test_a_set_with_unknown_elements_makes_an_unknown_list() -> None:
    several = set_of([unknown(t.STRING), string("a")])
    assert not convert(several, ANY_LIST).is_known
    assert convert(set_of([unknown(t.STRING)]), ANY_LIST).is_known


def test_marks_stay_on_what_is_converted() -> None:
    found = convert(number(1).with_marks(SENSITIVE), t.STRING)
    assert (found.data, found.is_sensitive) == ("1", True)
    assert convert(list_of([string("a").with_marks(SENSITIVE)]), ANY_SET).is_sensitive


def test_safe_conversions_are_those_that_cannot_fail() -> None:
    assert conversion(t.NUMBER, t.STRING, unsafe=False) is not None
    assert conversion(t.STRING, t.NUMBER, unsafe=False) is None
    assert conversion(t.list_type(t.STRING), t.set_type(t.STRING), unsafe=False) is None


@pytest.mark.parametrize(
    ("types_json", "unified"),
    [
        (["string", "number"], "string"),
        (["number", "bool"], None),
        (["bool", "string", "number"], "string"),
        ([["tuple", ["number"]], ["tuple", ["string"]]], "tuple([string])"),
        ([["tuple", ["number"]], ["tuple", ["string", "bool"]]], "list(string)"),
        ([["object", {"a": "number"}], ["object", {"a": "string"}]], "object({a=string})"),
        ([["object", {"a": "number"}], ["object", {"b": "string"}]], "map(string)"),
        ([["object", {"a": "number"}], ["object", {"b": ["tuple", []]}]], None),
        ([["list", "number"], ["tuple", ["string"]]], "list(string)"),
        ([["list", "number"], ["tuple", []]], "list(number)"),
        ([["map", "number"], ["object", {"a": "string"}]], "map(string)"),
        ([["list", "number"], ["set", "number"]], "list(number)"),
        ([["set", "number"], ["tuple", ["number"]]], "set(number)"),
        ([["object", {}], ["tuple", []]], None),
        (["string", ["list", "string"]], None),
        (["dynamic", "string"], "string"),
        (["dynamic", ["object", {"a": "string"}]], "any"),
    ],
)
def test_types_unify(types_json: list[Any], unified: str | None) -> None:
    for given_types in (types_json, types_json[::-1]):
        found = unify([t.type_from_json(data) for data in given_types])
        assert (None if found is None else t.constraint_text(found)) == unified


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_values())
def test_a_value_converts_to_its_own_type_as_it_is(value: Value) -> None:
    assert convert(value, value.type) is value
    assert convert(value, t.DYNAMIC) is value


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_values(nulls=False), types(dynamic=True, optional=True))
def test_conversion_gives_the_type_or_an_error_and_nothing_else(value: Value, target: t.Type) -> None:
    try:
        found = convert(value, target)
    except ConversionError:
        return
    assert found.type.has_dynamic <= target.has_dynamic
    if not target.has_dynamic:
        assert found.type is t.without_optional(target)
    assert convert(found, target) == found


@given(types(dynamic=True), types(dynamic=True))
def test_all_types_convert_to_what_they_unify_to(a: t.Type, b: t.Type) -> None:
    found = unify([a, b])
    if found is not None:
        assert conversion(a, found) is not None
        assert conversion(b, found) is not None
    assert unify([a]) is a
