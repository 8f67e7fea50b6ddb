"""The compiler: one method per kind of node, each giving a closure.

Names bound by for-expressions and splats are slots: the compiler knows their number, so that at run time they
are a list index. Everything else that has a name is the Resolver's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coder_admin.terraform import conditionals, operators
from coder_admin.terraform.compile import calls, collections, templates
from coder_admin.terraform.compile.core import (
    Compiled,
    Mention,
    Reference,
    Resolver,
    Run,
    Site,
    StaticProblem,
)
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, error
from coder_admin.terraform.environment import BudgetError, Env
from coder_admin.terraform.numbers import Float, NumberError, parse_number
from coder_admin.terraform.operators import Refused
from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.reader import TOO_DEEP
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.types import BOOL, NUMBER, STRING
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, NULL, Value, boolean, string, unknown

UNKNOWN_STRING = unknown(STRING)
_EQUALITY = (t.EQUAL_OP, t.NOT_EQUAL)
_ORDERING = (t.LESS, t.LESS_EQUAL, t.GREATER, t.GREATER_EQUAL)


class Compiler:
    """Compiles expressions of one file against one resolver."""

    def __init__(self, source: SourceText, resolver: Resolver) -> None:
        self.source = source
        self.resolver = resolver
        self.slots: dict[str, int] = {}
        self.item_slots: dict[int, int] = {}  # splat placeholders, by identity
        self.depth = 0
        self.most = 0
        self.references: list[Reference] = []
        self.mentions: list[Mention] = []
        self.parts: list[tuple[Run | None, Run]] = []  # of the object or tuple compiled last
        self.problems: list[Diagnostic] = []
        self.constants: dict[Run, Value] = {}

    def finish(self, node: tree.Node) -> Compiled:
        """Compile a whole expression."""
        try:
            code = self.compile(node)
        except RecursionError:
            where = self.source.range(node.start, node.end)
            detail = "Split this expression into several local values."
            self.problems.append(error(TOO_DEEP, detail, where, "budget"))
            code = self.constant(DYNAMIC_UNKNOWN)
        return Compiled(
            code,
            self.most,
            tuple(dict.fromkeys(self.references)),
            tuple(self.problems),
            self.source,
            node.start,
            node.end,
            self.constants.get(code),
            tuple(self.mentions),
            tuple(self.parts) if isinstance(node, tree.ObjectCons | tree.TupleCons) else (),
        )

    def compile(self, node: tree.Node) -> Run:
        return _METHODS[type(node)](self, node)

    def site(self, start: int, end: int) -> Site:
        return Site(self.source, start, end)

    def site_of(self, node: tree.Node) -> Site:
        return Site(self.source, node.start, node.end)

    def constant(self, value: Value) -> Run:
        def run(_env: Env) -> Value:
            return value

        self.constants[run] = value
        return run

    def bind(self, names: list[str | None]) -> tuple[int, dict[str, int]]:
        """Give slots to names, in a row; returns the first slot and what to restore with `unbind`."""
        before = self.slots
        first = self.depth
        self.slots = dict(before)
        for offset, name in enumerate(names):
            if name is not None:
                self.slots[name] = first + offset
        self.depth += len(names)
        self.most = max(self.most, self.depth)
        return first, before

    def unbind(self, first: int, before: dict[str, int]) -> None:
        self.slots = before
        self.depth = first

    def problem(self, node: tree.Node, found: StaticProblem, end: int | None = None) -> Run:
        where = self.source.range(node.start, node.end if end is None else end)
        self.problems.append(error(found.summary, found.detail, where, "reference"))
        self.mentions.append(Mention(node.start, node.end if end is None else end, None))
        return self.constant(DYNAMIC_UNKNOWN)

    def literal(self, node: tree.Literal) -> Run:
        value = node.value
        if isinstance(value, str):
            return self.constant(string(value))
        return self.constant(NULL if value is None else boolean(value))

    def broken(self, _node: tree.Broken) -> Run:
        return self.constant(DYNAMIC_UNKNOWN)

    def number(self, node: tree.NumberLiteral) -> Run:
        return self.constant(Value(NUMBER, self.number_of(node)))

    def number_of(self, node: tree.NumberLiteral) -> int | Float:
        try:
            return parse_number(node.text)
        except NumberError as found:
            where = self.source.range(node.start, node.end)
            self.problems.append(error("Invalid number literal", f"{found}.", where))
            return 0

    def traversal(self, node: tree.Traversal) -> Run:
        slot = self.slots.get(node.root)
        if slot is not None:
            base: Run = self.slot(slot)
            used = 0
        else:
            try:
                base, used, reference = self.resolver.resolve(node)
            except StaticProblem as found:
                return self.problem(node, found)
            if reference is not None:
                self.references.append(reference)
        code = self.steps(base, node.steps[used:])
        if slot is None:
            self.mentions.append(Mention(node.start, node.end, code))
        return code

    def slot(self, slot: int) -> Run:
        def run(env: Env) -> Value:
            return env.slots[slot]

        return run

    def steps(self, base: Run, steps: list[tree.Step]) -> Run:
        """The value at the end of attribute and index steps. Errors point at the step that fails."""
        if not steps:
            return base
        path: list[tuple[str, Value | None, tree.Step]] = []
        for step in steps:
            if isinstance(step, tree.AttributeStep):
                path.append((string(step.name).data, None, step))
            elif isinstance(step.key, str):
                path.append(("", string(step.key), step))
            else:
                path.append(("", Value(NUMBER, self.number_of(step.key)), step))
        source = self.source

        def run(env: Env) -> Value:
            value = base(env)
            try:
                for name, key, step in path:  # noqa: B007 (the step at hand is where an error is)
                    if key is None:
                        value = operators.get_attribute(value, name)
                    else:
                        value = operators.index(value, key)
            except Refused as problem:
                raise Site(source, step.start, step.end).error(problem) from None
            return value

        return run

    def relative(self, node: tree.RelativeTraversal) -> Run:
        return self.steps(self.compile(node.source), node.steps)

    def index(self, node: tree.Index) -> Run:
        collection, key = self.compile(node.collection), self.compile(node.key)
        site = self.site(node.collection.end, node.end)

        def run(env: Env) -> Value:
            try:
                return operators.index(collection(env), key(env))
            except Refused as problem:
                raise site.error(problem) from None

        return run

    def unary(self, node: tree.Unary) -> Run:
        inner = self.compile(node.operand)
        operate = operators.negate if node.operator == t.MINUS else operators.invert
        site = self.site_of(node.operand)
        value = self.constants.get(inner)
        if value is not None and value.type is NUMBER and node.operator == t.MINUS:
            return self.constant(operators.negate(value))

        def run(env: Env) -> Value:
            try:
                return operate(inner(env))
            except Refused as problem:
                raise site.error(problem) from None

        return run

    def binary(self, node: tree.Binary) -> Run:
        first = self.compile(node.first)
        rest = [(operator, self.compile(operand)) for operator, operand in node.rest]
        places = _Places(self.source, node)
        if rest[0][0] in (t.AND, t.OR):
            return self.logical(first, rest, places)
        chain: list[tuple[Callable[[int, Value, Value], Value], int, Run]] = []
        for operator, operand in rest:
            if operator in _EQUALITY:
                chain.append((operators.equality, operator, operand))
            elif operator in _ORDERING:
                chain.append((operators.ordering, operator, operand))
            else:
                chain.append((operators.arithmetic, operator, operand))

        def run(env: Env) -> Value:
            value = first(env)
            at = 0
            try:
                for operate, operator, operand in chain:
                    other = operand(env)
                    if operate is operators.equality:
                        env.meter.walk(value)
                    value = operate(operator, value, other)
                    at += 1
            except Refused as problem:
                raise places.error(problem, at) from None
            return value

        return run

    def logical(self, first: Run, rest: list[tuple[int, Run]], places: _Places) -> Run:
        """`&&` and `||`: an error on a side that does not matter for the result is forgotten."""

        def run(env: Env) -> Value:
            left, left_error = attempt(first, env)
            at = 0
            try:
                for operator, operand in rest:
                    right, right_error = attempt(operand, env)
                    left = operators.operand(left, BOOL, "left")
                    right = operators.operand(right, BOOL, "right")
                    result = operators.decided(operator, left, right)
                    if result is not None:
                        left_error = left_error if operators.decides(operator, left) else right_error
                    elif left_error is not None or right_error is not None:
                        left_error = left_error or right_error
                        result = operators.UNKNOWN_BOOL
                    else:
                        result = operators.logical(operator, left, right)
                    left = result
                    at += 1
            except Refused as problem:
                raise places.error(problem, at) from None
            if left_error is not None:
                raise left_error
            return left

        return run

    def conditional(self, node: tree.Conditional) -> Run:
        branches = [
            (
                self.compile(test),
                self.compile(value),
                _failed_value(value),
                self.site_of(test),
                self.site(value.start, node.end),
            )
            for test, value in node.branches
        ]
        branches.reverse()
        otherwise, failed_otherwise = self.compile(node.otherwise), _failed_value(node.otherwise)

        def run(env: Env) -> Value:
            """Both sides are evaluated, as Terraform does: the result's type depends on both."""
            result, problem = attempt(otherwise, env, failed_otherwise)
            for test_code, value_code, failed_value, test_site, site in branches:
                value, value_problem = attempt(value_code, env, failed_value)
                test, test_problem = attempt(test_code, env)
                try:
                    test = conditionals.condition(test)
                except Refused as refused:
                    result, problem = DYNAMIC_UNKNOWN, test_site.error(refused)
                    continue
                if test_problem is not None:
                    result, problem = DYNAMIC_UNKNOWN, test_problem
                    continue
                picked = value_problem if test.data is True else problem
                if test.data is not True and test.data is not False:
                    picked = value_problem or problem
                try:
                    if value.type is not result.type:  # one of them may be converted
                        env.meter.walk(value)
                        env.meter.walk(result)
                    result = conditionals.choose(test, value, result)
                except Refused as refused:
                    result, picked = DYNAMIC_UNKNOWN, picked or site.error(refused)
                problem = picked
            if problem is not None:
                raise problem
            return result

        return run

    def parentheses(self, node: tree.Parentheses) -> Run:
        return self.compile(node.expr)

    def wrap(self, node: tree.TemplateWrap) -> Run:
        return self.compile(node.expr)

    def item(self, node: tree.SplatItem) -> Run:
        return self.slot(self.item_slots[id(node)])


