"""What an evaluation gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coder_admin.terraform.compile.compiler import compile_expression
from coder_admin.terraform.config.names import ModuleResolver, Names
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, error, has_errors
from coder_admin.terraform.environment import Env, Meter
from coder_admin.terraform.evaluation.scope import Scope
from coder_admin.terraform.model import Instance
from coder_admin.terraform.syntax.parser import parse_expression
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.values import Value

if TYPE_CHECKING:
    from coder_admin.terraform.evaluation.evaluator import Evaluator


class Evaluation:
    """The outcome of one evaluation.

    instances: of resources and data sources of all modules, in source order. outputs: of the root module.
    diagnostics: of loading and evaluating, in that order.
    """

    def __init__(self, evaluator: Evaluator, module_diagnostics: Sequence[Diagnostic]) -> None:
        self._evaluator = evaluator
        self.instances = evaluator.instances
        self.diagnostics = list(dict.fromkeys([*module_diagnostics, *evaluator.findings()]))

    @property
    def evaluator(self) -> Evaluator:
        """What the next evaluation can start from."""
        return self._evaluator

    @property
    def ok(self) -> bool:
        """No error."""
        return not has_errors(self.diagnostics)

    @property
    def outputs(self) -> dict[str, Value]:
        return dict(self._evaluator.root.outputs)

    @property
    def variables(self) -> dict[str, Value]:
        """Final values of the root module's variables."""
        return dict(self._evaluator.root.variables)

    @property
    def module_outputs(self) -> dict[str, dict[str, Value]]:
        """Outputs of every module instance by its address; the root's address is empty."""
        return {scope.address: dict(scope.outputs) for scope in self._scopes()}

    def _scopes(self) -> list[Scope]:
        return [scope for scopes in self._evaluator.scopes.values() for scope in scopes]

    def instance(self, address: str) -> Instance | None:
        """The instance of an address such as `module.a[0].data.coder_parameter.x`."""
        return next((found for found in self.instances if found.address == address), None)

    def instances_of(self, mode: str, resource_type: str) -> list[Instance]:
        """The instances of one type, in source order."""
        return [found for found in self.instances if found.mode == mode and found.type == resource_type]

    def references(self, address: str) -> tuple[str, ...]:
        """Addresses of the resource instances that an instance depends on."""
        found = self.instance(address)
        return () if found is None else found.depends_on

    def value_of(self, expression: str, module: str = "") -> Value:
        """The value of an expression in the scope of a module instance.

        DiagnosticError when it does not parse, names what is not there, or fails.
        """
        scope = next((found for found in self._scopes() if found.address == module), None)
        if scope is None:
            raise DiagnosticError(error("No such module", f"There is no module instance {module}."))
        # A heredoc's last line must end, as the line of an argument does.
        source = SourceText("<expression>", f"{expression}\n")
        parsed = parse_expression(source)
        if parsed.node is None:
            raise DiagnosticError(parsed.diagnostics[0])
        config = scope.module.config
        names = Names(
            scope.address or "the root module",
            frozenset(config.variables),
            frozenset(config.locals),
            {
                (mode, key): "for_each" if found.for_each else "count" if found.count else ""
                for (mode, key), found in config.resources.items()
            },
            {
                name: "for_each" if call.for_each else "count" if call.count else ""
                for name, call in config.calls.items()
            },
            ephemerals=config.ephemerals,
        )
        compiled = compile_expression(source, parsed.node, ModuleResolver(names))
        if compiled.problems:
            raise DiagnosticError(compiled.problems[0])
        evaluator = self._evaluator
        env: Env = evaluator.env(scope)
        env.meter = env.functions.budget = Meter(evaluator.context.budget)
        try:
            return compiled.run(env)
        except RecursionError:
            raise DiagnosticError(
                error("Value nested too deeply", "The value is nested too deeply.", code="budget")
            ) from None
