"""Bodies of resources: arguments evaluated, dynamic blocks expanded."""

from __future__ import annotations

from coder_admin.terraform.compile.collections import elements_of
from coder_admin.terraform.compile.core import Compiled
from coder_admin.terraform.config.declarations import CompiledBlock, CompiledBody
from coder_admin.terraform.convert import set_length_known
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error
from coder_admin.terraform.environment import BudgetError, Env
from coder_admin.terraform.model import Block, BlockContent
from coder_admin.terraform.syntax.reader import TOO_DEEP
from coder_admin.terraform.types import DYNAMIC, CollectionType, ObjectType, SetType, TupleType
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, Refinement, Value, object_, to_text


def run(compiled: Compiled, env: Env, diagnostics: list[Diagnostic]) -> Value:
    """The value of an expression; unknown, and a diagnostic, when it fails."""
    if compiled.constant is not None:
        return compiled.constant
    if compiled.problems:
        return DYNAMIC_UNKNOWN  # reported when the module was read
    try:
        return compiled.run(env)
    except BudgetError:
        raise
    except DiagnosticError as problem:
        diagnostics.append(with_range(problem.diagnostic, compiled))
        return DYNAMIC_UNKNOWN
    except RecursionError:
        detail = "Split this expression, or the values in it, into several local values."
        diagnostics.append(error(TOO_DEEP, detail, compiled.range, "budget"))
        return DYNAMIC_UNKNOWN


def with_range(diagnostic: Diagnostic, compiled: Compiled) -> Diagnostic:
    """The diagnostic with a place: that of the expression when it has none of its own."""
    if diagnostic.range is not None:
        return diagnostic
    return Diagnostic(
        diagnostic.severity, diagnostic.summary, diagnostic.detail, compiled.range, diagnostic.code
    )


def evaluate_body(body: CompiledBody, env: Env) -> BlockContent:
    """All arguments and nested blocks."""
    diagnostics: list[Diagnostic] = []
    attributes: dict[str, Value] = {}
    ranges: dict[str, Range] = {}
    for name, compiled, where in body.attributes:
        attributes[name] = run(compiled, env, diagnostics)
        ranges[name] = where
    blocks: list[Block] = []
    unknown: set[str] = set()
    for block in body.blocks:
        env.meter.spend(1)
        if block.for_each is None:
            blocks.append(_block(block, block.labels, env, diagnostics))
        else:
            _expand(block, env, blocks, unknown, diagnostics)
    return BlockContent(attributes, tuple(blocks), ranges, tuple(diagnostics), frozenset(unknown))


def _block(block: CompiledBlock, labels: tuple[str, ...], env: Env, diagnostics: list[Diagnostic]) -> Block:
    content = evaluate_body(block.body, env)
    diagnostics += content.diagnostics
    return Block(block.type, labels, content, block.range)


def _expand(
    block: CompiledBlock, env: Env, blocks: list[Block], unknown: set[str], diagnostics: list[Diagnostic]
) -> None:
    """The blocks that a dynamic block generates."""
    if block.for_each is None:
        return
    before = len(diagnostics)
    source = run(block.for_each, env, diagnostics)
    if len(diagnostics) > before:
        return
    problem = _unsuitable(source)
    if problem:
        diagnostics.append(error("Invalid dynamic for_each value", problem, block.for_each.range))
        return
    outer = env.vars
    if not _expandable(source):
        unknown.add(block.type)
        pairs = [(DYNAMIC_UNKNOWN, DYNAMIC_UNKNOWN)]
    else:
        pairs = list(elements_of(source))
    for key, value in pairs:
        env.meter.spend(1)
        iterator = object_({"key": key, "value": value.with_marks(source.marks)})
        env.vars = {**outer, block.iterator: iterator}
        labels = tuple(_label(label, env, diagnostics) for label in block.dynamic_labels)
        blocks.append(_block(block, labels, env, diagnostics))
    env.vars = outer


def _unsuitable(source: Value) -> str:
    if source.data is None:
        return "Cannot use a null value in for_each."
    of = source.type
    if of is not DYNAMIC and not isinstance(of, CollectionType | TupleType | ObjectType):
        return f"Cannot use a {of} value in for_each. An iterable collection is required."
    return ""


def _expandable(source: Value) -> bool:
    if type(source.data) is Refinement:
        return False
    return not isinstance(source.type, SetType) or set_length_known(source)


def _label(compiled: Compiled, env: Env, diagnostics: list[Diagnostic]) -> str:
    value = run(compiled, env, diagnostics)
    try:
        return to_text(value)
    except ValueError:
        return ""
