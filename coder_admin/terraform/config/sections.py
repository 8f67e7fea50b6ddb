"""Blocks of a module's files sorted by what they declare, overrides merged, names checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from coder_admin.terraform.config.declarations import Located, Section
from coder_admin.terraform.diagnostics import Diagnostic, Range, error
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.parser import ParsedFile
from coder_admin.terraform.syntax.schema import STATE_BLOCKS, TERRAFORM_SETTINGS, TOP_LEVEL, Contents
from coder_admin.terraform.syntax.source import SourceText

_NAME = re.compile(r"[^\W\d][\w-]*")
_CONSTRAINT = re.compile(
    r"\s*(?:=|!=|>|>=|<|<=|~>)?\s*v?\d+(?:\.\d+)*(?:-[0-9A-Za-z.~-]+)?(?:\+[0-9A-Za-z.~-]+)?\s*"
)
_NO_REFERENCE = (tree.Template, tree.NumberLiteral, tree.Call, tree.TupleCons, tree.ObjectCons, tree.Binary)
_AFTER_DOT = re.compile(r"\.([^\W\d][\w-]*)")
# Nested blocks of which an override replaces single arguments; of others it replaces all of their type.
_MERGED_BLOCKS = ("lifecycle",)


@dataclass(slots=True)
class Sections:
    """A module's blocks by kind and name, in source order."""

    named: dict[str, dict[str, Section]] = field(default_factory=lambda: {kind: {} for kind in TOP_LEVEL})
    locals: dict[str, Located] = field(default_factory=dict)
    # Every name that follows a dot somewhere: an upper bound of the attributes that expressions ask for.
    attribute_names: set[str] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, file: ParsedFile) -> None:
        """Take a file's blocks in."""
        self.diagnostics += file.diagnostics
        self.attribute_names.update(_AFTER_DOT.findall(file.source.text))
        for name, attribute in file.body.attributes.items():
            self.report(
                "Unsupported argument",
                f'An argument named "{name}" is not expected here.',
                file.source.range(attribute.start, attribute.name_end),
            )
        for block in file.body.blocks:
            if self.labels_fit(file.source, block):
                self.add_block(file.source, block)

    def report(self, summary: str, detail: str, where: Range) -> None:
        self.diagnostics.append(error(summary, detail, where))

    def labels_fit(self, source: SourceText, block: tree.BlockNode) -> bool:
        """Whether the block's kind and labels are right; reports when not."""
        expected = TOP_LEVEL.get(block.type)
        if expected is None:
            self.unsupported_block(source, block, TOP_LEVEL)
            return False
        where = source.range(block.start, block.header_end)
        if len(block.labels) < len(expected):
            missing = expected[len(block.labels)]
            self.report(
                f"Missing {missing} for {block.type}",
                f"All {block.type} blocks must have {len(expected)} labels ({', '.join(expected)}).",
                where,
            )
            return False
        if len(block.labels) > len(expected):
            extra = block.labels[len(expected)]
            wanted = f"Only {len(expected)} labels ({', '.join(expected)})" if expected else "No labels"
            self.report(
                f"Extraneous label for {block.type}",
                f"{wanted} are expected for {block.type} blocks.",
                source.range(extra.start, extra.end),
            )
            return False
        for label in block.labels if block.type != "provider" else ():
            if not _NAME.fullmatch(label.text):
                self.bad_name(source, block, label)
                return False
        return True

    def bad_name(self, source: SourceText, block: tree.BlockNode, label: tree.Label) -> None:
        kind = {"module": "module instance", "data": "data resource"}.get(block.type, block.type)
        what = "type" if len(block.labels) == 2 and label is block.labels[0] else "name"
        self.report(
            f"Invalid {kind} {what}",
            "A name must start with a letter or underscore and may contain only letters, digits, "
            "underscores, and dashes.",
            source.range(label.start, label.end),
        )

    def unsupported_block(
        self, source: SourceText, block: tree.BlockNode, known: Sequence[str] | dict[str, tuple[str, ...]]
    ) -> None:
        close = difflib.get_close_matches(block.type, list(known), 1, 0.7)
        hint = f' Did you mean "{close[0]}"?' if close else ""
        self.report(
            "Unsupported block type",
            f'Blocks of type "{block.type}" are not expected here.{hint}',
            source.range(block.start, block.type_end),
        )

    def add_block(self, source: SourceText, block: tree.BlockNode) -> None:
        if block.type == "locals":
            self.add_locals(source, block)
            return
        if block.type in STATE_BLOCKS:
            self.check_contents(source, block, STATE_BLOCKS[block.type])
            return
        if block.type == "terraform":
            self.check_settings(source, block)
            return
        if block.type in ("provider", "action"):
            return
        name = ".".join(label.text for label in block.labels)
        before = self.named[block.type].get(name)
        if before is None:
            self.named[block.type][name] = section(source, block)
            return
        summary, detail = _duplicate(block, name, before.range)
        self.report(summary, detail, source.range(block.start, block.header_end))

    def check_contents(self, source: SourceText, block: tree.BlockNode, contents: Contents) -> None:
        """Report arguments and blocks that are missing, or that do not belong there."""
        where = source.range(block.start, block.header_end)
        given = block.body.attributes
        for name in contents.required:
            if name not in given:
                detail = f'The argument "{name}" is required, but no definition was found.'
                self.report("Missing required argument", detail, where)
        if block.type == "import" and ("id" in given) == ("identity" in given):
            detail = 'An import block needs either "id" or "identity", to say which object to import.'
            self.report("Invalid import block", detail, where)
        for name, attribute in given.items():
            if name not in contents.required and name not in contents.optional:
                detail = f'An argument named "{name}" is not expected here.'
                place = source.range(attribute.start, attribute.name_end)
                self.report("Unsupported argument", detail, place)
        for inner in block.body.blocks:
            if inner.type not in contents.blocks:
                self.unsupported_block(source, inner, contents.blocks)
        for name in ("from", "to"):
            found = given.get(name)
            if found is None:
                continue
            quoted = isinstance(found.expr, tree.Literal) and not source.file.endswith(".json")
            if quoted or isinstance(found.expr, _NO_REFERENCE):
                self.report(
                    "Invalid expression",
                    "A single static reference is required here: names and constant indexes only.",
                    source.range(found.expr.start, found.expr.end),
                )

    def check_settings(self, source: SourceText, block: tree.BlockNode) -> None:
        """The terraform block: settings of another program, but a misspelt one is worth telling."""
        for name, attribute in block.body.attributes.items():
            where = source.range(attribute.start, attribute.name_end)
            if name not in TERRAFORM_SETTINGS.optional:
                close = difflib.get_close_matches(name, TERRAFORM_SETTINGS.optional, 1, 0.7)
                hint = f' Did you mean "{close[0]}"?' if close else ""
                self.report(
                    "Unsupported argument", f'An argument named "{name}" is not expected here.{hint}', where
                )
        for inner in block.body.blocks:
            if inner.type not in TERRAFORM_SETTINGS.blocks:
                self.unsupported_block(source, inner, TERRAFORM_SETTINGS.blocks)
        required = block.body.attributes.get("required_version")
        if required is not None and isinstance(required.expr, tree.Literal):
            text = required.expr.value
            if not isinstance(text, str) or not all(map(_CONSTRAINT.fullmatch, text.split(","))):
                self.report(
                    "Invalid version constraint",
                    'This is no version constraint; one looks like ">= 1.5, < 2.0".',
                    source.range(required.expr.start, required.expr.end),
                )

    def add_locals(self, source: SourceText, block: tree.BlockNode) -> None:
        for inner in block.body.blocks:
            where = source.range(inner.start, inner.type_end)
            self.report(f'Unexpected "{inner.type}" block', "Blocks are not allowed here.", where)
        for name, attribute in block.body.attributes.items():
            before = self.locals.get(name)
            if before is None:
                self.locals[name] = Located(source, attribute)
                continue
            where = before.source.range(before.attribute.start, before.attribute.end)
            self.report(
                "Duplicate local value definition",
                f'A local value named "{name}" was already defined at {where}. Local value names must be '
                "unique within a module.",
                source.range(attribute.start, attribute.end),
            )

    def override(self, file: ParsedFile) -> None:
        """Merge an override file's blocks into those declared before."""
        self.diagnostics += file.diagnostics
        self.attribute_names.update(_AFTER_DOT.findall(file.source.text))
        for block in file.body.blocks:
            if not self.labels_fit(file.source, block):
                continue
            if block.type == "locals":
                for name, attribute in block.body.attributes.items():
                    if name not in self.locals:
                        where = file.source.range(attribute.start, attribute.name_end)
                        self.no_base("local value", "a local value", name, where)
                    self.locals[name] = Located(file.source, attribute)
                continue
            name = ".".join(label.text for label in block.labels)
            base = self.named[block.type].get(name)
            if base is not None:
                self.check_override(file.source, block)
                merge(base, file.source, block)
            elif block.type in ("variable", "output", "resource", "data", "module"):
                self.missing_base(file.source, block, name)

    def check_override(self, source: SourceText, block: tree.BlockNode) -> None:
        """Rules of a variable belong together with it, so that an override cannot replace them."""
        for inner in block.body.blocks if block.type == "variable" else ():
            if inner.type == "validation":
                self.report(
                    "Can't override validation blocks",
                    "An override file cannot replace the validation rules of a variable.",
                    source.range(inner.start, inner.header_end),
                )

    def missing_base(self, source: SourceText, block: tree.BlockNode, name: str) -> None:
        what, noun = {
            "module": ("a module call", "definition"),
            "data": ("a data resource", "definition"),
            "resource": ("a resource", ""),
            "output": ("an output", "definition"),
        }.get(block.type, ("a variable", "declaration"))
        kind = what.split(" ", 1)[1]
        self.no_base(kind, what, name, source.range(block.start, block.header_end), noun)

    def no_base(self, kind: str, what: str, name: str, where: Range, noun: str = "definition") -> None:
        self.report(
            f"Missing base {kind} {noun} to override" if noun else f"Missing {kind} to override",
            f'There is no {kind} named "{name}". An override file can only override {what} that was already '
            "defined in a primary configuration file.",
            where,
        )


