"""What template authors see of their folder: a render without server and database, as JSON or a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coder_admin.files.archives import ArchiveError
from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.folders import read_folder
from coder_admin.parameters.model import Note, Output, PreviewParameter, Wire, error
from coder_admin.parameters.owner import DEFAULT_OWNER, Owner
from coder_admin.parameters.presets import validated
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.parameters.resolver import changes_since
from coder_admin.terraform import MemoryFileSystem

WIDEST = 40
"""Columns of a table's cell; what is longer pushes the rest of its line."""


@dataclass(frozen=True)
class Setting:
    """What a folder is rendered with. ``previous`` are the values of a workspace's last build."""

    folder: Path
    values: Mapping[str, str] = field(default_factory=dict)
    owner: Owner = DEFAULT_OWNER
    plan: Any = None
    previous: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def render_folder(setting: Setting) -> Output:
    """The form of a folder, its presets judged as at import. A folder that cannot be read is a top-level
    error like any other."""
    try:
        files = read_folder(setting.folder)
    except ArchiveError as problem:
        return Output(diagnostics=(error("Files not found", str(problem)),), complete=False)
    template = compile_template(MemoryFileSystem(files), plan=setting.plan, variables=setting.variables)
    renderer = Renderer(template)
    output = changes_since(setting.previous, renderer.render(setting.owner, setting.values))
    presets = validated(output.presets, lambda inputs: renderer.render(setting.owner, inputs))
    return output.with_presets(presets)


def document(output: Output) -> Wire:
    """The JSON document of ``render_parameters --json``; its shape is a fixed contract."""
    body = output.wire(0)
    return {
        "parameters": body["parameters"],
        "presets": [preset.wire() for preset in output.presets],
        "tags": dict(output.tags),
        "unknown_tags": list(output.unknown_tags),
        "variables": [variable.wire() for variable in output.variables],
        "diagnostics": body["diagnostics"],
    }


def table(output: Output) -> str:
    """The same for people: a table of the parameters, then presets and tags; what is wrong with one stands
    below it."""
    lines = _parameter_lines(output.parameters)
    for preset in output.presets:
        values = ", ".join(f"{name} = {_quoted(value)}" for name, value in preset.parameters.items())
        pool = f"; {preset.prebuilds.instances} prebuilt" if preset.prebuilds else ""
        lines.append(f"preset {_quoted(preset.name)}{' (default)' if preset.default else ''}: {values}{pool}")
        lines += [_line(note) for note in preset.diagnostics]
    lines += [f"tag {name} = {_quoted(value)}" for name, value in sorted(output.tags.items())]
    lines += [f"tag {name} is not known" for name in output.unknown_tags]
    lines += [_line(note).lstrip() for note in output.diagnostics]
    return "\n".join(lines) or "The template asks for nothing."


def _parameter_lines(parameters: Sequence[PreviewParameter]) -> list[str]:
    if not parameters:
        return []
    rows = [("PARAMETER", "TYPE", "FORM", "VALUE", "NOTES"), *(_row(parameter) for parameter in parameters)]
    widths = [min(max(len(row[column]) for row in rows), WIDEST) for column in range(4)]
    lines = []
    for index, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
        if index:
            lines += [_line(note) for note in parameters[index - 1].diagnostics]
    return lines


def _row(parameter: PreviewParameter) -> tuple[str, str, str, str, str]:
    flags = [
        "required" if parameter.required else "",
        "" if parameter.mutable else "immutable",
        "ephemeral" if parameter.ephemeral else "",
        f"one of {', '.join(_quoted(option.value.value) for option in parameter.options)}"
        if parameter.options
        else "",
    ]
    value = _quoted(parameter.value.value) if parameter.value.valid else "-"
    notes = ", ".join(flag for flag in flags if flag)
    return _printable(parameter.name), parameter.type, parameter.form_type, value, notes


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _printable(text: str) -> str:
    return text if text.isprintable() else _quoted(text)


def _line(note: Note) -> str:
    place = f"{note.range.start.file}:{note.range.start.line}: " if note.range else ""
    detail = f"; {note.detail}" if note.detail else ""
    return f"  {place}{note.severity.value}: {note.summary}{detail}"


def read_json(path: Path, what: str) -> Any:
    """The JSON in a file. Raises Invalid with the file's name and the line."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Invalid(f"The file {path} with the {what} cannot be read: {problem.strerror}.") from None
    except (ValueError, RecursionError) as problem:
        raise Invalid(f"The file {path} with the {what} is not JSON: {problem}.") from None


def read_plan_file(path: Path) -> Any:
    """The plan in a file, None for an empty one. What is no JSON comes back as text, which no plan is.
    Raises Invalid when the file cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as problem:
        raise Invalid(f"The file {path} with the plan cannot be read: {problem.strerror}.") from None
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_texts(path: Path, what: str) -> dict[str, str]:
    """A JSON object of texts in a file. Raises Invalid."""
    data = read_json(path, what)
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise Invalid(f"The file {path} with the {what} must hold a JSON object of texts.")
    return data


def read_owner(path: Path) -> Owner:
    """An owner in a file. Raises Invalid."""
    data = read_json(path, "owner")
    if not isinstance(data, dict):
        raise Invalid(f"The file {path} with the owner must hold a JSON object.")
    try:
        return Owner.from_json(data)
    except ValueError as problem:
        raise Invalid(f"The file {path}: {problem}.") from None
