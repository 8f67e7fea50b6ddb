"""A loaded module, and the two calls that the rest of the product uses: load_module and evaluate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from coder_admin.terraform.cache import BoundedCache
from coder_admin.terraform.config import loader
from coder_admin.terraform.config.declarations import ModuleCall, Output, Resource, Variable
from coder_admin.terraform.config.loader import CACHED_SOURCE_BYTES, Loader, ModuleNode
from coder_admin.terraform.config.tfvars import read_tfvars
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error, has_errors, warning
from coder_admin.terraform.evaluation.evaluator import Evaluator
from coder_admin.terraform.evaluation.incremental import can_continue, run_again
from coder_admin.terraform.evaluation.inputs import VARIABLE, parse_text
from coder_admin.terraform.evaluation.result import Evaluation
from coder_admin.terraform.filesystem import FileSystem, OutsideModuleError
from coder_admin.terraform.graph import Graph, Node, build_graph
from coder_admin.terraform.model import EvalContext, Provider
from coder_admin.terraform.values import Value, normalized

UNDECLARED = "undeclared"  # the code of a value for a variable that the root module does not declare


class Module:
    """A root module with its child modules, parsed and compiled. Immutable; safe to share among threads.

    diagnostics: everything that is wrong with the files, cycles included. file_problems: those of the files
    with values of variables.
    """

    def __init__(
        self, files: FileSystem, node: ModuleNode, graph: Graph, diagnostics: list[Diagnostic]
    ) -> None:
        self.files = files
        self.node = node
        self.graph = graph
        self.diagnostics = diagnostics
        # Values of variables from .tfvars files, and where they are written.
        self.file_variables, self.file_ranges, self.file_problems = read_tfvars(files, node.config.directory)
        self.diagnostics = [*diagnostics, *self.file_problems]

    @property
    def variables(self) -> Mapping[str, Variable]:
        return self.node.config.variables

    @property
    def outputs(self) -> Mapping[str, Output]:
        return self.node.config.outputs

    @property
    def module_calls(self) -> Mapping[str, ModuleCall]:
        return self.node.config.calls

    @property
    def resources(self) -> list[Resource]:
        """Resource and data blocks of all modules, parents first, in source order."""
        return [resource for node in self.node.walk() for resource in node.config.resources.values()]


_GRAPHS: BoundedCache[tuple[str, ...], tuple[ModuleNode, Graph, list[Diagnostic]]] = BoundedCache(
    CACHED_SOURCE_BYTES
)


def clear_caches() -> None:
    """Forget every parsed and compiled file, as a new process has."""
    _GRAPHS.clear()
    loader.clear_caches()


def load_module(files: FileSystem, root: str = ".", *, preview: bool = False) -> Module:
    """Read the module in directory `root` of the files, and the modules that it calls. Never raises on bad
    templates: see the module's diagnostics.

    preview: override files that cannot be merged are a warning, and the files are used unmerged.
    """
    try:
        reader = Loader(files, root, preview=preview)
    except OutsideModuleError as problem:
        reader = Loader(files, ".", preview=preview)
        reader.diagnostics.append(error("Unreadable module directory", f"{problem}."))
    node = reader.load()
    problems = list(reader.diagnostics)
    key = (reader.root, *reader.fingerprint, *(str(problem) for problem in problems))

    def make() -> tuple[ModuleNode, Graph, list[Diagnostic]]:
        graph = build_graph(node)
        found: list[Diagnostic] = []
        configs = {id(module.config): module.config for module in node.walk()}
        for config in configs.values():
            found += config.diagnostics
        found += problems
        found += _call_problems(node)
        return node, graph, [*found, *graph.diagnostics]

    cached, graph, diagnostics = _GRAPHS.get_or_make(key, make, lambda _: reader.size + 1)
    return Module(files, cached, graph, diagnostics)


def _call_problems(root: ModuleNode) -> list[Diagnostic]:
    """What is wrong between modules: arguments of module calls that the called module does not know, or needs
    and does not get; outputs that the root module must not have."""
    found: list[Diagnostic] = []
    for output in root.config.outputs.values():
        if output.ephemeral:
            found.append(
                error(
                    "Ephemeral output not allowed",
                    "Outputs of the root module are kept, so none of them can be ephemeral.",
                    output.range,
                )
            )
    for node in root.walk():
        call = node.call
        if call is None:
            continue
        for name, where in call.argument_ranges.items():
            if name not in node.config.variables:
                found.append(
                    error(
                        "Unsupported argument",
                        f'An argument named "{name}" is not expected here.',
                        where,
                        "argument",
                    )
                )
        for variable in node.config.variables.values():
            if variable.required and variable.name not in call.arguments:
                found.append(
                    error(
                        "Missing required argument",
                        f'The argument "{variable.name}" is required, but no definition was found.',
                        call.range,
                        "argument",
                    )
                )
    return found


def evaluate(
    module: Module,
    *,
    variables: Mapping[str, Value | str] | None = None,
    provider: Provider | None = None,
    context: EvalContext | None = None,
    targets: Iterable[str] | None = None,
    previous: Evaluation | None = None,
) -> Evaluation:
    """Evaluate a module. Never raises on bad templates: see the evaluation's diagnostics.

    variables: of the root module; a str is read as on Terraform's command line (for types that are no
    primitive, as an expression). They win over terraform.tfvars and *.auto.tfvars.
    targets: labels of graph nodes (`output.x`, `data.t.n`, `module.a.local.y`); only they and what
    they depend on are evaluated.
    previous: an evaluation of this very module in an equal context. Only what depends on a change since then
    is evaluated, with the result that an evaluation from scratch has: on variables with another value, and on
    instances that the provider would answer otherwise (`Provider.same_answer`). It stays as it is.
    """
    given, given_at, problems = _given(module, variables or {})
    diagnostics = [*module.diagnostics, *problems]
    evaluator = Evaluator(
        module,
        variables=given,
        given_at=given_at,
        provider=provider,
        context=context or EvalContext(),
        broken_files=has_errors(diagnostics),
    )
    if targets is not None:
        wanted = _wanted(module.graph, targets)
        evaluator.run([node for node in module.graph.nodes if node in wanted])
    elif previous is not None and can_continue(previous.evaluator, evaluator):
        run_again(previous.evaluator, evaluator)
    else:
        evaluator.run(module.graph.nodes)
    return Evaluation(evaluator, diagnostics)


def _given(
    module: Module, variables: Mapping[str, Value | str]
) -> tuple[dict[str, Value], dict[str, Range], list[Diagnostic]]:
    """Values for the root module's variables: of its .tfvars files, and given ones above them.

    Also where the former are written, and what is wrong with them all.
    """
    diagnostics: list[Diagnostic] = []
    given: dict[str, Value] = {}
    given_at = {name: where for name, where in module.file_ranges.items() if name not in variables}
    for name, value in module.file_variables.items():
        if name in module.variables:
            given[name] = value
        else:
            diagnostics.append(
                warning(
                    "Value for undeclared variable",
                    f'The root module does not declare a variable named "{name}" but a value was found '
                    "in a .tfvars file.",
                    code=UNDECLARED,
                )
            )
    for name, raw in variables.items():
        variable = module.variables.get(normalized(name))
        if variable is None:
            diagnostics.append(
                error(
                    "Value for undeclared variable",
                    f'A variable named "{name}" was assigned a value, but the root module does not declare a '
                    "variable of that name.",
                    code=UNDECLARED,
                )
            )
            continue
        try:
            given[variable.name] = parse_text(variable, raw) if isinstance(raw, str) else raw
        except DiagnosticError as problem:
            diagnostics.append(replace(problem.diagnostic, code=VARIABLE))
    return given, given_at, diagnostics


def _wanted(graph: Graph, targets: Iterable[str]) -> set[Node]:
    names = set(targets)
    stack = [node for node in graph.nodes if node.label in names]
    found: set[Node] = set()
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(node.depends_on)
    return found
