"""Bodies of resources: arguments evaluated, dynamic blocks expanded."""

from __future__ import annotations

from coder_admin.terraform.compile.collections import elements_of
from coder_admin.terraform.compile.core import Compiled, Run
from coder_admin.terraform.config.declarations import CompiledBlock, CompiledBody
from coder_admin.terraform.convert import set_length_known
from coder_admin.terraform.diagnostics import Diagnostic, DiagnosticError, Range, error
from coder_admin.terraform.environment import BudgetError, Env
from coder_admin.terraform.model import Block, BlockContent
from coder_admin.terraform.syntax.reader import TOO_DEEP
from coder_admin.terraform.types import DYNAMIC, CollectionType, ObjectType, SetType, TupleType
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, NULL, Refinement, Value, object_, to_text, tuple_


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
        before = len(diagnostics)
        value = _parts(compiled, env, diagnostics) if compiled.parts else DYNAMIC_UNKNOWN
        if len(diagnostics) == before:  # no item by itself is to blame
            diagnostics.append(with_range(problem.diagnostic, compiled))
        return value
    except RecursionError:
        detail = "Split this expression, or the values in it, into several local values."
        diagnostics.append(error(TOO_DEEP, detail, compiled.range, "budget"))
        return DYNAMIC_UNKNOWN


def _parts(compiled: Compiled, env: Env, diagnostics: list[Diagnostic]) -> Value:
    """An object or tuple of which some items fail: those are unknown, and each says why."""
    items = entries(compiled, env, diagnostics)
    if all(key is None for key, _ in items):
        return env.meter.weigh(tuple_([value for _, value in items]))
    found: dict[str, Value] = {}
    for key, value in items:
        if key is None or key.marks or not isinstance(key.data, str | bool | int):
            return DYNAMIC_UNKNOWN
        found[to_text(key)] = value
    return env.meter.weigh(object_(found))


def entries(
    compiled: Compiled, env: Env, diagnostics: list[Diagnostic]
) -> tuple[tuple[Value | None, Value], ...]:
    """Key (None in a tuple) and value of each item of an expression that is an object or a tuple."""

    def part(code: Run) -> Value:
        try:
            return code(env)
        except DiagnosticError as problem:
            diagnostics.append(with_range(problem.diagnostic, compiled))
            return DYNAMIC_UNKNOWN

    if compiled.slots:
        env.slots = [NULL] * compiled.slots
    return tuple((None if key is None else part(key), part(value)) for key, value in compiled.parts)


def unresolved(compiled: Compiled, env: Env) -> tuple[str, ...]:
    """What an expression names that has no value yet, or never will; each once, as it is written."""
    found: dict[str, None] = {}
    for mention in compiled.mentions:
        try:
            known = mention.code is not None and mention.code(env).is_wholly_known
        except DiagnosticError:
            known = False
        if not known:
            found[compiled.text_of(mention)] = None
    return tuple(found)


def with_range(diagnostic: Diagnostic, compiled: Compiled) -> Diagnostic:
    """The diagnostic with a place: that of the expression when it has none of its own."""
    if diagnostic.range is not None:
        return diagnostic
    return Diagnostic(
        diagnostic.severity, diagnostic.summary, diagnostic.detail, compiled.range, diagnostic.code
    )


def evaluate_body(body: CompiledBody, env: Env) -> BlockContent:
    """All arguments and nested blocks."""
    if body.fixed is not None:
        content, steps = body.fixed
        env.meter.spend(steps)
        return content
    open_names: dict[str, tuple[str, ...]] = {}
    items: dict[str, tuple[tuple[Value | None, Value], ...]] = {}
    diagnostics: list[Diagnostic] = []
    attributes: dict[str, Value] = {}
    ranges: dict[str, Range] = {}
    for name, compiled, where in body.attributes:
        value = attributes[name] = run(compiled, env, diagnostics)
        ranges[name] = where
        if not value.is_known:
            open_names[name] = unresolved(compiled, env)
            if compiled.parts and not compiled.problems:
                items[name] = entries(compiled, env, [])
    blocks: list[Block] = []
    unknown: set[str] = set()
    for block in body.blocks:
        env.meter.spend(1)
        if block.for_each is None:
            blocks.append(_block(block, block.labels, env, diagnostics))
        else:
            _expand(block, env, blocks, unknown, diagnostics)
    return BlockContent(
        attributes, tuple(blocks), ranges, tuple(diagnostics), frozenset(unknown), open_names, items
    )


def _block(
    block: CompiledBlock,
    labels: tuple[str, ...],
    env: Env,
    diagnostics: list[Diagnostic],
    *,
    uncertain: bool = False,
) -> Block:
    content = evaluate_body(block.body, env)
    diagnostics += content.diagnostics
    return Block(block.type, labels, content, block.range, uncertain)


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
    uncertain = not _expandable(source)
    if uncertain:
        unknown.add(block.type)
        pairs = [(DYNAMIC_UNKNOWN, DYNAMIC_UNKNOWN)]
    else:
        pairs = list(elements_of(source))
    for key, value in pairs:
        env.meter.spend(1)
        iterator = object_({"key": key, "value": value.with_marks(source.marks)})
        env.vars = {**outer, block.iterator: iterator}
        labels = tuple(_label(label, env, diagnostics) for label in block.dynamic_labels)
        blocks.append(_block(block, labels, env, diagnostics, uncertain=uncertain))
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
