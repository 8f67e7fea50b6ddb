"""What a compiled expression runs in: the values it can see, and what it may still use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coder_admin.terraform.diagnostics import DiagnosticError, error
from coder_admin.terraform.functions.registry import FunctionContext
from coder_admin.terraform.model import Budget
from coder_admin.terraform.values import Value

if TYPE_CHECKING:
    from coder_admin.terraform.evaluation.scope import Scope

_CLOCK_EVERY = 2_000  # steps between two looks at the clock


class BudgetError(DiagnosticError):
    """An evaluation used more than its budget. Ends the whole evaluation; try() does not catch it."""


class Meter:
    """Counts what an evaluation uses. One per evaluation, not shared by threads."""

    __slots__ = ("_check_at", "_deadline", "_look", "budget", "instances", "steps")

    def __init__(self, budget: Budget, look: Callable[[], object] | None = None) -> None:
        self.budget = budget
        self._look = look
        self.steps = 0
        self.instances = 0
        self._check_at = min(_CLOCK_EVERY, budget.steps)
        self._deadline = time.monotonic() + budget.seconds

    def spend(self, steps: int) -> None:
        """Account for some units of work. BudgetError when they or the time are used up; what `look` raises
        passes."""
        self.steps += steps
        if self.steps >= self._check_at:
            self._check()

    def _check(self) -> None:
        if self._look is not None:
            self._look()
        if self.steps > self.budget.steps:
            raise _exceeded(f"The template needs more than {self.budget.steps} steps of evaluation.")
        if time.monotonic() > self._deadline:
            raise _exceeded(f"The template needs more than {self.budget.seconds:g} seconds to evaluate.")
        self._check_at = min(self.steps + _CLOCK_EVERY, self.budget.steps + 1)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The clock stands still: for what a provider does, which is not the template's doing."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._deadline += time.monotonic() - started

    def walk(self, value: Value) -> None:
        """Account for an operation that looks at every part of a value."""
        data = value.data
        kind = type(data)
        if kind is tuple or kind is dict:
            self.spend(value.size >> 3)
        elif kind is str:
            self.spend(len(data) >> 10)

    def weigh(self, value: Value) -> Value:
        """The collection just made. BudgetError when it is too large or nested too deeply."""
        self.spend(len(value.data) >> 4)
        if value.size > self.budget.elements:
            raise _exceeded(
                f"The template makes a value of {value.size} elements; {self.budget.elements} are allowed."
            )
        if value.depth > self.budget.nesting:
            raise _exceeded(f"The template makes a value nested more than {self.budget.nesting} levels deep.")
        return value

    def check_size(self, size: int) -> None:
        """BudgetError when a text or collection of this size is too large."""
        self.spend(size >> 6)
        if size > self.budget.text:
            raise _exceeded(
                f"The template makes a text or collection of {size} characters or elements; "
                f"{self.budget.text} are allowed."
            )

    def add_instances(self, count: int) -> None:
        """Account for instances of resources and modules."""
        self.instances += count
        if self.instances > self.budget.instances:
            raise _exceeded(f"The template has more than {self.budget.instances} instances.")


def _exceeded(detail: str) -> BudgetError:
    return BudgetError(error("Evaluation budget exceeded", detail, code="budget"))


class Env:
    """The variables of one expression's run: the module's scope, iteration slots, each/count/self."""

    __slots__ = (
        "count_index",
        "each_key",
        "each_value",
        "functions",
        "meter",
        "scope",
        "self_value",
        "slots",
        "vars",
    )

    def __init__(self, scope: Scope | None, meter: Meter, functions: FunctionContext) -> None:
        self.scope = scope
        self.meter = meter
        self.functions = functions
        self.slots: list[Value] = []
        self.each_key: Value | None = None
        self.each_value: Value | None = None
        self.count_index: Value | None = None
        self.self_value: Value | None = None
        self.vars: Mapping[str, Value] = {}  # of a template that templatefile() renders
