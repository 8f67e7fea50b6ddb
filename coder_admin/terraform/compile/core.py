"""What the parts of the compiler share: the shape of compiled code, names, and errors with a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error
from coder_admin.terraform.environment import Env
from coder_admin.terraform.operators import Refused
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.values import NULL, Value

Run = Callable[[Env], Value]


@dataclass(frozen=True, slots=True)
class Reference:
    """One static mention of something outside the expression.

    kind: var, local, managed, data, module, count, each, self, path, terraform.
    name: the variable's or local's name, `TYPE.NAME`, the module call's name, or the attribute.
    output: of a module reference, the output that is named, or None for the whole module.
    text: the reference as written, without what follows the named thing.
    """

    kind: str
    name: str
    output: str | None = None
    text: str = ""


class StaticProblem(Exception):
    """A name that can be told wrong without evaluating."""

    def __init__(self, summary: str, detail: str) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail


class Resolver(Protocol):
    """Knows what a name outside the expression means."""

    def resolve(self, traversal: tree.Traversal) -> tuple[Run, int, Reference | None]:
        """Code for the named thing, how many steps of the traversal it uses up, and the reference.

        Raises StaticProblem for a name that means nothing here.
        """

    def check_function(self, name: str) -> None:
        """Raises StaticProblem when the function may not be called here."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in an expression that names something outside of it; code None: it means nothing here."""

    start: int
    end: int
    code: Run | None


@dataclass(slots=True)
class Compiled:
    """An expression ready to run. With `problems` it must not be run; it stands for an unknown value.

    parts: of an expression that is an object or a tuple, the code of each item's key (None in a tuple) and
    value: an item that fails need not take the others with it.
    """

    code: Run
    slots: int
    references: tuple[Reference, ...]
    problems: tuple[Diagnostic, ...]
    source: SourceText
    start: int
    end: int
    constant: Value | None = None
    mentions: tuple[Mention, ...] = ()
    parts: tuple[tuple[Run | None, Run], ...] = ()

    @property
    def range(self) -> Range:
        return self.source.range(self.start, self.end)

    def run(self, env: Env) -> Value:
        """Evaluate. DiagnosticError when evaluation fails."""
        if self.slots:
            env.slots = [NULL] * self.slots
        return self.code(env)

    def text_of(self, mention: Mention) -> str:
        """The mention as it is written."""
        return self.source.text[mention.start : mention.end]


@dataclass(frozen=True, slots=True)
class Site:
    """A stretch of source that an error can point at."""

    source: SourceText
    start: int
    end: int

    def error(self, problem: Refused) -> DiagnosticError:
        return self.failure(problem.summary, problem.detail)

    def failure(self, summary: str, detail: str) -> DiagnosticError:
        return DiagnosticError(error(summary, detail, self.source.range(self.start, self.end)))
