"""Function calls, and the functions that take expressions instead of values: try() and can()."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from coder_admin.terraform.compile.core import Run, Site, StaticProblem
from coder_admin.terraform.diagnostics import DiagnosticError
from coder_admin.terraform.environment import BudgetError, Env
from coder_admin.terraform.functions import FUNCTIONS
from coder_admin.terraform.functions.registry import FunctionError, call_function
from coder_admin.terraform.operators import UNKNOWN_BOOL
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.types import DYNAMIC, ListType, SetType, TupleType
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, SENSITIVE, Refinement, Value, boolean

if TYPE_CHECKING:
    from coder_admin.terraform.compile.compiler import Compiler

# They look at one element of a collection, however large it is.
_QUICK = frozenset({"length", "element", "lookup"})
_LAZY = ("try", "can")
_COLLECTIONS = (tuple, dict)


def function_names() -> list[str]:
    """Names of all functions, sorted."""
    return sorted({*FUNCTIONS, *_LAZY})


def compile_call(compiler: Compiler, node: tree.Call) -> Run:
    name = node.name
    try:
        compiler.resolver.check_function(name)
        plain = _plain_name(name)
    except StaticProblem as found:
        for argument in node.arguments:
            compiler.compile(argument)
        return compiler.problem(node, found, node.name_end)
    if plain in _LAZY and not node.expand:
        return _compile_lazy(compiler, node, plain)
    arguments = [compiler.compile(argument) for argument in node.arguments]
    call_site = compiler.site_of(node)
    name_site = compiler.site(node.start, node.name_end)
    sites = [compiler.site_of(argument) for argument in node.arguments]
    if plain not in FUNCTIONS:
        return _unknown_function(plain, name_site)
    if plain == "templatestring" and len(node.arguments) == 2 and not _is_reference(node.arguments[0]):
        return _no_template_reference(sites[0])
    expand = node.expand
    quick = plain in _QUICK

    def run(env: Env) -> Value:
        env.meter.spend(1)
        values = [argument(env) for argument in arguments]
        marks = 0
        if expand:
            last = values.pop()
            marks = last.marks
            more = _expanded(last, sites[-1])
            if more is None:
                return DYNAMIC_UNKNOWN.with_marks(marks)
            values += more
        for value in values:
            if not quick or type(value.data) is str:
                env.meter.walk(value)
        try:
            result = call_function(plain, values, env.functions)
        except FunctionError as problem:
            site = _place(compiler, node, problem)
            if any(value.deep_marks & SENSITIVE for value in values):
                # Functions quote what they refuse.
                detail = f'Call to function "{plain}" failed; an argument is sensitive, so why is not shown.'
                raise site.failure(problem.summary, detail) from None
            raise site.failure(problem.summary, problem.detail) from None
        except RecursionError:
            raise call_site.failure(
                "Error in function call",
                f'Call to function "{plain}" failed: the value is nested too deeply.',
            ) from None
        if type(result.data) in _COLLECTIONS:
            env.meter.weigh(result)
        return result.with_marks(marks) if marks else result

    return run


def _place(compiler: Compiler, node: tree.Call, problem: FunctionError) -> Site:
    """What an error of a call points at: an argument, those too many, the place of a missing one, or all."""
    arguments, at, wanted = node.arguments, problem.arg_index, problem.arguments_wanted
    if wanted is not None and wanted >= len(arguments):
        return compiler.site(node.end - 1, node.end)
    if wanted is not None:
        return compiler.site(arguments[wanted].start, arguments[-1].end)
    if at is None or not arguments:
        return compiler.site_of(node)
    return compiler.site_of(arguments[min(at, len(arguments) - 1)])


def _plain_name(name: str) -> str:
    """The name within the built-in functions; StaticProblem for another namespace."""
    if "::" not in name:
        return name
    namespace, _, rest = name.partition("::")
    if namespace == "core" and (rest in FUNCTIONS or rest in _LAZY):
        return rest
    if namespace == "provider":
        raise StaticProblem(
            "Unknown provider function",
            f'The function "{name}" belongs to a provider; functions of providers are not available here.',
        )
    raise StaticProblem(
        "Unknown provider function",
        f'The function namespace "{namespace}" is not valid. Provider function calls must use the '
        '"provider::" '
        "namespace prefix.",
    )


def _unknown_function(name: str, site: Site) -> Run:
    close = difflib.get_close_matches(name, function_names(), 1)
    hint = f' Did you mean "{close[0]}"?' if close else ""

    def run(_env: Env) -> Value:
        raise site.failure("Call to unknown function", f'There is no function named "{name}".{hint}')

    return run


def _is_reference(node: tree.Node) -> bool:
    while isinstance(node, tree.Parentheses):
        node = node.expr
    return isinstance(node, tree.Traversal | tree.RelativeTraversal | tree.Index)


def _no_template_reference(site: Site) -> Run:
    def run(_env: Env) -> Value:
        raise site.failure(
            "Invalid function argument",
            'Invalid value for "template" parameter: templatestring renders a template that is stored '
            "elsewhere; this argument must be a direct reference to an object that holds it.",
        )

    return run


def _expanded(value: Value, site: Site) -> list[Value] | None:
    """The arguments that `value...` stands for; None while they are unknown."""
    if value.data is None:
        raise site.failure(
            "Invalid expanding argument value",
            "The expanding argument (indicated by ...) must not be null.",
        )
    if value.type is DYNAMIC:
        return None
    if not isinstance(value.type, ListType | SetType | TupleType):
        raise site.failure(
            "Invalid expanding argument value",
            "The expanding argument (indicated by ...) must be of a tuple, list, or set type.",
        )
    return None if type(value.data) is Refinement else list(value.data)


def _compile_lazy(compiler: Compiler, node: tree.Call, name: str) -> Run:
    """try() and can(). What fails now fails for good: no later value of an unknown mends it. What succeeds
    with anything unknown in it may still fail, or have another type; so the result is unknown."""
    choices = [compiler.compile(argument) for argument in node.arguments]
    if name == "can":
        wrong = FunctionError("")
        wrong.arguments_wanted = 1
        return _can(choices, _place(compiler, node, wrong))
    return _try(choices, compiler.site_of(node))


def _try(choices: list[Run], site: Site) -> Run:
    def run(env: Env) -> Value:
        env.meter.spend(1)
        failures: list[str] = []
        for code in choices:
            try:
                value = code(env)
                return value if value.is_wholly_known else DYNAMIC_UNKNOWN
            except BudgetError:
                raise
            except DiagnosticError as problem:
                failures.append(f"- {problem.diagnostic.summary}\n  {problem.diagnostic.detail}")
        if not failures:
            raise site.failure(
                "Error in function call", 'Call to function "try" failed: at least one argument is required.'
            )
        raise site.failure(
            "Error in function call",
            'Call to function "try" failed: no expression succeeded:\n'
            + "\n".join(failures)
            + "\n\nAt least one expression must produce a successful result.",
        )

    return run


def _can(choices: list[Run], site: Site) -> Run:
    def run(env: Env) -> Value:
        env.meter.spend(1)
        if len(choices) != 1:
            summary = "Not enough function arguments" if not choices else "Too many function arguments"
            missing = ' Missing value for "expression".' if not choices else ""
            only = "" if not choices else "only "
            raise site.failure(summary, f'Function "can" expects {only}1 argument(s).{missing}')
        try:
            value = choices[0](env)
        except BudgetError:
            raise
        except DiagnosticError:
            return boolean(False)
        return boolean(True) if value.is_wholly_known else UNKNOWN_BOOL

    return run
