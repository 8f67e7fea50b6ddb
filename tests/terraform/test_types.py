"""Types are interned, and their JSON and text forms say all of them."""

from __future__ import annotations

import copy
import gc
import pickle
import threading

import pytest
from hypothesis import given

from coder_admin.terraform import types as t
from tests.terraform.strategies import types


def test_equal_types_are_the_same_object() -> None:
    one = t.object_type({"b": t.list_type(t.STRING), "a": t.tuple_type([t.NUMBER, t.BOOL])})
    other = t.object_type({"a": t.tuple_type([t.NUMBER, t.BOOL]), "b": t.list_type(t.STRING)})
    assert one is other
    assert list(one.attributes) == ["a", "b"]
    assert t.object_type({"a": t.STRING}, ["a"]) is not t.object_type({"a": t.STRING})


def test_types_that_nobody_uses_are_forgotten() -> None:
    gc.collect()
    before = len(t._objects)
    made = [t.object_type({f"attribute_{index}": t.STRING}) for index in range(100)]
    assert len(t._objects) == before + 100
    del made
    gc.collect()
    assert len(t._objects) == before


def test_threads_that_build_the_same_type_get_the_same_object() -> None:
    found: list[t.Type] = []
    start = threading.Barrier(8)

    def build() -> None:
        start.wait()
        for index in range(200):
            found.append(t.tuple_type([t.object_type({f"shared_{index}": t.STRING}), t.NUMBER]))

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(of) for of in found}) == 200


@given(types(dynamic=True, optional=True))
def test_json_form_reads_back_to_the_same_type(of: t.Type) -> None:
    assert t.type_from_json(t.type_to_json(of)) is of
    assert pickle.loads(pickle.dumps(of)) is of
    assert copy.deepcopy(of) is of


@given(types(dynamic=True, optional=True))
def test_a_type_without_optional_attributes_has_none_left(of: t.Type) -> None:
    plain = t.without_optional(of)
    assert t.without_optional(plain) is plain
    assert "optional" not in t.constraint_text(plain)
    assert plain.has_dynamic == of.has_dynamic == ("any" in t.constraint_text(of))


@pytest.mark.parametrize(
    ("of", "name", "text"),
    [
        (t.STRING, "string", "string"),
        (t.DYNAMIC, "dynamic", "any"),
        (t.list_type(t.map_type(t.NUMBER)), "list of map of number", "list(map(number))"),
        (t.tuple_type([t.STRING, t.BOOL]), "tuple", "tuple([string,bool])"),
        (
            t.object_type({"a": t.STRING, "b": t.NUMBER}, ["b"]),
            "object",
            "object({a=string,b=optional(number)})",
        ),
    ],
)
def test_names_are_terraforms(of: t.Type, name: str, text: str) -> None:
    assert str(of) == name
    assert t.constraint_text(of) == text


@pytest.mark.parametrize("data", [None, 5, "strings", ["list"], ["object", ["a"]], ["tuple", "string"]])
def test_what_is_no_type_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="not a type"):
        t.type_from_json(data)
