"""Templates: text with values in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_admin.terraform.compile.collections import elements_of, iterable
from coder_admin.terraform.compile.core import Run, Site
from coder_admin.terraform.convert import ConversionError, convert
from coder_admin.terraform.environment import Env
from coder_admin.terraform.functions.graphemes import safe_prefix
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.types import BOOL, NUMBER, STRING
from coder_admin.terraform.values import Refinement, Value, string, to_text, unknown

if TYPE_CHECKING:
    from coder_admin.terraform.compile.compiler import Compiler


def compile_template(compiler: Compiler, node: tree.Template) -> Run:
    parts: list[tuple[str, Run | None, Site]] = []
    for part in node.parts:
        if isinstance(part, tree.Literal) and isinstance(part.value, str):
            parts.append((part.value, None, compiler.site_of(part)))
        else:
            parts.append(("", compiler.compile(part), compiler.site_of(part)))

    def run(env: Env) -> Value:
        texts: list[str] = []
        marks = 0
        size = 0
        known = True
        for literal, code, site in parts:
            text = literal
            if code is not None:
                value = code(env)
                marks |= value.marks
                piece = _text(value, site)
                if piece is None:
                    known = False
                    continue
                if piece.marks:
                    marks |= piece.marks
                text = piece.data
            if known:
                texts.append(text)
                size += len(text)
        env.meter.check_size(size)
        result = string("".join(texts)) if known else _unknown_text("".join(texts))
        return result.with_marks(marks)

    return run


def _unknown_text(prefix: str) -> Value:
    return unknown(STRING, Refinement(not_null=True, prefix=safe_prefix(string(prefix).data)))


def _text(value: Value, site: Site) -> Value | None:
    """The value as a string; None when it is unknown."""
    data = value.data
    if data is None:
        raise site.failure(
            "Invalid template interpolation value",
            "The expression result is null. Cannot include a null value in a string template.",
        )
    if type(data) is Refinement:
        return None
    of = value.type
    if of is STRING:
        return value
    if of is NUMBER or of is BOOL:
        return Value(STRING, to_text(value))
    try:
        return convert(value, STRING)
    except ConversionError as problem:
        raise site.failure(
            "Invalid template interpolation value",
            f"Cannot include the given value in a string template: {problem}.",
        ) from None


def compile_if(compiler: Compiler, node: tree.TemplateIf) -> Run:
    branch = tree.Conditional(node.start, node.end, [(node.condition, node.then)], node.otherwise)
    return compiler.compile(branch)


def compile_for(compiler: Compiler, node: tree.TemplateFor) -> Run:
    collection = compiler.compile(node.collection)
    slot, before = compiler.bind([node.key_name, node.value_name])
    body = compiler.compile(node.body)
    compiler.unbind(slot, before)
    site = compiler.site_of(node.collection)

    def run(env: Env) -> Value:
        source = collection(env)
        if not iterable(source, site):
            return unknown(STRING, Refinement(not_null=True)).with_marks(source.marks)
        texts: list[str] = []
        marks = source.marks
        size = 0
        known = True
        slots = env.slots
        for key, element in elements_of(source):
            env.meter.spend(1)
            slots[slot], slots[slot + 1] = key, element
            piece = body(env)
            marks |= piece.marks
            if type(piece.data) is Refinement:
                known = False
            elif known:
                texts.append(piece.data)
                size += len(piece.data)
                env.meter.check_size(size)
        result = string("".join(texts)) if known else _unknown_text("".join(texts))
        return result.with_marks(marks)

    return run
