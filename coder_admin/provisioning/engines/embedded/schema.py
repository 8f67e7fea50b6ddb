"""What a resource type or data source takes: arguments, nested blocks, and what each of them means.

`conform` turns a written block into an object value that has every attribute of the schema, or diagnostics
with the place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from coder_admin.terraform import BlockContent, Diagnostic, Range
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.diagnostics import Severity
from coder_admin.terraform.types import DYNAMIC, STRING, ObjectType, Type, list_type, object_type
from coder_admin.terraform.values import SENSITIVE, Value, list_of, null, object_, unknown

META_ARGUMENTS: Final = frozenset({"count", "for_each", "provider", "depends_on", "lifecycle"})
META_BLOCKS: Final = frozenset({"lifecycle", "connection", "provisioner"})


@dataclass(frozen=True)
class Attribute:
    """One argument or computed attribute.

    force_new: a change makes the resource a new one. stable: the computed value survives an update.
    check: the complaint about a known value, or "".
    """

    type: Type = STRING
    required: bool = False
    computed: bool = False
    force_new: bool = False
    sensitive: bool = False
    stable: bool = True
    default: Value | None = None
    written: bool = True  # False: only ever computed
    check: Callable[[Value], str] | None = None


@dataclass(frozen=True)
class Nested:
    """A nested block type; its blocks are seen as a list of objects."""

    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, Nested] = field(default_factory=dict)
    minimum: int = 0
    maximum: int | None = None
    force_new: bool = False


@dataclass(frozen=True)
class Schema:
    """lenient: an argument that is not known here is a warning, not an error (Coder's provider grows)."""

    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, Nested] = field(default_factory=dict)
    lenient: bool = False

    @property
    def type(self) -> ObjectType:
        """The object type of an instance's value."""
        return _object_type(self.attributes, self.blocks)

    def forces_new(self, name: str) -> bool:
        """Whether a change of this attribute or nested block replaces the resource."""
        part = self.attributes.get(name) or self.blocks.get(name)
        return part is not None and part.force_new

    def is_computed(self, name: str) -> bool:
        attribute = self.attributes.get(name)
        return attribute is not None and attribute.computed

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.attributes, *self.blocks)


def computed(of: Type = STRING, *, sensitive: bool = False, stable: bool = True) -> Attribute:
    """An attribute that only the resource type itself sets."""
    return Attribute(of, computed=True, written=False, sensitive=sensitive, stable=stable)


def optional(
    of: Type = STRING,
    *,
    force_new: bool = False,
    default: Value | None = None,
    sensitive: bool = False,
    computed: bool = False,
    check: Callable[[Value], str] | None = None,
) -> Attribute:
    return Attribute(
        of, force_new=force_new, default=default, sensitive=sensitive, computed=computed, check=check
    )


def required(
    of: Type = STRING,
    *,
    force_new: bool = False,
    sensitive: bool = False,
    check: Callable[[Value], str] | None = None,
) -> Attribute:
    return Attribute(of, required=True, force_new=force_new, sensitive=sensitive, check=check)


def conform(
    content: BlockContent, schema: Schema, *, place: Range, diagnostics: list[Diagnostic]
) -> dict[str, Value]:
    """Every attribute and nested block of the schema as the block has it.

    Left out: null (a default is filled in). A wrong argument is reported and taken as unknown, so that one
    mistake gives one message.
    """
    return _Conformer(schema.lenient, diagnostics).body(content, schema, place)


