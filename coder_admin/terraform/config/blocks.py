"""Bodies of resources and data sources: meta-arguments apart, the rest compiled as it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coder_admin.terraform.compile.core import Compiled
from coder_admin.terraform.config.declarations import (
    CompiledBlock,
    CompiledBody,
    Located,
    Resource,
    Rule,
    Section,
)
from coder_admin.terraform.config.dependencies import depends_on
from coder_admin.terraform.config.names import BUILTIN_ARGUMENTS, ModuleResolver, did_you_mean
from coder_admin.terraform.config.sections import section as section_of
from coder_admin.terraform.model import Block, BlockContent, Mode
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.source import SourceText
from coder_admin.terraform.values import Value

if TYPE_CHECKING:
    from coder_admin.terraform.config.decode import Decoder

_META = ("count", "for_each", "depends_on", "provider")
_META_BLOCKS = ("lifecycle", "provisioner", "connection")
_NEVER_REPLACED = ("var", "local", "module", "data", "path", "terraform", "each", "count", "self")
_LIFECYCLE = ("create_before_destroy", "prevent_destroy", "ignore_changes", "replace_triggered_by")


class BodyCompiler:
    """Compiles resources of one module; reports through the decoder."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.seen: list[Compiled] = []

    def resource(self, mode: Mode, section: Section) -> Resource:
        """A resource or data block with all that it depends on."""
        decoder = self.decoder
        self.seen = []
        repeat = decoder.repetition(section)
        resolver = ModuleResolver(decoder.names, repeat)
        kind, name = (label.text for label in section.node.labels)
        found = Resource(
            mode, kind, name, section.range, CompiledBody(), depends_on=depends_on(decoder, section)
        )
        for meta in ("count", "for_each"):
            located = section.attributes.get(meta)
            if located is not None and meta == repeat:
                compiled = decoder.compile(located)
                self.seen.append(compiled)
                setattr(found, meta, compiled)
        for attribute, located in section.attributes.items():
            if attribute not in _META:
                found.body.attributes.append((attribute, self.compile(located, resolver), located.range))
        lifecycles = [block for _, block in section.blocks if block.type == "lifecycle"]
        for source, block in section.blocks:
            if block.type == "lifecycle":
                if block is not lifecycles[0] and source is section.source:
                    decoder.report(
                        "Duplicate lifecycle block",
                        "This resource has a lifecycle block already.",
                        source.range(block.start, block.header_end),
                    )
                self.lifecycle(found, source, block, resolver)
            elif block.type in ("provisioner", "connection"):
                self.references_only(source, block.body, ModuleResolver(decoder.names, repeat, True))
            elif block.type not in _META_BLOCKS:
                self.block(found.body, source, block, resolver)
        self.check_builtin(found, section)
        references = [reference for compiled in self.seen for reference in compiled.references]
        found.references = tuple(dict.fromkeys([*references, *found.depends_on]))
        self.check_self(found, section)
        return found

    def check_builtin(self, found: Resource, section: Section) -> None:
        """Arguments of the types that are part of the language itself are known."""
        known = BUILTIN_ARGUMENTS.get(found.type)
        if known is None or found.mode == "data":
            return
        for name, located in section.attributes.items():
            if name not in (*known, *_META):
                hint = did_you_mean(name, known)
                self.decoder.report(
                    "Unsupported argument",
                    f'An argument named "{name}" is not expected here.{hint}',
                    located.range,
                )
        for source, block in section.blocks:
            if block.type == "dynamic" and block.labels:
                label = block.labels[0]
                self.decoder.report(
                    "Unsupported block type",
                    f'Blocks of type "{label.text}" are not expected here.',
                    source.range(label.start, label.end),
                )
            elif block.type not in _META_BLOCKS:
                self.decoder.sections.unsupported_block(source, block, known)

    def check_self(self, found: Resource, section: Section) -> None:
        for compiled in self.seen:
            for reference in compiled.references:
                if reference.kind == found.mode and reference.name == found.key:
                    self.decoder.report(
                        "Self-referential block",
                        f"Configuration for {found.address} may not refer to itself.",
                        compiled.range,
                        "reference",
                    )
                    compiled.problems = (self.decoder.config.diagnostics[-1],)
                    compiled.mentions = tuple(
                        replace(mention, code=None)
                        if compiled.text_of(mention).startswith(found.address)
                        else mention
                        for mention in compiled.mentions
                    )
                    found.references = tuple(r for r in found.references if r != reference)
                    found.mentions_itself = True
                    return

    def compile(self, located: Located, resolver: ModuleResolver) -> Compiled:
        compiled = self.decoder.compile(located, resolver)
        self.seen.append(compiled)
        return compiled

    def block(
        self, body: CompiledBody, source: SourceText, block: tree.BlockNode, resolver: ModuleResolver
    ) -> None:
        where = source.range(block.start, block.header_end)
        if block.type == "dynamic":
            self.dynamic(body, source, block, resolver)
            return
        labels = tuple(label.text for label in block.labels)
        inner = self.body(source, block.body, resolver)
        body.blocks.append(CompiledBlock(block.type, labels, inner, where))

    def body(self, source: SourceText, node: tree.Body, resolver: ModuleResolver) -> CompiledBody:
        found = CompiledBody()
        for name, attribute in node.attributes.items():
            located = Located(source, attribute)
            found.attributes.append((name, self.compile(located, resolver), located.range))
        for block in node.blocks:
            self.block(found, source, block, resolver)
        found.fixed = _fixed(found)
        return found

    def dynamic(
        self, body: CompiledBody, source: SourceText, block: tree.BlockNode, resolver: ModuleResolver
    ) -> None:
        decoder = self.decoder
        where = source.range(block.start, block.header_end)
        if len(block.labels) != 1:
            decoder.report(
                "Missing type for dynamic" if not block.labels else "Extraneous label for dynamic",
                "A dynamic block has one label: the type of the blocks to generate.",
                where,
            )
            return
        kind = block.labels[0].text
        attributes = block.body.attributes
        for name, attribute in attributes.items():
            if name not in ("for_each", "iterator", "labels"):
                decoder.report(
                    "Unsupported argument",
                    f'An argument named "{name}" is not expected here.',
                    source.range(attribute.start, attribute.name_end),
                )
        content = [inner for inner in block.body.blocks if inner.type == "content"]
        if "for_each" not in attributes:
            decoder.report(
                "Missing required argument",
                'The argument "for_each" is required, but no definition was found.',
                where,
            )
            return
        if len(content) != 1:
            summary = "Missing content block" if not content else "Extraneous content block"
            decoder.report(summary, "A dynamic block must have one content block.", where)
            return
        iterator = self.iterator(source, attributes.get("iterator"), kind)
        for_each = self.compile(Located(source, attributes["for_each"]), resolver)
        inside = resolver.with_iterator(iterator)
        labels: list[Compiled] = []
        given = attributes.get("labels")
        if given is not None and isinstance(given.expr, tree.TupleCons):
            for item in given.expr.items:
                label = tree.Attribute("labels", item.start, item.end, item.end, item)
                labels.append(self.compile(Located(source, label), inside))
        inner = self.body(source, content[0].body, inside)
        body.blocks.append(CompiledBlock(kind, (), inner, where, for_each, iterator, tuple(labels)))

    def iterator(self, source: SourceText, attribute: tree.Attribute | None, kind: str) -> str:
        if attribute is None:
            return kind
        expr = attribute.expr
        if isinstance(expr, tree.Traversal) and not expr.steps:
            return expr.root
        self.decoder.report(
            "Invalid expression",
            "A static variable name is required for the iterator of a dynamic block.",
            source.range(expr.start, expr.end),
        )
        return kind

    def references_only(self, source: SourceText, body: tree.Body, resolver: ModuleResolver) -> None:
        """Provisioners are not run, but what they mention counts as a dependency."""
        for attribute in body.attributes.values():
            if isinstance(attribute.expr, tree.Traversal) and attribute.name in ("when", "on_failure"):
                continue
            self.compile(Located(source, attribute), resolver)
        for block in body.blocks:
            self.references_only(source, block.body, resolver)

    def lifecycle(
        self, found: Resource, source: SourceText, block: tree.BlockNode, resolver: ModuleResolver
    ) -> None:
        decoder = self.decoder
        section = section_of(source, block)
        decoder.expect(section, _LIFECYCLE, ("precondition", "postcondition", "action_trigger"))
        rules = found.lifecycle
        if "create_before_destroy" in section.attributes:
            rules.create_before_destroy = decoder.flag(section, "create_before_destroy", False)
        if "prevent_destroy" in section.attributes:
            rules.prevent_destroy = decoder.flag(section, "prevent_destroy", False)
        ignore = section.attributes.get("ignore_changes")
        if ignore is not None:
            rules.ignore_changes = self.ignored(ignore)
        replace = section.attributes.get("replace_triggered_by")
        if replace is not None and isinstance(replace.attribute.expr, tree.TupleCons):
            for item in replace.attribute.expr.items:
                piece = tree.Attribute("replace_triggered_by", item.start, item.end, item.end, item)
                text = replace.source.text[item.start : item.end]
                root = item
                while isinstance(root, tree.Index | tree.RelativeTraversal):
                    root = root.collection if isinstance(root, tree.Index) else root.source
                if isinstance(root, tree.Traversal) and root.root in _NEVER_REPLACED:
                    decoder.report(
                        "Invalid reference in replace_triggered_by expression",
                        "Only resources of this module can be named here, and count.index or each.key in "
                        "their index.",
                        replace.source.range(item.start, item.end),
                    )
                rules.replace_triggered_by.append(
                    (text, self.compile(Located(replace.source, piece), resolver))
                )
        rules.preconditions += self.watched(decoder.rules(section, "precondition", resolver))
        after = ModuleResolver(resolver.names, resolver.repeat, True)
        rules.postconditions += self.watched(decoder.rules(section, "postcondition", after))

    def watched(self, rules: list[Rule]) -> list[Rule]:
        """The rules, with what they mention counted as dependencies."""
        for rule in rules:
            self.seen.append(rule.condition)
            if rule.message is not None:
                self.seen.append(rule.message)
        return rules

    def ignored(self, located: Located) -> tuple[str, ...]:
        expr = located.attribute.expr
        if isinstance(expr, tree.Traversal) and expr.root == "all" and not expr.steps:
            return ("all",)
        if not isinstance(expr, tree.TupleCons):
            self.decoder.report(
                "Invalid expression", "A static list expression is required.", located.value_range
            )
            return ()
        found: list[str] = []
        for item in expr.items:
            if isinstance(item, tree.Traversal):
                found.append(located.source.text[item.start : item.end])
            elif isinstance(item, tree.Literal) and isinstance(item.value, str):
                found.append(item.value)
            else:
                self.decoder.report(
                    "Invalid expression",
                    "A single static attribute reference is required in ignore_changes.",
                    located.source.range(item.start, item.end),
                )
        return tuple(found)


def _fixed(body: CompiledBody) -> tuple[BlockContent, int] | None:
    """The content of a block in which nothing is computed, such as most options, and the blocks in it."""
    values: dict[str, Value] = {}
    for name, compiled, _ in body.attributes:
        if compiled.constant is None:
            return None
        values[name] = compiled.constant
    blocks: list[Block] = []
    steps = 0
    for block in body.blocks:
        if block.for_each is not None or block.body.fixed is None:
            return None
        content, inside = block.body.fixed
        blocks.append(Block(block.type, block.labels, content, block.range))
        steps += 1 + inside
    ranges = {name: where for name, _, where in body.attributes}
    return BlockContent(values, tuple(blocks), ranges), steps
