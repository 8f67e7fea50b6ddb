"""Hypothesis strategies for types and values of the template language."""

from __future__ import annotations

from hypothesis import strategies as st

from coder_admin.terraform import types as t
from coder_admin.terraform.values import (
    Value,
    boolean,
    list_of,
    map_of,
    null,
    number,
    object_,
    set_of,
    string,
    tuple_,
)

names = st.text("abcxyz_é", min_size=1, max_size=3).map(lambda name: string(name).data)
texts = st.text(max_size=8).filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text))


def types(*, dynamic: bool = False, optional: bool = False) -> st.SearchStrategy[t.Type]:
    """Any type; with `any` and optional attributes inside, where asked for."""
    leaves: st.SearchStrategy[t.Type] = st.sampled_from(
        [t.STRING, t.NUMBER, t.BOOL] + ([t.DYNAMIC] if dynamic else [])
    )

    def grown(inner: st.SearchStrategy[t.Type]) -> st.SearchStrategy[t.Type]:
        return st.one_of(
            inner.map(t.list_type),
            inner.map(t.set_type),
            inner.map(t.map_type),
            st.lists(inner, max_size=3).map(t.tuple_type),
            st.dictionaries(names, inner, max_size=3).flatmap(_objects),
        )

    def _objects(attributes: dict[str, t.Type]) -> st.SearchStrategy[t.Type]:
        if not optional or not attributes:
            return st.just(t.object_type(attributes))
        chosen = st.sets(st.sampled_from(sorted(attributes)))
        return chosen.map(lambda spare: t.object_type(attributes, spare))

    return st.recursive(leaves, grown, max_leaves=6)


def values_of(of: t.Type, *, nulls: bool = True) -> st.SearchStrategy[Value]:
    """Known values of a type without `any` in it."""
    found = _known(of, nulls)
    return st.one_of(found, found, found, st.just(null(of))) if nulls else found


def _known(of: t.Type, nulls: bool) -> st.SearchStrategy[Value]:
    match of:
        case t.ListType():
            return st.lists(values_of(of.element, nulls=nulls), max_size=3).map(
                lambda e: list_of(e, of.element)
            )
        case t.SetType():
            return st.lists(values_of(of.element, nulls=nulls), max_size=3).map(
                lambda e: set_of(e, of.element)
            )
        case t.MapType():
            inner = values_of(of.element, nulls=nulls)
            return st.dictionaries(names, inner, max_size=3).map(lambda e: map_of(e, of.element))
        case t.TupleType():
            return st.tuples(*(values_of(e, nulls=nulls) for e in of.elements)).map(lambda e: tuple_(list(e)))
        case t.ObjectType():
            inner_values = {name: values_of(e, nulls=nulls) for name, e in of.attributes.items()}
            return st.fixed_dictionaries(inner_values).map(object_)
        case _ if of is t.STRING:
            return texts.map(string)
        case _ if of is t.NUMBER:
            return st.one_of(st.integers(-(10**6), 10**6), st.floats(-100, 100, width=32)).map(number)
        case _:
            return st.booleans().map(boolean)


def typed_values(*, nulls: bool = True) -> st.SearchStrategy[Value]:
    """Known values of any type."""
    return types().flatmap(lambda of: values_of(of, nulls=nulls))
