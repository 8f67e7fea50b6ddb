"""Tuples, objects, for-expressions and splats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coder_admin.terraform.compile.core import Run, Site
from coder_admin.terraform.convert import ConversionError, convert, set_length_known
from coder_admin.terraform.environment import Env
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    CollectionType,
    ListType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    list_type,
    tuple_type,
)
from coder_admin.terraform.values import (
    DYNAMIC_UNKNOWN,
    EMPTY_TUPLE,
    NOT_NULL,
    SENSITIVE,
    Refinement,
    Value,
    list_of,
    object_,
    string,
    tuple_,
    unknown,
)

if TYPE_CHECKING:
    from coder_admin.terraform.compile.compiler import Compiler


def compile_tuple(compiler: Compiler, node: tree.TupleCons) -> Run:
    items = [compiler.compile(item) for item in node.items]
    compiler.parts = [(None, item) for item in items]
    known = [compiler.constants.get(item) for item in items]
    ready = [value for value in known if value is not None]
    if len(ready) == len(items):
        return compiler.constant(tuple_(ready))

    def run(env: Env) -> Value:
        return env.meter.weigh(tuple_([item(env) for item in items]))

    return run


def compile_object(compiler: Compiler, node: tree.ObjectCons) -> Run:
    items = [
        (_key(compiler, key), compiler.compile(value), compiler.site_of(key)) for key, value in node.items
    ]
    compiler.parts = [(key, value) for key, value, _ in items]
    keys = [compiler.constants.get(key) for key, _, _ in items]
    names = [key.data for key in keys if key is not None and key.type is STRING and not key.is_null]
    if len(names) == len(items):
        return _fixed_object(compiler, names, [value for _, value, _ in items])

    def run(env: Env) -> Value:
        result: dict[str, Value] = {}
        marks = 0
        known = True
        for key_code, value_code, site in items:
            key = key_code(env)
            value = value_code(env)
            if key.data is None:
                raise site.failure("Null value as key", "Can't use a null value as a key.")
            marks |= key.marks
            try:
                key = convert(key, STRING)
            except ConversionError as problem:
                raise site.failure(
                    "Incorrect key type", f"Can't use this value as a key: {problem}."
                ) from None
            if type(key.data) is Refinement:
                known = False
            elif key.type is STRING:
                result[key.data] = value
            else:
                known = False
        if not known:
            return DYNAMIC_UNKNOWN.with_marks(marks)
        return env.meter.weigh(object_(result)).with_marks(marks)

    return run


def _key(compiler: Compiler, node: tree.Node) -> Run:
    """The key of an item. A reference without parentheses is refused, but only when it is evaluated."""
    code = compiler.compile(node)
    if not isinstance(node, tree.Traversal):
        return code
    site = compiler.site_of(node)

    def run(_env: Env) -> Value:
        raise site.failure(
            "Ambiguous attribute key",
            "If this expression is intended to be a reference, wrap it in parentheses. If it's instead "
            "intended as a literal name containing periods, wrap it in quotes to create a string literal.",
        )

    return run


def _fixed_object(compiler: Compiler, names: list[str], values: list[Run]) -> Run:
    """An object whose keys are all literal: sorted once, at compile time."""
    last: dict[str, Run] = dict(zip(names, values, strict=True))
    pairs = sorted(last.items())
    ready = {name: compiler.constants[code] for name, code in pairs if code in compiler.constants}
    if len(ready) == len(pairs):
        return compiler.constant(object_(ready))

    def run(env: Env) -> Value:
        return env.meter.weigh(Value(None, {name: code(env) for name, code in pairs}))

    return run


def elements_of(collection: Value) -> Iterable[tuple[Value, Value]]:
    """Keys and values of a known collection, in Terraform's order."""
    data = collection.data
    if type(data) is dict:
        return [(string(key), value) for key, value in data.items()]
    if isinstance(collection.type, SetType):
        return [(value, value) for value in data]
    return [(Value(NUMBER, at), value) for at, value in enumerate(data)]


