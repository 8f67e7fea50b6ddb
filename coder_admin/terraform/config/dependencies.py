"""The argument depends_on: a list of names, of which no value is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_admin.terraform.compile.compiler import compile_expression
from coder_admin.terraform.compile.core import Reference
from coder_admin.terraform.config.declarations import Section
from coder_admin.terraform.diagnostics import warning
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.json_body import move
from coder_admin.terraform.syntax.parser import parse_expression
from coder_admin.terraform.syntax.source import SourceText

if TYPE_CHECKING:
    from coder_admin.terraform.config.decode import Decoder


def depends_on(decoder: Decoder, section: Section) -> tuple[Reference, ...]:
    """What a section names in depends_on; reports through the decoder."""
    located = section.attributes.get("depends_on")
    if located is None or isinstance(located.attribute.expr, tree.Broken):
        return ()
    if not isinstance(located.attribute.expr, tree.TupleCons):
        decoder.report("Invalid expression", "A static list expression is required.", located.value_range)
        return ()
    found: list[Reference] = []
    for item in located.attribute.expr.items:
        named = unquoted(decoder, located.source, item)
        if isinstance(named, tree.Traversal):
            compiled = compile_expression(located.source, named, decoder.resolver)
            decoder.config.diagnostics += compiled.problems
            found += compiled.references
        else:
            decoder.report(
                "Invalid expression",
                "A single static variable reference is required: only attribute access and indexing "
                "with constant keys. No calculations, function calls, template expressions, etc are "
                "allowed here.",
                located.source.range(item.start, item.end),
            )
    return tuple(dict.fromkeys(found))


def unquoted(decoder: Decoder, source: SourceText, item: tree.Node) -> tree.Node:
    """A reference in quotes, as Terraform 0.11 wrote it, is still read, with a warning."""
    if not isinstance(item, tree.Literal) or not isinstance(item.value, str):
        return item
    parsed = parse_expression(SourceText(source.file, item.value))
    if not isinstance(parsed.node, tree.Traversal):
        return item
    move(parsed.node, item.start, item.end)
    where = source.range(item.start, item.end)
    detail = "In this context a reference stands without quotes; remove them."
    decoder.config.diagnostics.append(warning("Quoted references are deprecated", detail, where))
    return parsed.node
