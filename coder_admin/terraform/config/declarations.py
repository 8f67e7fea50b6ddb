"""What a module declares, compiled."""

from __future__ import annotations

from dataclasses import dataclass, field

from coder_admin.terraform.compile.core import Compiled, Reference
from coder_admin.terraform.diagnostics import Diagnostic, Range
from coder_admin.terraform.model import BlockContent, Mode
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.typeexpr import NO_DEFAULTS, Defaults
from coder_admin.terraform.types import DYNAMIC, Type
from coder_admin.terraform.values import Value


@dataclass(frozen=True, slots=True)
class Located:
    """An argument and the file that it stands in (an override file may have given it)."""

    source: SourceText
    attribute: tree.Attribute

    @property
    def range(self) -> Range:
        return self.source.range(self.attribute.start, self.attribute.name_end)

    @property
    def value_range(self) -> Range:
        return self.source.range(self.attribute.expr.start, self.attribute.expr.end)


@dataclass(slots=True)
class Section:
    """The body of a block, with overrides merged in: arguments and nested blocks with their files."""

    source: SourceText
    node: tree.BlockNode
    attributes: dict[str, Located]
    blocks: list[tuple[SourceText, tree.BlockNode]]

    @property
    def range(self) -> Range:
        return self.source.range(self.node.start, self.node.header_end)


@dataclass(slots=True)
class Rule:
    """A condition with a message: of a validation, pre- or postcondition, or check.

    range: of the condition. block: of the header of the block that holds both.
    """

    condition: Compiled
    message: Compiled | None
    range: Range
    block: Range


@dataclass(slots=True)
class Variable:
    """An input variable. `parse_strings`: a value given as text is an expression, not a literal string."""

    name: str
    range: Range
    type: Type = DYNAMIC
    defaults: Defaults = NO_DEFAULTS
    default: Value | None = None
    description: str = ""
    sensitive: bool = False
    ephemeral: bool = False
    nullable: bool = True
    parse_strings: bool = False
    validations: list[Rule] = field(default_factory=list)

    @property
    def required(self) -> bool:
        return self.default is None


@dataclass(slots=True)
class Local:
    name: str
    range: Range
    value: Compiled


@dataclass(slots=True)
class Output:
    name: str
    range: Range
    value: Compiled | None
    description: str = ""
    sensitive: bool = False
    ephemeral: bool = False
    depends_on: tuple[Reference, ...] = ()
    preconditions: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class CompiledBody:
    """Arguments and blocks of a resource, or of a block in one, in source order.

    fixed: what a nested block of nothing but literals always is, and the steps that this counts for.
    """

    attributes: list[tuple[str, Compiled, Range]] = field(default_factory=list)
    blocks: list[CompiledBlock] = field(default_factory=list)
    fixed: tuple[BlockContent, int] | None = None


@dataclass(slots=True)
class CompiledBlock:
    """A nested block; with `for_each` it is a dynamic block whose iterator is `iterator`."""

    type: str
    labels: tuple[str, ...]
    body: CompiledBody
    range: Range
    for_each: Compiled | None = None
    iterator: str = ""
    dynamic_labels: tuple[Compiled, ...] = ()


@dataclass(slots=True)
class LifecycleRules:
    create_before_destroy: bool = False
    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    replace_triggered_by: list[tuple[str, Compiled]] = field(default_factory=list)
    preconditions: list[Rule] = field(default_factory=list)
    postconditions: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class Resource:
    """A resource or data block. `references` holds everything that it depends on but itself."""

    mode: Mode
    type: str
    name: str
    range: Range
    body: CompiledBody
    count: Compiled | None = None
    for_each: Compiled | None = None
    depends_on: tuple[Reference, ...] = ()
    lifecycle: LifecycleRules = field(default_factory=LifecycleRules)
    references: tuple[Reference, ...] = ()
    mentions_itself: bool = False

    @property
    def key(self) -> str:
        """`TYPE.NAME`"""
        return f"{self.type}.{self.name}"

    @property
    def address(self) -> str:
        """The address within its module: `data.TYPE.NAME` or `TYPE.NAME`."""
        return f"data.{self.key}" if self.mode == "data" else self.key


@dataclass(slots=True)
class ModuleCall:
    name: str
    range: Range
    source: str
    version: str = ""
    arguments: dict[str, Compiled] = field(default_factory=dict)
    argument_ranges: dict[str, Range] = field(default_factory=dict)
    count: Compiled | None = None
    for_each: Compiled | None = None
    depends_on: tuple[Reference, ...] = ()
    source_range: Range | None = None


@dataclass(slots=True)
class Check:
    name: str
    range: Range
    assertions: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class ModuleConfig:
    """One module's files, read and compiled; the same for every call of the module."""

    directory: str
    variables: dict[str, Variable] = field(default_factory=dict)
    locals: dict[str, Local] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    resources: dict[tuple[Mode, str], Resource] = field(default_factory=dict)
    calls: dict[str, ModuleCall] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    ephemerals: frozenset[str] = frozenset()
    attribute_names: frozenset[str] = frozenset()
    diagnostics: list[Diagnostic] = field(default_factory=list)