def iterable(collection: Value, site: Site) -> bool:
    """Whether it can be iterated now; False when it is unknown. Fails for what never can be."""
    if collection.data is None:
        raise site.failure(
            "Iteration over null value",
            "A null value cannot be used as the collection in a 'for' expression.",
        )
    of = collection.type
    if of is DYNAMIC:
        return False
    if not isinstance(of, CollectionType | TupleType | ObjectType):
        raise site.failure(
            "Iteration over non-iterable value",
            f"A value of type {of} cannot be used as the collection in a 'for' expression.",
        )
    if type(collection.data) is Refinement:
        return False
    return not isinstance(of, SetType) or set_length_known(collection)


def compile_for(compiler: Compiler, node: tree.For) -> Run:
    collection = compiler.compile(node.collection)
    slot, before = compiler.bind([node.key_name, node.value_name])
    value = compiler.compile(node.value)
    condition = None if node.condition is None else compiler.compile(node.condition)
    key = None if node.key is None else compiler.compile(node.key)
    compiler.unbind(slot, before)
    collection_site = compiler.site_of(node.collection)
    test = (
        None
        if condition is None or node.condition is None
        else _Filter(condition, compiler.site_of(node.condition))
    )
    if key is not None and node.key is not None:
        head = _Head(collection, collection_site, slot, test)
        return _for_object(head, key, compiler.site_of(node.key), value, grouped=node.grouped)
    return _for_tuple(_Head(collection, collection_site, slot, test), value)


@dataclass(frozen=True, slots=True)
class _Head:
    """A for-expression up to its colon, and its filter."""

    collection: Run
    site: Site
    slot: int
    test: _Filter | None


class _Filter:
    """The `if` clause."""

    __slots__ = ("code", "site")

    def __init__(self, code: Run, site: Site) -> None:
        self.code = code
        self.site = site

    def __call__(self, env: Env) -> Value:
        """A bool, perhaps unknown."""
        found = self.code(env)
        if found.data is None:
            raise self.site.failure("Condition is null", "The value of the 'if' clause must not be null.")
        if found.type is BOOL:
            return found
        try:
            return convert(found, BOOL)
        except ConversionError as problem:
            raise self.site.failure(
                "Invalid 'for' condition", f"The 'if' clause value is invalid: {problem}."
            ) from None

    def probe(self, env: Env, slot: int) -> None:
        """Find what is wrong with the clause whatever the element, where there is no element."""
        env.slots[slot] = env.slots[slot + 1] = DYNAMIC_UNKNOWN
        self(env)


def _for_tuple(head: _Head, value: Run) -> Run:
    collection, site, slot, test = head.collection, head.site, head.slot, head.test

    def run(env: Env) -> Value:
        source = collection(env)
        if not iterable(source, site):
            return DYNAMIC_UNKNOWN.with_marks(source.marks)
        marks = source.marks
        result: list[Value] = []
        known = True
        slots = env.slots
        spend = env.meter.spend
        if test is not None and not source.data:
            test.probe(env, slot)
        for key, element in elements_of(source):
            spend(1)
            slots[slot], slots[slot + 1] = key, element
            if test is not None:
                include = test(env)
                marks |= include.marks
                if include.data is False:
                    continue
                if include.data is not True:
                    known = False
                    continue
            result.append(value(env))
        if not known:
            return DYNAMIC_UNKNOWN.with_marks(marks)
        return env.meter.weigh(tuple_(result)).with_marks(marks)

    return run