@dataclass(frozen=True, slots=True)
class _Places:
    """Where in a chain of operators an error is: at one operand, or over both."""

    source: SourceText
    node: tree.Binary

    def error(self, problem: Refused, at: int) -> DiagnosticError:
        """The problem of the operator number `at`."""
        first, rest = self.node.first, self.node.rest
        right = rest[at][1]
        start, end = first.start, right.end
        if problem.side == "right":
            start = right.start
        elif problem.side == "left":
            end = rest[at - 1][1].end if at else first.end
        return Site(self.source, start, end).error(problem)


def _failed_value(node: tree.Node) -> Value:
    """What stands for a side of a conditional that fails: a template is a string even then."""
    return UNKNOWN_STRING if isinstance(node, tree.Template) else DYNAMIC_UNKNOWN


def attempt(code: Run, env: Env, failed: Value = DYNAMIC_UNKNOWN) -> tuple[Value, DiagnosticError | None]:
    """The value, or an unknown one and what went wrong. What the budget says is not caught."""
    try:
        return code(env), None
    except BudgetError:
        raise
    except DiagnosticError as problem:
        return failed, problem


_METHODS: dict[type[tree.Node], Callable[[Compiler, Any], Run]] = {
    tree.Literal: Compiler.literal,
    tree.Broken: Compiler.broken,
    tree.NumberLiteral: Compiler.number,
    tree.Traversal: Compiler.traversal,
    tree.RelativeTraversal: Compiler.relative,
    tree.Index: Compiler.index,
    tree.Unary: Compiler.unary,
    tree.Binary: Compiler.binary,
    tree.Conditional: Compiler.conditional,
    tree.Parentheses: Compiler.parentheses,
    tree.TemplateWrap: Compiler.wrap,
    tree.SplatItem: Compiler.item,
    tree.TupleCons: collections.compile_tuple,
    tree.ObjectCons: collections.compile_object,
    tree.For: collections.compile_for,
    tree.Splat: collections.compile_splat,
    tree.Template: templates.compile_template,
    tree.TemplateIf: templates.compile_if,
    tree.TemplateFor: templates.compile_for,
    tree.Call: calls.compile_call,
}


def compile_expression(source: SourceText, node: tree.Node, resolver: Resolver) -> Compiled:
    """Compile an expression of a file."""
    return Compiler(source, resolver).finish(node)
