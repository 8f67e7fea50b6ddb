"""What an evaluation hands out: instances of blocks, and what it asks of the world (`Provider`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from coder_admin.terraform.diagnostics import Diagnostic, Range

if TYPE_CHECKING:
    from coder_admin.terraform.values import Value

Mode = Literal["data", "managed"]
Key = int | str | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What one evaluation may use; exceeding any of it ends the evaluation with a diagnostic.

    steps: units of work (one element of a for-expression, one block, one function call, 64 characters …).
    instances: instances of resources, data sources and modules together.
    text: characters of any one string, and elements of any one collection that a function makes.
    elements: values in any one value, those in collections counted as often as they occur; 64 characters of
    text count as one.
    nesting: collections in collections of any one value.
    seconds: wall time, without the time that the provider takes.
    """

    steps: int = 1_000_000
    instances: int = 2_000
    text: int = 8 * 1024 * 1024
    elements: int = 500_000
    nesting: int = 100
    seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class EvalContext:
    """The world outside the module.

    now: the time of timestamp() and plantimestamp(); None leaves both, and uuid() and bcrypt(), unknown.
    look: called now and then while the template's own expressions are evaluated; what it raises ends the
    evaluation and reaches the caller.
    home: what pathexpand() makes of `~`; None refuses it.
    strict: an unknown `count` or `for_each` is an error, as in Terraform's plan. When False it stands for
    one instance of unknown index, as in Terraform's validate; previews use that.
    """

    workspace: str = "default"
    now: datetime | None = None
    home: str | None = "/home/coder"
    strict: bool = False
    budget: Budget = field(default_factory=Budget)
    look: Callable[[], object] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A nested block of a resource or data source, dynamic blocks already expanded.

    uncertain: it stands for the blocks of a dynamic block whose for_each is not known yet.
    """

    type: str
    labels: tuple[str, ...]
    content: BlockContent
    range: Range
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class BlockContent:
    """Evaluated arguments and nested blocks in source order.

    An argument that could not be evaluated is unknown, and its diagnostic is in `diagnostics` (which holds
    those of nested blocks too). A dynamic block with an unknown for_each counts as one block whose
    iterator is unknown, and its type is in `unknown_blocks`. `unresolved` holds, for each unknown argument,
    what it names that has no value, as written; `entries` keys and values of those that are written as an
    object (in which a key is unknown).
    """

    attributes: Mapping[str, Value]
    blocks: tuple[Block, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    unknown_blocks: frozenset[str] = frozenset()
    unresolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    entries: Mapping[str, tuple[tuple[Value | None, Value], ...]] = field(default_factory=dict)

    def of_type(self, block_type: str) -> Iterator[Block]:
        """The nested blocks of one type, in order."""
        return (block for block in self.blocks if block.type == block_type)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The lifecycle block. `ignore_changes` holds attribute paths, or `("all",)`.

    `replace_triggered_by` holds the values that the references had; a change of one replaces the resource.
    """

    create_before_destroy: bool = False
    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    replace_triggered_by: tuple[tuple[str, Value], ...] = ()


@dataclass(slots=True)
class Instance:
    """One instance of a resource or data block.

    address: `module.a[0].data.coder_parameter.x["k"]`.
    key: index (count), key (for_each) or None. An unknown count or for_each gives one instance whose key is
    None and `unknown_key` is True. repetition_problem: why the count or for_each can never be one.
    depends_on: addresses of the resource instances it depends on, through locals and modules too.
    value: what the rest of the module sees; set when the provider has answered.
    steps: what evaluating its arguments took of the budget.
    """

    address: str
    mode: Mode
    type: str
    name: str
    module_path: str
    key: Key
    config: BlockContent
    range: Range
    depends_on: tuple[str, ...] = ()
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    unknown_key: bool = False
    repetition_problem: Diagnostic | None = None
    value: Value | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    steps: int = 0


class Provider(Protocol):
    """Answers for the blocks that the language itself does not know.

    Called once for each instance, after everything it depends on. The answer is the object that references
    see. None leaves the attributes that are not written in the block unknown. A provider reports trouble by
    appending to `instance.diagnostics`, or by raising DiagnosticError (the value is then unknown).

    A provider may have a method `same_answer(previous: Provider, instance: Instance) -> bool`: whether it
    would answer the instance just as the provider `previous` did. Evaluating again after a change then leaves
    such instances as they are; without the method every instance is asked for anew.
    """

    def data(self, instance: Instance) -> Value | None: ...

    def resource(self, instance: Instance) -> Value | None: ...
