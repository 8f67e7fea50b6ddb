"""Override files laid over the primary files of a directory.

Two readings: Terraform's own, and that of a preview, which merges files in HCL only and, when anything does
not fit, goes on with all files unmerged.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from coder_admin.terraform.config.sections import Sections
from coder_admin.terraform.diagnostics import Diagnostic, warning
from coder_admin.terraform.syntax.parser import ParsedFile

CODE = "override"
_WITH_BASE = ("variable", "output", "resource", "data", "module")


def is_override(path: str) -> bool:
    """Whether a file's name makes it an override file."""
    stem = posixpath.basename(path).removesuffix(".json").removesuffix(".tf")
    return stem == "override" or stem.endswith("_override")


def merged(primaries: Iterable[ParsedFile], overrides: Iterable[ParsedFile]) -> Sections:
    """All sections as Terraform sees them."""
    sections = _of(primaries)
    for file in overrides:
        sections.override(file)
    return sections


def previewed(primaries: Sequence[ParsedFile], overrides: Sequence[ParsedFile]) -> Sections:
    """All sections as a preview sees them: what cannot be merged is a warning."""
    native = [file for file in overrides if not _is_json(file)]
    notes = [_left_out(file) for file in overrides if _is_json(file)]
    sections = _of(primaries)
    problem = next((found for file in native if (found := _misfit(sections, file))), None)
    if problem is None:
        for file in native:
            sections.override(file)
            notes += _skipped(file)
    else:
        notes.append(problem)
        sections = _of([*primaries, *native])
    sections.diagnostics += notes
    return sections


def _of(files: Iterable[ParsedFile]) -> Sections:
    sections = Sections()
    for file in files:
        sections.add(file)
    return sections


def _is_json(file: ParsedFile) -> bool:
    return file.source.file.endswith(".json")


def _left_out(file: ParsedFile) -> Diagnostic:
    detail = (
        f"{file.source.file} is not merged: forms merge override files in HCL only. Rewrite it as a .tf file."
    )
    return warning("Override file is ignored", detail, code=CODE)


def _skipped(file: ParsedFile) -> list[Diagnostic]:
    """A warning for each terraform block, which an override file cannot change."""
    return [
        warning(
            "Block in an override file is ignored",
            "A terraform block of an override file plays no part in forms.",
            file.source.range(block.start, block.header_end),
            CODE,
        )
        for block in file.body.blocks
        if block.type == "terraform"
    ]


def _misfit(sections: Sections, file: ParsedFile) -> Diagnostic | None:
    """What in the file has no counterpart in the primary files; the sections stay as they are."""
    for block in file.body.blocks:
        where = file.source.range(block.start, block.header_end)
        if block.type == "locals":
            for name, attribute in block.body.attributes.items():
                before = sections.locals.get(name)
                if before is None or before.source.file.endswith(".json"):
                    place = file.source.range(attribute.start, attribute.name_end)
                    return _disabled(f'there is no local value "{name}" to override', str(place))
        elif block.type in _WITH_BASE:
            name = ".".join(label.text for label in block.labels)
            base = sections.named[block.type].get(name)
            if base is None or base.source.file.endswith(".json"):
                return _disabled(f'there is no {block.type} "{name}" to override', str(where))
    return None


def _disabled(reason: str, place: str) -> Diagnostic:
    detail = (
        f"{place}: {reason} in the primary .tf files. All files of the folder are used as they are, unmerged."
    )
    return warning("Override file merging disabled due to an error", detail, code=CODE)
