"""Why a type does not convert to another, told for the part that is at fault."""

from __future__ import annotations

from .types import (
    DYNAMIC,
    CollectionType,
    MapType,
    ObjectType,
    TupleType,
    Type,
    constraint_name,
    friendly_name,
)

Path = tuple[str | int, ...]


def mismatch(source: Type, target: Type) -> tuple[str, Path]:
    """The message, and the path to the part that it is about."""
    match target, source:
        case ObjectType(), ObjectType():
            return _objects(source, target)
        case TupleType(), TupleType():
            return _tuples(source, target)
        case MapType(), ObjectType():
            return _members(dict(source.attributes), target)
        case CollectionType(), TupleType() if target.kind != "map":
            return _members(dict(enumerate(source.elements)), target)
        case CollectionType(), CollectionType() if _convertible_kinds(source, target):
            message, path = mismatch(source.element, target.element)
            return (message, path) if path else (f"incorrect {target.kind} element type: {message}", ())
        case _:
            return f"{_wanted(target)} required, but have {friendly_name(source)}", ()


def _convertible_kinds(source: CollectionType, target: CollectionType) -> bool:
    return (source.kind == "map") == (target.kind == "map")


def _wanted(of: Type) -> str:
    if isinstance(of, CollectionType) and of.element is DYNAMIC:
        return f"{of.kind} of any single type"
    return constraint_name(of)


def _objects(source: ObjectType, target: ObjectType) -> tuple[str, Path]:
    from .convert import conversion

    missing = [n for n in target.attributes if n not in source.attributes and n not in target.optional]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        verb = "attribute {} is required" if len(missing) == 1 else "attributes {} are required"
        return verb.format(names), ()
    for name, wanted in target.attributes.items():
        have = source.attributes.get(name)
        if have is not None and conversion(have, wanted) is None:
            message, path = mismatch(have, wanted)
            return message, (name, *path)
    return f"{friendly_name(target)} required", ()


def _tuples(source: TupleType, target: TupleType) -> tuple[str, Path]:
    from .convert import conversion

    if len(source.elements) != len(target.elements):
        return f"a tuple of {len(target.elements)} elements is required, but have {len(source.elements)}", ()
    for index, (have, wanted) in enumerate(zip(source.elements, target.elements, strict=True)):
        if conversion(have, wanted) is None:
            message, path = mismatch(have, wanted)
            return message, (index, *path)
    return "tuple required", ()


def _members(members: dict[str, Type] | dict[int, Type], target: CollectionType) -> tuple[str, Path]:
    from .convert import conversion

    if target.element is not DYNAMIC:
        for step, have in members.items():
            if conversion(have, target.element) is None:
                message, path = mismatch(have, target.element)
                return message, (step, *path)
    return f"all {target.kind} elements must have the same type", ()
