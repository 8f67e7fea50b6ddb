"""Expressions back to text. What is printed means what was read; comments and layout are not kept.

Operators get parentheses only where they had them: a tree knows those, so precedence needs no second table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from coder_admin.terraform.syntax import tokens as t
from coder_admin.terraform.syntax import tree

_OPERATORS = {kind: text for text, kind in t.PUNCTUATION.items()}
_SIGNS = re.compile(r"([$%]+(?=\{))")
_SIGNS_BEFORE_SEQUENCE = re.compile(r"([$%]+(?=\{|\Z))")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def print_expression(node: tree.Node) -> str:
    """The text of an expression, on one line."""
    return _PRINTERS[type(node)](node)


def _quoted(text: str) -> str:
    return f'"{_literal(text)}"'


def _literal(text: str, *, before_sequence: bool = False) -> str:
    """Characters of a quoted template. Signs before a brace are written so that nothing begins there."""
    pattern = _SIGNS_BEFORE_SEQUENCE if before_sequence else _SIGNS
    return "".join(
        _sign(piece) if at % 2 else "".join(map(_character, piece))
        for at, piece in enumerate(pattern.split(text))
    )


def _sign(signs: str) -> str:
    """`$` and `%` before a brace, as an interpolated string: doubled ones would not say how many."""
    return f'${{"{signs}"}}'


def _character(c: str) -> str:
    known = _ESCAPES.get(c)
    if known is not None or c.isprintable():
        return known or c
    return f"\\u{ord(c):04x}" if ord(c) <= 0xFFFF else f"\\U{ord(c):08x}"


def _part(node: tree.Node) -> str:
    """A piece of a template, within its quotes."""
    match node:
        case tree.Literal(value=str(text)):
            return _literal(text)
        case tree.TemplateIf():
            return (
                f"%{{ if {print_expression(node.condition)} }}{_parts(node.then)}"
                f"%{{ else }}{_parts(node.otherwise)}%{{ endif }}"
            )
        case tree.TemplateFor():
            names = node.value_name if node.key_name is None else f"{node.key_name}, {node.value_name}"
            return (
                f"%{{ for {names} in {print_expression(node.collection)} }}{_parts(node.body)}%{{ endfor }}"
            )
        case _:
            return f"${{{print_expression(node)}}}"


def _parts(node: tree.Node) -> str:
    """A template without its quotes."""
    if isinstance(node, tree.Template):
        return _joined(node.parts)
    return _part(node.expr if isinstance(node, tree.TemplateWrap) else node)


def _joined(parts: list[tree.Node]) -> str:
    done: list[str] = []
    text = ""
    for part in parts:
        if isinstance(part, tree.Literal) and isinstance(part.value, str):
            text += part.value
        else:
            done += [_literal(text, before_sequence=True), _part(part)]
            text = ""
    return "".join(done) + _literal(text)


def _source(node: tree.Node) -> str:
    """What steps follow. After a splat they would belong to its elements."""
    text = print_expression(node)
    return f"({text})" if isinstance(node, tree.Splat) else text


def _steps(steps: list[tree.Step]) -> str:
    return "".join(map(_step, steps))


def _step(step: tree.Step) -> str:
    if isinstance(step, tree.AttributeStep):
        return f".{step.name}"
    return f"[{_quoted(step.key) if isinstance(step.key, str) else step.key.text}]"


def _each(node: tree.Node) -> str:
    """What follows the star of a splat."""
    match node:
        case tree.RelativeTraversal():
            return _each(node.source) + _steps(node.steps)
        case tree.Index():
            return f"{_each(node.collection)}[{print_expression(node.key)}]"
        case tree.SplatItem():
            return ""
        case _:
            return print_expression(node)


def _splat(node: tree.Splat) -> str:
    return f"{_source(node.source)}[*]{_each(node.each)}"


def _literal_value(node: tree.Literal) -> str:
    if isinstance(node.value, str):
        return _quoted(node.value)
    return "null" if node.value is None else str(node.value).lower()


def _call(node: tree.Call) -> str:
    return f"{node.name}({', '.join(map(print_expression, node.arguments))}{'...' if node.expand else ''})"


def _binary(node: tree.Binary) -> str:
    rest = "".join(f" {_OPERATORS[kind]} {print_expression(operand)}" for kind, operand in node.rest)
    return print_expression(node.first) + rest


def _conditional(node: tree.Conditional) -> str:
    branches = "".join(
        f"{print_expression(test)} ? {print_expression(then)} : " for test, then in node.branches
    )
    return branches + print_expression(node.otherwise)


def _object(node: tree.ObjectCons) -> str:
    return (
        "{"
        + ", ".join(f"{print_expression(key)} = {print_expression(value)}" for key, value in node.items)
        + "}"
    )


def _for(node: tree.For) -> str:
    names = node.value_name if node.key_name is None else f"{node.key_name}, {node.value_name}"
    key = "" if node.key is None else f"{print_expression(node.key)} => "
    condition = "" if node.condition is None else f" if {print_expression(node.condition)}"
    body = f"for {names} in {print_expression(node.collection)} : {key}{print_expression(node.value)}"
    brackets = "[]" if node.key is None else "{}"
    return f"{brackets[0]}{body}{'...' if node.grouped else ''}{condition}{brackets[1]}"


_PRINTERS: dict[type[tree.Node], Callable[[Any], str]] = {
    tree.Literal: _literal_value,
    tree.Broken: lambda _: "null",
    tree.NumberLiteral: lambda node: str(node.text),
    tree.Template: lambda node: f'"{_parts(node)}"',
    tree.TemplateWrap: lambda node: f'"${{{print_expression(node.expr)}}}"',
    tree.TemplateIf: lambda node: f'"{_part(node)}"',
    tree.TemplateFor: lambda node: f'"{_part(node)}"',
    tree.Traversal: lambda node: node.root + _steps(node.steps),
    tree.RelativeTraversal: lambda node: _source(node.source) + _steps(node.steps),
    tree.Index: lambda node: f"{_source(node.collection)}[{print_expression(node.key)}]",
    tree.SplatItem: lambda _: "",
    tree.Splat: _splat,
    tree.Call: _call,
    tree.Unary: lambda node: _OPERATORS[node.operator] + print_expression(node.operand),
    tree.Binary: _binary,
    tree.Conditional: _conditional,
    tree.Parentheses: lambda node: f"({print_expression(node.expr)})",
    tree.TupleCons: lambda node: f"[{', '.join(map(print_expression, node.items))}]",
    tree.ObjectCons: _object,
    tree.For: _for,
}
