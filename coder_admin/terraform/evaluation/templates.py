"""templatefile() and templatestring(): a text rendered with variables of its own."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

from coder_admin.terraform.cache import BoundedCache
from coder_admin.terraform.compile.compiler import compile_expression
from coder_admin.terraform.compile.core import Compiled, Reference, Run, StaticProblem
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError
from coder_admin.terraform.environment import BudgetError, Env, Meter
from coder_admin.terraform.functions.registry import FunctionContext, FunctionError, RenderTemplate
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.parser import parse_template
from coder_admin.terraform.syntax.source import MAX_SOURCE_CHARACTERS, SourceText
from coder_admin.terraform.values import Value

MAX_TEMPLATE_DEPTH = 5  # templates that render templates

_TEMPLATES: BoundedCache[tuple[str, str], Compiled] = BoundedCache(4 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class _TemplateNames:
    """In a template only the variables given to it have a meaning; which those are is known when it runs."""

    def resolve(self, traversal: tree.Traversal) -> tuple[Run, int, Reference | None]:
        name = traversal.root

        def run(env: Env) -> Value:
            found = env.vars.get(name)
            if found is None:
                raise FunctionError(f'vars map does not contain key "{name}"', 1)
            return found

        return run, 0, Reference("template", name)

    def check_function(self, name: str) -> None:
        if name.removeprefix("core::") in ("templatefile", "templatestring"):
            raise StaticProblem("Function not allowed", f"{name} cannot be called from inside a template.")


def template_renderer(meter: Meter, functions: FunctionContext) -> RenderTemplate:
    """The renderer for one evaluation, which `functions` themselves hold: hence no strong way back."""
    depth = 0
    context = weakref.ref(functions)

    def render(text: str, filename: str, variables: Mapping[str, Value]) -> Value:
        nonlocal depth
        if depth >= MAX_TEMPLATE_DEPTH:
            raise FunctionError("templates are nested too deeply")
        compiled = _compiled(text, filename)
        for reference in compiled.references:
            if reference.name not in variables:
                raise FunctionError(
                    f'vars map does not contain key "{reference.name}", referenced at {compiled.source.file}',
                    1,
                )
        around = context()
        if around is None:
            raise RuntimeError("the evaluation of this template is over")
        env = Env(None, meter, around)
        env.vars = variables
        depth += 1
        try:
            return compiled.run(env)
        except BudgetError:
            raise
        except DiagnosticError as problem:
            raise FunctionError(_sentence(problem.diagnostic)) from None
        finally:
            depth -= 1

    return render


def _compiled(text: str, filename: str) -> Compiled:
    """The compiled template. FunctionError when it is none."""
    if len(text) > MAX_SOURCE_CHARACTERS:
        raise FunctionError(f"the template {filename} is too large")
    key = (filename, hashlib.sha256(text.encode()).hexdigest())
    return _TEMPLATES.get_or_make(key, lambda: _compile(text, filename), lambda _: len(text))


def _compile(text: str, filename: str) -> Compiled:
    source = SourceText(filename, text)
    parsed = parse_template(source)
    if parsed.node is None:
        raise FunctionError(_sentence(parsed.diagnostics[0]), 0)
    compiled = compile_expression(source, parsed.node, _TemplateNames())
    if compiled.problems:
        raise FunctionError(_sentence(compiled.problems[0]))
    return compiled


def _sentence(diagnostic: Diagnostic) -> str:
    return str(diagnostic)
