"""The evaluator: runs the nodes of a graph in order, each for every instance of its module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from coder_admin.terraform.compile.core import Compiled
from coder_admin.terraform.config.declarations import ModuleCall, Output, Resource, Rule, Variable
from coder_admin.terraform.config.loader import ModuleNode
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error, warning
from coder_admin.terraform.environment import BudgetError, Env, Meter
from coder_admin.terraform.evaluation import inputs
from coder_admin.terraform.evaluation.builtin import plan_builtin
from coder_admin.terraform.evaluation.content import evaluate_body, run
from coder_admin.terraform.evaluation.repetition import instance_keys, unknown_keys
from coder_admin.terraform.evaluation.scope import ModuleState, ResourceState, Scope, key_text
from coder_admin.terraform.evaluation.templates import template_renderer
from coder_admin.terraform.filesystem import FileSystem
from coder_admin.terraform.functions.registry import FunctionContext
from coder_admin.terraform.graph import Graph, Node
from coder_admin.terraform.model import EvalContext, Instance, Key, Lifecycle, Provider
from coder_admin.terraform.types import BOOL, NUMBER
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, SENSITIVE, Value, number, string, to_text, unknown

if TYPE_CHECKING:
    from coder_admin.terraform.evaluation.result import Evaluation


class Evaluator:
    """One evaluation of one tree. Used once, by one thread."""

    def __init__(
        self,
        root: ModuleNode,
        graph: Graph,
        files: FileSystem,
        *,
        variables: Mapping[str, Value],
        provider: Provider | None,
        context: EvalContext,
        broken_files: bool = False,
    ) -> None:
        self.graph = graph
        self.files = files
        self.given = variables
        self.provider = provider
        self.context = context
        self.meter = Meter(context.budget)
        self.root = Scope(root, "", context.workspace, None)
        self.scopes: dict[tuple[str, ...], list[Scope]] = {(): [self.root]}
        # Relative paths start at the root module's directory, as they do when Terraform runs there.
        self.functions = FunctionContext(files, root.config.directory, context.now, self.meter)
        self.functions.render_template = template_renderer(self.meter, self.functions)
        self.diagnostics: list[Diagnostic] = []
        self.instances: list[tuple[int, Instance]] = []
        self.by_node: dict[Node, list[Instance]] = {}
        self.ancestors: dict[Node, dict[Node, None]] = {}
        self.stopped = False
        self.broken_files = broken_files

    def run(self, wanted: set[Node] | None) -> None:
        """Evaluate all nodes, or those wanted. What the budget says ends up in the diagnostics."""
        try:
            for node in self.graph.nodes:
                if wanted is None or node in wanted:
                    self.node(node)
        except BudgetError as problem:
            self.diagnostics.append(problem.diagnostic)
            self.stopped = True
        except RecursionError:
            self.diagnostics.append(
                error(
                    "Value nested too deeply", "A value of this template is nested too deeply.", code="budget"
                )
            )
            self.stopped = True
        if self.stopped:
            self.fill()

    def fill(self) -> None:
        """After a stop: everything that was not reached is unknown."""
        for node in self.graph.nodes:
            if node.kind != "call":
                self.unknown_node(node)

    def node(self, node: Node) -> None:
        self.meter.spend(1)
        if node.in_cycle:
            self.unknown_node(node)
            return
        handle = _HANDLERS[node.kind]
        for scope in self.scopes.get(node.module.path, ()):
            handle(self, node, scope)

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
                    resource = self.resource_of(node)
                    state = ResourceState(resource, _repeat(resource), ())
                    state.expanded = False
                    scope.resources.setdefault((resource.mode, resource.key), state)
                case "call":
                    call = node.module.config.calls[node.name]
                    scope.modules.setdefault(node.name, ModuleState(_repeat(call), missing=True))
                case _:
                    pass

    def env(self, scope: Scope | None) -> Env:
        """A fresh environment for an expression in this scope (None: an expression of nowhere)."""
        return Env(scope, self.meter, self.functions)

    def value(self, compiled: Compiled, env: Env) -> Value:
        return run(compiled, env, self.diagnostics)

    def variable(self, node: Node, scope: Scope) -> None:
        variable = node.module.config.variables[node.name]
        where: Range | None = None
        given: Value | None
        if scope.parent is None:
            given = self.given.get(variable.name)
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
        return self.value(compiled, env), compiled.range

    def validation(self, node: Node, scope: Scope) -> None:
        variable = node.module.config.variables[node.name]
        for rule in variable.validations:
            message = self.broken(rule, self.env(scope))
            if message is not None:
                where = variable.range
                call = node.module.call
                if call is not None and variable.name in call.argument_ranges:
                    where = call.argument_ranges[variable.name]
                detail = f"{message}\n\nThis was checked by the validation rule at {rule.range}."
                self.diagnostics.append(error("Invalid value for variable", detail, where, "validation"))

    def local(self, node: Node, scope: Scope) -> None:
        local = node.module.config.locals[node.name]
        scope.locals[node.name] = self.value(local.value, self.env(scope))

    def output(self, node: Node, scope: Scope) -> None:
        output: Output = node.module.config.outputs[node.name]
        env = self.env(scope)
        for rule in output.preconditions:
            message = self.broken(rule, env)
            if message is not None:
                self.diagnostics.append(
                    error("Module output value precondition failed", message, rule.range, "condition")
                )
        value = DYNAMIC_UNKNOWN if output.value is None else self.value(output.value, env)
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
        scope.outputs[node.name] = value

    def check(self, node: Node, scope: Scope) -> None:
        for rule in node.module.config.checks[node.name].assertions:
            problems: list[Diagnostic] = []
            env = self.env(scope)
            condition = run(rule.condition, env, problems)
            if problems:
                self.diagnostics += [warning(p.summary, p.detail, p.range, "check") for p in problems]
            elif condition.deeply_unmarked().data is False:
                message = self.message(rule, env)
                self.diagnostics.append(warning("Check block assertion failed", message, rule.range, "check"))

    def broken(self, rule: Rule, env: Env) -> str | None:
        """The message of a rule whose condition is false; None when it holds or is unknown."""
        condition = self.value(rule.condition, env)
        where = rule.range
        if condition.data is None:
            self.diagnostics.append(
                error(
                    "Invalid condition result",
                    "Condition expression must return either true or false, not null.",
                    where,
                )
            )
            return None
        try:
            condition = convert(condition, BOOL)
        except ConversionError as problem:
            self.diagnostics.append(
                error("Invalid condition result", f"Invalid condition result value: {problem}.", where)
            )
            return None
        return self.message(rule, env) if condition.data is False else None

    def message(self, rule: Rule, env: Env) -> str:
        if rule.message is None:
            return "The condition does not hold."
        value = self.value(rule.message, env)
        if value.is_sensitive:
            return "The error message included a sensitive value, so it will not be displayed."
        try:
            return to_text(value).strip()
        except ValueError:
            return "The condition does not hold, and its error message is not known."

    def call(self, node: Node, scope: Scope) -> None:
        call = node.module.config.calls[node.name]
        child = node.module.children.get(node.name)
        state = ModuleState(_repeat(call), missing=child is None)
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
            if keys is None:
                inner.unknown_key = True
                inner.count_index, inner.each_key, inner.each_value = _UNKNOWN_REPETITION
            else:
                inner.count_index, inner.each_key, inner.each_value = _repetition(key, each)
            state.scopes[key] = inner
            scopes.append(inner)

    def keys(self, block: Resource | ModuleCall, env: Env) -> dict[Key, Value | None] | None:
        """Instance keys; None while unknown. A wrong or (strictly) unknown repetition is reported."""
        try:
            found = instance_keys(block, env)
            compiled = block.for_each or block.count
            if found is None and self.context.strict and not (compiled is not None and compiled.problems):
                before = any(item.severity == "error" for item in self.diagnostics)
                if not before:
                    raise unknown_keys(block)
            return found
        except BudgetError:
            raise
        except DiagnosticError as problem:
            self.diagnostics.append(problem.diagnostic)
            return None

    def resource_of(self, node: Node) -> Resource:
        mode, _, name = node.name.partition(".")
        resources = node.module.config.resources
        if mode == "data" and ("data", name) in resources:
            return resources[("data", name)]
        return resources[("managed", node.name)]

    def resource(self, node: Node, scope: Scope) -> None:
        resource = self.resource_of(node)
        config = node.module.config
        state = ResourceState(resource, _repeat(resource), config.attribute_names)
        env = self.env(scope)
        keys = self.keys(resource, env)
        scope.resources[(resource.mode, resource.key)] = state
        before = self.dependencies(node)
        if keys is None:
            state.expanded = False
            keys = {None: None}
        for key, each in keys.items():
            env = self.env(scope)
            if state.expanded:
                env.count_index, env.each_key, env.each_value = _repetition(key, each)
            else:
                env.count_index, env.each_key, env.each_value = _UNKNOWN_REPETITION
            instance = self.instance(resource, scope, key, env, before)
            instance.unknown_key = not state.expanded or scope.unknown_key
            state.instances[key] = instance
            self.by_node.setdefault(node, []).append(instance)
            self.instances.append((node.order, instance))
            self.decide(resource, instance, env)

    def instance(
        self, resource: Resource, scope: Scope, key: Key, env: Env, before: tuple[str, ...]
    ) -> Instance:
        self.meter.spend(1)
        content = evaluate_body(resource.body, env)
        problems = list(content.diagnostics)
        rules = resource.lifecycle
        replace = tuple((text, run(compiled, env, problems)) for text, compiled in rules.replace_triggered_by)
        lifecycle = Lifecycle(
            rules.create_before_destroy, rules.prevent_destroy, rules.ignore_changes, replace
        )
        address = scope.prefixed(f"{resource.address}{key_text(key)}")
        return Instance(
            address,
            resource.mode,
            resource.type,
            resource.name,
            scope.address,
            key,
            content,
            resource.range,
            before,
            lifecycle,
            diagnostics=problems,
        )

    def decide(self, resource: Resource, instance: Instance, env: Env) -> None:
        """Conditions, and the provider's answer in between."""
        for rule in resource.lifecycle.preconditions:
            message = self.broken(rule, env)
            if message is not None:
                instance.diagnostics.append(
                    error("Resource precondition failed", message, rule.range, "condition")
                )
        instance.value = self.ask(instance)
        env.self_value = DYNAMIC_UNKNOWN if instance.value is None else instance.value
        for rule in resource.lifecycle.postconditions:
            message = self.broken(rule, env)
            if message is not None:
                instance.diagnostics.append(
                    error("Resource postcondition failed", message, rule.range, "condition")
                )
        self.diagnostics += instance.diagnostics

    def ask(self, instance: Instance) -> Value | None:
        provider = self.provider
        if provider is not None:
            try:
                with self.meter.paused():
                    found = (
                        provider.data(instance) if instance.mode == "data" else provider.resource(instance)
                    )
            except BudgetError:
                raise
            except DiagnosticError as problem:
                instance.diagnostics.append(problem.diagnostic)
                return None
            if found is not None:
                return found
        return plan_builtin(instance)

    def dependencies(self, node: Node) -> tuple[str, ...]:
        """Addresses of the instances that a resource depends on, through everything in between."""
        return tuple(
            instance.address
            for before in self.resource_ancestors(node)
            for instance in self.by_node.get(before, ())
        )

    def resource_ancestors(self, node: Node) -> dict[Node, None]:
        """The nearest resources before a node; nodes before it have been asked already, so this is no deep
        recursion but one look per dependency."""
        known = self.ancestors.get(node)
        if known is not None:
            return known
        found: dict[Node, None] = {}
        stack = list(reversed(node.depends_on))
        seen: set[Node] = set()
        while stack:
            before = stack.pop()
            if before in seen:
                continue
            seen.add(before)
            if before.kind == "resource":
                found[before] = None
            else:
                stack.extend(reversed(before.depends_on))
        self.ancestors[node] = found
        return found

    def result(self, module_diagnostics: list[Diagnostic]) -> Evaluation:
        from coder_admin.terraform.evaluation.result import Evaluation

        ordered = [instance for _, instance in sorted(self.instances, key=lambda item: item[0])]
        return Evaluation(self, ordered, [*module_diagnostics, *self.diagnostics])


_UNKNOWN_REPETITION = (unknown(NUMBER), DYNAMIC_UNKNOWN, DYNAMIC_UNKNOWN)


def _repetition(key: Key, each: Value | None) -> tuple[Value | None, Value | None, Value | None]:
    """count.index, each.key and each.value of an instance."""
    if isinstance(key, int):
        return number(key), None, None
    if isinstance(key, str):
        return None, string(key), each
    return None, None, None


def _repeat(block: Resource | ModuleCall) -> str:
    if block.for_each is not None:
        return "for_each"
    return "count" if block.count is not None else ""


_HANDLERS: dict[str, Callable[[Evaluator, Node, Scope], None]] = {
    "variable": Evaluator.variable,
    "validation": Evaluator.validation,
    "local": Evaluator.local,
    "output": Evaluator.output,
    "check": Evaluator.check,
    "call": Evaluator.call,
    "resource": Evaluator.resource,
}