def _for_object(head: _Head, key_code: Run, key_site: Site, value: Run, *, grouped: bool) -> Run:
    collection, site, slot, test = head.collection, head.site, head.slot, head.test

    def run(env: Env) -> Value:
        source = collection(env)
        if not iterable(source, site):
            return DYNAMIC_UNKNOWN.with_marks(source.marks)
        marks = source.marks
        result: dict[str, Value] = {}
        groups: dict[str, list[Value]] = {}
        known = True
        slots = env.slots
        spend = env.meter.spend
        if test is not None and not source.data:
            test.probe(env, slot)
        for item_key, element in elements_of(source):
            spend(1)
            slots[slot], slots[slot + 1] = item_key, element
            if test is not None:
                include = test(env)
                marks |= include.marks
                if include.data is False:
                    continue
                if include.data is not True:
                    known = False
                    continue
            key = _object_key(key_code(env), key_site)
            marks |= key.marks
            name = key.data
            if type(name) is not str:
                known = False
                continue
            if grouped:
                groups.setdefault(name, []).append(value(env))
                continue
            if name in result:
                shown = "(sensitive)" if marks & SENSITIVE else f'"{name}"'
                raise key_site.failure(
                    "Duplicate object key",
                    f"Two different items produced the key {shown} in this 'for' expression. If "
                    "duplicates are expected, use the ellipsis (...) after the value expression to enable "
                    "grouping by key.",
                )
            result[name] = value(env)
        if not known:
            return DYNAMIC_UNKNOWN.with_marks(marks)
        if grouped:
            result = {name: env.meter.weigh(tuple_(values)) for name, values in groups.items()}
        return env.meter.weigh(object_(result)).with_marks(marks)

    return run


def _object_key(key: Value, site: Site) -> Value:
    if key.data is None:
        raise site.failure(
            "Invalid object key", "Key expression in 'for' expression must not produce a null value."
        )
    if key.type is STRING or type(key.data) is Refinement:
        return key
    try:
        return convert(key, STRING)
    except ConversionError as problem:
        raise site.failure(
            "Invalid object key", f"The key expression produced an invalid result: {problem}."
        ) from None


def compile_splat(compiler: Compiler, node: tree.Splat) -> Run:
    source_code = compiler.compile(node.source)
    slot, before = compiler.bind([None])
    compiler.item_slots[id(node.item)] = slot
    each = compiler.compile(node.each)
    compiler.unbind(slot, before)
    site = compiler.site_of(node)

    def each_of(env: Env, item: Value) -> Value:
        env.meter.spend(1)
        env.slots[slot] = item
        return each(env)

    def unknown_of(env: Env, of: Type) -> Value:
        """The result for a source of known type whose elements are not known."""
        result: Type = DYNAMIC
        if isinstance(of, TupleType):
            result = tuple_type([each_of(env, unknown(element)).type for element in of.elements])
        elif isinstance(of, ListType | SetType):
            result = list_type(each_of(env, unknown(of.element)).type)
        return unknown(result, NOT_NULL)

    def run(env: Env) -> Value:
        source = source_code(env)
        of = source.type
        sequence = isinstance(of, TupleType | ListType | SetType)
        if source.data is None:
            if not sequence:
                return EMPTY_TUPLE.with_marks(source.marks)
            raise site.failure(
                "Splat of null value",
                "Splat expressions (with the * symbol) cannot be applied to null sequences.",
            )
        if of is DYNAMIC:
            return DYNAMIC_UNKNOWN.with_marks(source.marks)
        if not sequence:
            result = each_of(env, source)
            return (
                env.meter.weigh(tuple_([result]))
                if source.is_known
                else DYNAMIC_UNKNOWN.with_marks(source.marks)
            )
        marks = source.marks
        if type(source.data) is Refinement:
            return unknown_of(env, of).with_marks(marks)
        values = [each_of(env, item) for item in source.data]
        if isinstance(of, TupleType):
            return env.meter.weigh(tuple_(values)).with_marks(marks)
        if isinstance(of, SetType) and not set_length_known(source):
            return unknown_of(env, of).with_marks(marks)
        if not values:
            return list_of(
                (), each_of(env, unknown(of.element)).type if isinstance(of, CollectionType) else DYNAMIC
            ).with_marks(marks)
        return env.meter.weigh(list_of(values)).with_marks(marks)

    return run
