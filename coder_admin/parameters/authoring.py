"""What template authors see of their folder: a render without server and database, as JSON or a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coder_admin.files.archives import ArchiveError
from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.folders import read_folder
from coder_admin.parameters.model import Note, Output, Wire
from coder_admin.parameters.owner import DEFAULT_OWNER, Owner
from coder_admin.parameters.presets import validated
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.parameters.resolver import changes_since
from coder_admin.terraform import MemoryFileSystem


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
    """The form of a folder, its presets judged as at import. Raises Invalid for an unreadable folder."""
    try:
        files = read_folder(setting.folder)
    except ArchiveError as problem:
        raise Invalid(str(problem)) from None
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
    """The same for people: one line for each parameter and preset, what is wrong below it."""
    lines = []
    width = max((len(parameter.name) for parameter in output.parameters), default=0)
    for parameter in output.parameters:
        value = parameter.value.value if parameter.value.valid else "–"
        choices = (
            f"  of {', '.join(option.value.value for option in parameter.options)}"
            if parameter.options
            else ""
        )
        lines.append(f"{parameter.name:<{width}}  {parameter.type} {parameter.form_type}  {value!r}{choices}")
        lines += [_line(note) for note in parameter.diagnostics]
    for preset in output.presets:
        pool = f", {preset.prebuilds.instances} prebuilt" if preset.prebuilds else ""
        lines.append(f"preset {preset.name!r}{' (default)' if preset.default else ''}{pool}")
        lines += [_line(note) for note in preset.diagnostics]
    lines += [f"tag {name} = {value!r}" for name, value in sorted(output.tags.items())]
    lines += [f"tag {name} is not known" for name in output.unknown_tags]
    lines += [_line(note).lstrip() for note in output.diagnostics]
    return "\n".join(lines) or "The template asks for nothing."


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