@dataclass(frozen=True)
class _Conformer:
    lenient: bool
    diagnostics: list[Diagnostic]

    def body(self, content: BlockContent, shape: Schema | Nested, place: Range) -> dict[str, Value]:
        _unexpected(content, shape, self.lenient, self.diagnostics)
        values: dict[str, Value] = {}
        for name, attribute in shape.attributes.items():
            written = content.attributes.get(name) if attribute.written else None
            where = content.ranges.get(name, place)
            values[name] = _attribute(name, attribute, written, where, self.diagnostics)
        for name, nested in shape.blocks.items():
            values[name] = self.blocks(content, name, nested, place)
        return values

    def blocks(self, content: BlockContent, name: str, nested: Nested, place: Range) -> Value:
        element = _object_type(nested.attributes, nested.blocks)
        if name in content.unknown_blocks:
            return unknown(list_type(element))
        found = list(content.of_type(name))
        if len(found) < nested.minimum:
            self.diagnostics.append(
                _error(f"Missing {name} block", f"At least {nested.minimum} {name} block is required.", place)
            )
        if nested.maximum is not None and len(found) > nested.maximum:
            extra = found[nested.maximum]
            detail = f"No more than {nested.maximum} {name} block is allowed; this one is too many."
            self.diagnostics.append(_error(f"Too many {name} blocks", detail, extra.range))
        objects = [object_(self.body(b.content, nested, b.range)) for b in found]
        return list_of([convert(o, element) for o in objects], element)


def _attribute(
    name: str, attribute: Attribute, written: Value | None, where: Range, diagnostics: list[Diagnostic]
) -> Value:
    if written is None or written.is_null:
        if attribute.required:
            diagnostics.append(
                _error(
                    "Missing required argument",
                    f'The argument "{name}" is required, but no value was given for it.',
                    where,
                )
            )
            return unknown(attribute.type)
        value = null(attribute.type) if attribute.default is None else attribute.default
        return value if written is None else value.with_marks(written.marks)
    try:
        value = convert(written, attribute.type)
    except ConversionError as problem:
        diagnostics.append(
            _error("Incorrect attribute value type", f'Inappropriate value for "{name}": {problem}.', where)
        )
        return unknown(attribute.type)
    if attribute.check is not None and value.is_wholly_known and not value.is_null:
        complaint = attribute.check(value.deeply_unmarked())
        if complaint:
            diagnostics.append(_error("Invalid argument value", f'"{name}": {complaint}', where))
    return value


def _unexpected(
    content: BlockContent, shape: Schema | Nested, lenient: bool, diagnostics: list[Diagnostic]
) -> None:
    attributes = shape.attributes
    for name in content.attributes:
        if name in META_ARGUMENTS or (name in attributes and attributes[name].written):
            continue
        where = content.ranges.get(name)
        if name in attributes:
            detail = f'"{name}" is set by the resource itself and cannot be written.'
            diagnostics.append(_error("Value for unconfigurable attribute", detail, where))
        else:
            detail = f'An argument named "{name}" is not expected here.'
            diagnostics.append(
                Diagnostic(_severity(lenient), "Unsupported argument", detail, where, "schema")
            )
    for block in content.blocks:
        if block.type in META_BLOCKS or block.type in shape.blocks:
            continue
        detail = f'Blocks of type "{block.type}" are not expected here.'
        diagnostics.append(
            Diagnostic(_severity(lenient), "Unsupported block type", detail, block.range, "schema")
        )


def _severity(lenient: bool) -> Severity:
    return "warning" if lenient else "error"


def _error(summary: str, detail: str, where: Range | None) -> Diagnostic:
    return Diagnostic("error", summary, detail, where, "schema")


def _object_type(attributes: Mapping[str, Attribute], blocks: Mapping[str, Nested]) -> ObjectType:
    parts = {name: a.type for name, a in attributes.items()}
    parts |= {name: list_type(_object_type(b.attributes, b.blocks)) for name, b in blocks.items()}
    return object_type(parts)


def mark(values: Mapping[str, Value], schema: Schema) -> dict[str, Value]:
    """The values with those marked sensitive that the schema declares so."""
    marked = dict(values)
    for name, attribute in schema.attributes.items():
        if attribute.sensitive and name in marked:
            marked[name] = marked[name].with_marks(SENSITIVE)
    return marked


ANY: Final = DYNAMIC
