"""The evaluator: runs the nodes of a graph in order, each for every instance of its module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coder_admin.terraform.config.declarations import ModuleCall, Output, Resource, Variable
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error
from coder_admin.terraform.environment import BudgetError, Env, Meter
from coder_admin.terraform.evaluation import inputs
from coder_admin.terraform.evaluation.conditions import broken, report_assertions, report_broken
from coder_admin.terraform.evaluation.content import run
from coder_admin.terraform.evaluation.repetition import (
    UNKNOWN_KEYS,
    UNKNOWN_REPETITION,
    instance_keys,
    repeat_of,
    repetition,
    unknown_keys,
)
from coder_admin.terraform.evaluation.resources import resource_of, run_resource
from coder_admin.terraform.evaluation.scope import ModuleState, ResourceState, Scope, key_text
from coder_admin.terraform.evaluation.templates import template_renderer
from coder_admin.terraform.functions.registry import FunctionContext
from coder_admin.terraform.graph import Node
from coder_admin.terraform.model import EvalContext, Instance, Key, Provider
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, EPHEMERAL, SENSITIVE, Value

if TYPE_CHECKING:
    from coder_admin.terraform.module import Module


@dataclass(frozen=True, slots=True)
class Record:
    """What running one node took and said, in all instances of its module."""

    steps: int
    instances: int
    diagnostics: tuple[Diagnostic, ...]


class Evaluator:
    """One evaluation of one tree. Used once, by one thread; nothing in it changes afterwards.

    given: values of the root module's variables. given_at: where they are written, as far as in a file.
    """

    def __init__(
        self,
        module: Module,
        *,
        variables: Mapping[str, Value],
        given_at: Mapping[str, Range],
        provider: Provider | None,
        context: EvalContext,
        broken_files: bool = False,
    ) -> None:
        self.module = module
        self.graph = module.graph
        self.given = variables
        self.given_at = given_at
        self.provider = provider
        self.context = context
        self.broken_files = broken_files
        self.meter = Meter(context.budget, context.look)
        self.root = Scope(module.node, "", context.workspace, None)
        self.scopes: dict[tuple[str, ...], list[Scope]] = {(): [self.root]}
        # Relative paths start at the root module's directory, as they do when Terraform runs there.
        self.functions = FunctionContext(
            module.files, module.node.config.directory, context.now, self.meter, home=context.home
        )
        self.functions.render_template = template_renderer(self.meter, self.functions)
        self.diagnostics: list[Diagnostic] = []
        self.by_node: dict[Node, list[Instance]] = {}
        self.records: dict[Node, Record] = {}
        # By address: what the node that is run now had, when its arguments are still the same.
        self.kept: Mapping[str, Instance] = {}
        self.stopped = False

    def run(self, nodes: list[Node]) -> None:
        """Evaluate nodes, in their order. What the budget says ends up in the diagnostics."""

        def every() -> None:
            for node in nodes:
                self.node(node)

        self.guarded(every)

    def guarded(self, evaluate: Callable[[], object]) -> None:
        """Run something that evaluates nodes; after a stop, everything that was not reached is unknown."""
        try:
            evaluate()
            self.show_cycles()
        except BudgetError as problem:
            self.diagnostics.append(problem.diagnostic)
            self.stopped = True
        except RecursionError:
            detail = "A value of this template is nested too deeply."
            self.diagnostics.append(error("Value nested too deeply", detail, code="budget"))
            self.stopped = True
        if self.stopped:
            for node in self.graph.nodes:
                if node.kind != "call":
                    self.unknown_node(node)

    def node(self, node: Node) -> None:
        meter, before = self.meter, len(self.diagnostics)
        steps, instances = meter.steps, meter.instances
        meter.spend(1)
        if node.in_cycle:
            self.unknown_node(node)
        else:
            handle = _HANDLERS[node.kind]
            for scope in self.scopes.get(node.module.path, ()):
                handle(self, node, scope)
        self.records[node] = Record(
            meter.steps - steps, meter.instances - instances, tuple(self.diagnostics[before:])
        )

    def show_cycles(self) -> None:
        """Evaluate blocks that depend on themselves, last of all: to others they stay unknown, but what they
        declare can be shown."""
        if self.context.strict or not self.graph.diagnostics:
            return
        for node in self.graph.nodes:
            if node.in_cycle and node.kind == "resource":
                for scope in self.scopes.get(node.module.path, ()):
                    run_resource(self, node, scope, seen=False)

    def unknown_node(self, node: Node) -> None:
        """Give the node's name a value that is unknown, wherever it has none."""
        for scope in self.scopes.get(node.module.path, ()):
            match node.kind:
                case "variable":
                    scope.variables.setdefault(node.name, DYNAMIC_UNKNOWN)
                case "local":
                    scope.locals.setdefault(node.name, DYNAMIC_UNKNOWN)
                case "output":
                    scope.outputs.setdefault(node.name, DYNAMIC_UNKNOWN)
                case "resource":
                    resource = resource_of(node)
                    state = ResourceState(resource, repeat_of(resource), ())
                    state.expanded = False
                    scope.resources.setdefault((resource.mode, resource.key), state)
                case "call":
                    call = node.module.config.calls[node.name]
                    scope.modules.setdefault(node.name, ModuleState(repeat_of(call), missing=True))
                case _:
                    pass

    def env(self, scope: Scope | None) -> Env:
        """A fresh environment for an expression in this scope (None: an expression of nowhere)."""
        return Env(scope, self.meter, self.functions)

    def variable(self, node: Node, scope: Scope) -> None:
        variable = node.module.config.variables[node.name]
        where: Range | None = None
        given: Value | None
        if scope.parent is None:
            given = self.given.get(variable.name)
            where = self.given_at.get(variable.name)
            if given is None and variable.required and self.context.strict and not self.broken_files:
                self.diagnostics.append(inputs.missing(variable))
        else:
            given, where = self.argument(node, scope, variable)
        value, problem = inputs.final_value(variable, given, where, module=scope.address)
        if problem is not None:
            self.diagnostics.append(problem)
        scope.variables[variable.name] = value

    def argument(self, node: Node, scope: Scope, variable: Variable) -> tuple[Value | None, Range | None]:
        """The value that the module call passes, and where it is written."""
        call = node.module.call
        compiled = None if call is None else call.arguments.get(variable.name)
        if compiled is None:
            return None, None
        env = self.env(scope.parent)
        env.count_index, env.each_key, env.each_value = scope.count_index, scope.each_key, scope.each_value
        return run(compiled, env, self.diagnostics), compiled.range

    def validation(self, node: Node, scope: Scope) -> None:
        variable = node.module.config.variables[node.name]
        for rule in variable.validations:
            message = broken(rule, self.env(scope), self.diagnostics, "Invalid variable validation result")
            if message is not None:
                where = variable.range
                call = node.module.call
                if call is not None and variable.name in call.argument_ranges:
                    where = call.argument_ranges[variable.name]
                detail = f"{message}\n\nThis was checked by the validation rule at {rule.block}."
                self.diagnostics.append(error("Invalid value for variable", detail, where, "validation"))

    def local(self, node: Node, scope: Scope) -> None:
        local = node.module.config.locals[node.name]
        scope.locals[node.name] = run(local.value, self.env(scope), self.diagnostics)

    def output(self, node: Node, scope: Scope) -> None:
        output: Output = node.module.config.outputs[node.name]
        env = self.env(scope)
        summary = "Module output value precondition failed"
        report_broken(output.preconditions, env, summary, self.diagnostics, self.diagnostics)
        value = DYNAMIC_UNKNOWN if output.value is None else run(output.value, env, self.diagnostics)
        if output.sensitive:
            value = value.with_marks(SENSITIVE)
        elif scope.parent is None and value.deep_marks & SENSITIVE:
            self.diagnostics.append(
                error(
                    "Output refers to sensitive values",
                    "To reduce the risk of accidentally exporting sensitive data that was intended to be "
                    "only internal, Terraform requires that any root module output containing sensitive "
                    "data be explicitly marked as sensitive, to confirm your intent.\n\nIf you do intend "
                    "to export this data, annotate the output value as sensitive by adding the following "
                    "argument:\n    sensitive = true",
                    output.range,
                )
            )
        if value.deep_marks & EPHEMERAL and not output.ephemeral:
            detail = (
                "This output value is not declared as returning an ephemeral value, so it cannot be set to a "
                "result derived from an ephemeral value."
            )
            where = output.range if output.value is None else output.value.range
            self.diagnostics.append(error("Ephemeral value not allowed", detail, where))
        scope.outputs[node.name] = value

    def check(self, node: Node, scope: Scope) -> None:
        rules = node.module.config.checks[node.name].assertions
        report_assertions(rules, self.env(scope), self.diagnostics)

    def call(self, node: Node, scope: Scope) -> None:
        call = node.module.config.calls[node.name]
        child = node.module.children.get(node.name)
        state = ModuleState(repeat_of(call), missing=child is None)
        scope.modules[node.name] = state
        keys = self.keys(call, self.env(scope))
        if keys is None:
            state.expanded = False
        if child is None:
            return
        scopes = self.scopes.setdefault(child.path, [])
        for key, each in (keys if keys is not None else {None: None}).items():
            address = scope.prefixed(f"module.{call.name}{key_text(key)}")
            inner = Scope(child, address, self.context.workspace, scope)
            inner.unknown_key = keys is None
            repeated = UNKNOWN_REPETITION if keys is None else repetition(key, each)
            inner.count_index, inner.each_key, inner.each_value = repeated
            state.scopes[key] = inner
            scopes.append(inner)

    def keys(self, block: Resource | ModuleCall, env: Env) -> dict[Key, Value | None] | None:
        """Instance keys; None while unknown. A wrong or (strictly) unknown repetition is reported."""
        try:
            found = instance_keys(block, env)
            compiled = block.for_each or block.count
            if found is None and self.context.strict and not (compiled is not None and compiled.problems):
                raise unknown_keys(block)
            return found
        except BudgetError:
            raise
        except DiagnosticError as problem:
            self.diagnostics.append(problem.diagnostic)
            return None

    @property
    def instances(self) -> list[Instance]:
        """All instances, in source order."""
        nodes = sorted(self.by_node, key=lambda node: node.order)
        return [instance for node in nodes for instance in self.by_node[node]]

    def findings(self) -> list[Diagnostic]:
        """The diagnostics in order. That a repetition is unknown is left out after an error: it is what
        follows when the error's expression has no value."""
        found: list[Diagnostic] = []
        failed = False
        for diagnostic in self.diagnostics:
            if diagnostic.code != UNKNOWN_KEYS or not failed:
                found.append(diagnostic)
                failed = failed or diagnostic.is_error
        return found


_HANDLERS: dict[str, Callable[[Evaluator, Node, Scope], None]] = {
    "variable": Evaluator.variable,
    "validation": Evaluator.validation,
    "local": Evaluator.local,
    "output": Evaluator.output,
    "check": Evaluator.check,
    "call": Evaluator.call,
    "resource": run_resource,
}
