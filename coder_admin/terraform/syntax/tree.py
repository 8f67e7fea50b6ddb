"""The syntax tree. Nodes carry offsets into their file's text; nothing in here is evaluated.

Nodes are compared by identity and must not be changed once the parser has returned them: trees are cached
and shared by threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Node:
    """Any expression; [start, end) are offsets."""

    start: int
    end: int


@dataclass(slots=True, eq=False)
class Literal(Node):
    """null, true, false or a piece of string."""

    value: bool | str | None


@dataclass(slots=True, eq=False)
class Broken(Node):
    """An argument's value that could not be read; reported by the parser, unknown to everybody else."""


@dataclass(slots=True, eq=False)
class NumberLiteral(Node):
    """A number, as written."""

    text: str


@dataclass(slots=True, eq=False)
class Template(Node):
    """A template of several parts, rendered to a string. `heredoc` for printing only."""

    parts: list[Node]
    heredoc: bool = False


@dataclass(slots=True, eq=False)
class TemplateWrap(Node):
    """A template of exactly one interpolation: passes the value through as it is."""

    expr: Node


@dataclass(slots=True, eq=False)
class TemplateIf(Node):
    """%{ if }: both sides are templates."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(slots=True, eq=False)
class TemplateFor(Node):
    """%{ for }: the body is a template rendered for each element."""

    key_name: str | None
    value_name: str
    collection: Node
    body: Node


@dataclass(slots=True, eq=False)
class AttributeStep:
    """`.name`"""

    start: int
    end: int
    name: str


@dataclass(slots=True, eq=False)
class IndexStep:
    """`[key]` where the key is a literal string or number, or the legacy `.0`."""

    start: int
    end: int
    key: str | NumberLiteral


Step = AttributeStep | IndexStep


@dataclass(slots=True, eq=False)
class Traversal(Node):
    """A name and the steps from it: `var.x["k"].y`."""

    root: str
    steps: list[Step]


@dataclass(slots=True, eq=False)
class RelativeTraversal(Node):
    """Steps from the value of an expression that is not a name."""

    source: Node
    steps: list[Step]


@dataclass(slots=True, eq=False)
class Index(Node):
    """`collection[key]` with a key that must be evaluated."""

    collection: Node
    key: Node


@dataclass(slots=True, eq=False)
class SplatItem(Node):
    """Stands in a splat's `each` for the element."""


@dataclass(slots=True, eq=False)
class Splat(Node):
    """`source[*].each` (full) or `source.*.each`."""

    source: Node
    each: Node
    item: SplatItem


@dataclass(slots=True, eq=False)
class Call(Node):
    """A function call; `expand` when the last argument ends with `...`. `name_end` bounds the name."""

    name: str
    name_end: int
    arguments: list[Node]
    expand: bool


@dataclass(slots=True, eq=False)
class Unary(Node):
    """`-x` or `!x`; operator is a token kind."""

    operator: int
    operand: Node


@dataclass(slots=True, eq=False)
class Binary(Node):
    """`first op operand op operand …`, operators of one precedence, from left to right.

    One node for the chain, so that a thousand terms are a loop and not a thousand nested calls.
    """

    first: Node
    rest: list[tuple[int, Node]]


@dataclass(slots=True, eq=False)
class Conditional(Node):
    """`c1 ? v1 : c2 ? v2 : … : otherwise`: one node for a chain."""

    branches: list[tuple[Node, Node]]
    otherwise: Node


@dataclass(slots=True, eq=False)
class Parentheses(Node):
    """`(expr)`; kept because it makes an object key an expression."""

    expr: Node


@dataclass(slots=True, eq=False)
class TupleCons(Node):
    """`[a, b]`"""

    items: list[Node]


@dataclass(slots=True, eq=False)
class ObjectCons(Node):
    """`{k = v}`; a key that is a bare name has become a Literal."""

    items: list[tuple[Node, Node]]


@dataclass(slots=True, eq=False)
class For(Node):
    """A for-expression; `key` is None for a tuple; `grouped` with `...`."""

    key_name: str | None
    value_name: str
    collection: Node
    key: Node | None
    value: Node
    condition: Node | None
    grouped: bool


@dataclass(slots=True, eq=False)
class Attribute:
    """`name = expr` in a body. [start, end) is the whole argument, [start, name_end) its name."""

    name: str
    start: int
    name_end: int
    end: int
    expr: Node


@dataclass(slots=True, eq=False)
class Label:
    """A label of a block."""

    text: str
    start: int
    end: int


@dataclass(slots=True, eq=False)
class BlockNode:
    """`type "label" { body }`. [start, header_end) is the header without the brace."""

    type: str
    labels: list[Label]
    body: Body
    start: int
    type_end: int
    header_end: int
    end: int


@dataclass(slots=True, eq=False)
class Body:
    """Arguments by name, in source order, and blocks in source order."""

    start: int
    end: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: list[BlockNode] = field(default_factory=list)