def section(source: SourceText, block: tree.BlockNode) -> Section:
    """A block as a section of its own."""
    attributes = {name: Located(source, attribute) for name, attribute in block.body.attributes.items()}
    return Section(source, block, attributes, [(source, inner) for inner in block.body.blocks])


def merge(base: Section, source: SourceText, block: tree.BlockNode) -> None:
    """Lay a block of an override file over the section that it overrides."""
    for name, attribute in block.body.attributes.items():
        base.attributes[name] = Located(source, attribute)
        if name in ("count", "for_each"):
            base.attributes.pop("for_each" if name == "count" else "count", None)
    replaced = {_block_kind(inner) for inner in block.body.blocks} - set(_MERGED_BLOCKS)
    kept = [(where, inner) for where, inner in base.blocks if _block_kind(inner) not in replaced]
    base.blocks = kept + [(source, inner) for inner in block.body.blocks]


def _block_kind(block: tree.BlockNode) -> str:
    """What a block is, seen through `dynamic`."""
    return block.labels[0].text if block.type == "dynamic" and block.labels else block.type


def _duplicate(block: tree.BlockNode, name: str, before: Range) -> tuple[str, str]:
    if block.type in ("resource", "data", "ephemeral"):
        kind, short = block.labels[0].text, block.labels[1].text
        data = "data " if block.type == "data" else ""
        return (
            f"Duplicate {data}{'resource' if block.type != 'ephemeral' else 'ephemeral resource'} "
            f'"{kind}" configuration',
            f'A {kind} {data}resource named "{short}" was already declared at {before}. Resource names '
            "must be unique per type in each module.",
        )
    if block.type == "module":
        return (
            "Duplicate module call",
            f'A module call named "{name}" was already defined at {before}. Module calls must have '
            "unique names within a module.",
        )
    if block.type == "check":
        return (
            f'Duplicate check "{name}" configuration',
            f'A check block named "{name}" was already declared at {before}. Check blocks must be unique '
            "within a module.",
        )
    what = "output" if block.type == "output" else "variable"
    title = "Duplicate output definition" if what == "output" else "Duplicate variable declaration"
    return (
        title,
        f'{"An output" if what == "output" else "A variable"} named "{name}" was already '
        f"{'defined' if what == 'output' else 'declared'} at {before}. {what.capitalize()} names must be "
        "unique within a module.",
    )
