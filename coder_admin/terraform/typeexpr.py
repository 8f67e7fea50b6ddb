"""Type constraints: `map(object({ size = optional(string, "small") }))` as a type and its defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.diagnostics import DiagnosticError, error
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    SetType,
    TupleType,
    Type,
    list_type,
    map_type,
    object_type,
    set_type,
    tuple_type,
    without_optional,
)
from coder_admin.terraform.values import (
    Refinement,
    Value,
    list_of,
    map_of,
    normalized,
    object_,
    set_of,
    tuple_,
)

_PRIMITIVES: dict[str, Type] = {"string": STRING, "number": NUMBER, "bool": BOOL, "any": DYNAMIC}
_COLLECTIONS: dict[str, Callable[[Type], Type]] = {"list": list_type, "set": set_type, "map": map_type}
_ELEMENT = ""  # key of a collection's defaults in Defaults.children


@dataclass(frozen=True, slots=True)
class Defaults:
    """Defaults of optional attributes, nested as the type is.

    values: by attribute name. children: by attribute name, tuple index as text, or "" for the elements of a
    collection.
    """

    values: dict[str, Value] = field(default_factory=dict)
    children: dict[str, Defaults] = field(default_factory=dict)

    def apply(self, value: Value) -> Value:
        """The value with the defaults in the place of what is missing or null. Null and unknown stay."""
        data = value.data
        if data is None or type(data) is Refinement or not (self.values or self.children):
            return value
        if type(data) is tuple:
            of = value.type
            if isinstance(of, TupleType):
                pairs = enumerate(data)
                done = [self._child(str(at)).apply(item) for at, item in pairs]
                return tuple_(done).with_marks(value.marks)
            items = [self._child(_ELEMENT).apply(item) for item in data]
            if not items:
                return value
            result = _collection(items, isinstance(of, SetType))
            return result.with_marks(value.marks)
        if type(data) is dict:
            return self._apply_mapping(value)
        return value

    def _child(self, name: str) -> Defaults:
        return self.children.get(name) or self.children.get(_ELEMENT) or NO_DEFAULTS

    def _apply_mapping(self, value: Value) -> Value:
        found = {name: self._child(name).apply(item) for name, item in value.data.items()}
        for name, default in self.values.items():
            if name not in found or found[name].data is None:
                child = self.children.get(name)
                found[name] = child.apply(default) if child else default
        same = len({item.type for item in found.values()}) == 1
        made = map_of(found) if value.type.is_collection and same else object_(found)
        return made.with_marks(value.marks)


NO_DEFAULTS = Defaults()


def _collection(items: list[Value], as_set: bool) -> Value:
    if len({item.type for item in items}) != 1:
        return tuple_(items)
    return set_of(items) if as_set else list_of(items)


ConstantEvaluator = Callable[[tree.Node], Value]


class TypeParser:
    """Reads one type constraint. `evaluate` gives the value of a default's expression."""

    def __init__(self, source: SourceText, evaluate: ConstantEvaluator) -> None:
        self.source = source
        self.evaluate = evaluate

    def parse(self, node: tree.Node) -> tuple[Type, Defaults]:
        """The type and its defaults. DiagnosticError for what is no type constraint."""
        if isinstance(node, tree.Broken):
            return DYNAMIC, NO_DEFAULTS
        if isinstance(node, tree.Parentheses):
            return self.parse(node.expr)
        if isinstance(node, tree.Traversal) and not node.steps:
            return self.keyword(node), NO_DEFAULTS
        if isinstance(node, tree.Call):
            return self.constructor(node)
        raise self.failure(
            node,
            "A type specification is either a primitive type keyword (bool, number, string) or a complex "
            "type constructor call, like list(string).",
        )

    def failure(
        self, node: tree.Node, detail: str, summary: str = "Invalid type specification"
    ) -> DiagnosticError:
        return DiagnosticError(error(summary, detail, self.source.range(node.start, node.end)))

    def parse_variable_type(self, node: tree.Node) -> tuple[Type, Defaults]:
        """As `parse`, for a variable's own type, where `list` and `map` alone still mean `list(any)`."""
        if isinstance(node, tree.Traversal) and not node.steps and node.root in ("list", "map"):
            return _COLLECTIONS[node.root](DYNAMIC), NO_DEFAULTS
        if isinstance(node, tree.Literal) and isinstance(node.value, str):
            old = node.value in ("string", "list", "map")
            raise self.failure(
                node,
                "Terraform 0.11 and earlier required type constraints to be given in quotes, but that "
                "form is no longer valid. Remove the quotes around the type.",
                "Invalid quoted type constraints" if old else "Invalid legacy variable type hint",
            )
        return self.parse(node)

    def keyword(self, node: tree.Traversal) -> Type:
        found = _PRIMITIVES.get(node.root)
        if found is not None:
            return found
        if node.root in _COLLECTIONS:
            raise self.failure(
                node, f"The {node.root} type constructor requires one argument specifying the element type."
            )
        if node.root == "object":
            raise self.failure(
                node,
                "The object type constructor requires one argument specifying the attribute types and "
                "values as a map.",
            )
        if node.root == "tuple":
            raise self.failure(
                node,
                "The tuple type constructor requires one argument specifying the element types as a list.",
            )
        raise self.failure(node, f'The keyword "{node.root}" is not a valid type specification.')

    def constructor(self, node: tree.Call) -> tuple[Type, Defaults]:
        name = node.name
        if name in _PRIMITIVES:
            raise self.failure(node, f'Primitive type keyword "{name}" does not expect arguments.')
        if name == "optional":
            raise self.failure(
                node, 'Keyword "optional" is valid only as a modifier for object type attributes.'
            )
        if name not in (*_COLLECTIONS, "object", "tuple"):
            raise self.failure(node, f'Keyword "{name}" is not a valid type constructor.')
        if len(node.arguments) != 1:
            detail = f"The {name} type constructor requires one argument specifying the element type."
            raise self.failure(node, detail)
        argument = node.arguments[0]
        if name in _COLLECTIONS:
            element, defaults = self.parse(argument)
            nested = Defaults(children={_ELEMENT: defaults}) if defaults is not NO_DEFAULTS else NO_DEFAULTS
            return _COLLECTIONS[name](element), nested
        return self.object_type(argument) if name == "object" else self.tuple_type(argument)

    def tuple_type(self, node: tree.Node) -> tuple[Type, Defaults]:
        if not isinstance(node, tree.TupleCons):
            raise self.failure(node, "Tuple type constructor requires a list of element types.")
        parts = [self.parse(item) for item in node.items]
        children = {str(at): part[1] for at, part in enumerate(parts) if part[1] is not NO_DEFAULTS}
        return tuple_type(part[0] for part in parts), Defaults(children=children) if children else NO_DEFAULTS

    def object_type(self, node: tree.Node) -> tuple[Type, Defaults]:
        if not isinstance(node, tree.ObjectCons):
            raise self.failure(
                node,
                "Object type constructor requires a map whose keys are attribute names and whose values "
                "are the corresponding attribute types.",
            )
        attributes: dict[str, Type] = {}
        optional: set[str] = set()
        values: dict[str, Value] = {}
        children: dict[str, Defaults] = {}
        for key, item in node.items:
            # In JSON, every node stands at the quoted string that holds the whole type.
            quoted = key.start > node.start and self.source.text[key.start] == '"'
            if not isinstance(key, tree.Literal) or not isinstance(key.value, str) or quoted:
                raise self.failure(key, "Object constructor map keys must be attribute names.")
            name = normalized(key.value)
            if name in attributes:
                raise self.failure(key, "Object constructor map keys must be unique.")
            if isinstance(item, tree.Call) and item.name == "optional":
                of, defaults, default = self.optional(item)
                optional.add(name)
                if default is not None:
                    values[name] = default
            else:
                of, defaults = self.parse(item)
            attributes[name] = of
            if defaults is not NO_DEFAULTS:
                children[name] = defaults
        found = Defaults(values, children) if values or children else NO_DEFAULTS
        return object_type(attributes, optional), found

    def optional(self, node: tree.Call) -> tuple[Type, Defaults, Value | None]:
        if not node.arguments:
            raise self.failure(
                node, "Optional attribute modifier requires the attribute type as its argument."
            )
        if len(node.arguments) > 2:
            raise self.failure(
                node,
                "Optional attribute modifier expects at most two arguments: the attribute type and a "
                "default value.",
            )
        of, defaults = self.parse(node.arguments[0])
        if len(node.arguments) == 1:
            return of, defaults, None
        default = self.evaluate(node.arguments[1])
        try:
            default = convert(default, of)
        except ConversionError as problem:
            raise self.failure(
                node.arguments[1],
                f"This default value is not compatible with the attribute's type constraint: {problem}.",
                "Invalid default value for optional attribute",
            ) from None
        return of, defaults, default


def value_type(of: Type) -> Type:
    """The type that values of the constraint have."""
    return without_optional(of)
