"""What an import finds in a template's files, or why it refuses them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from coder_admin.catalog.imports import ImportedParameter, ImportedVariable, ImportResult
from coder_admin.catalog.storable import storage_problems
from coder_admin.parameters.model import Note, Output, PreviewParameter, Variable, warning
from coder_admin.parameters.owner import Owner
from coder_admin.parameters.presets import Render, validated
from coder_admin.parameters.provider import NOTHING_KNOWN, FormProvider, Surroundings
from coder_admin.parameters.reading import attribute, text_of
from coder_admin.parameters.render import (
    FORM_CONTEXT,
    Renderer,
    as_imported,
    compile_template,
    read_variables,
)
from coder_admin.parameters.resolver import unknown_tag_detail
from coder_admin.parameters.variables import VariableError, server_values
from coder_admin.terraform import Instance, MemoryFileSystem, Value, evaluate, load_module

README_LIMIT = 1024 * 1024
Log = Callable[[str, str, str], None]
"""stage, line, level"""


class ImportRefusedError(Exception):
    """The files are no usable template: one sentence, and in ``lines`` each reason with its place."""

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.lines = tuple(lines)


def inspect_template(
    files: Mapping[str, bytes],
    *,
    owner: Owner,
    given: Mapping[str, str] | None = None,
    carried: Mapping[str, str] | None = None,
    surroundings: Surroundings = NOTHING_KNOWN,
    unsupported: Callable[[set[str]], set[str]] = lambda types: set(),
    log: Log = lambda stage, line, level: None,
) -> ImportResult:
    """Read, evaluate and judge a template. ``given`` are the author's variable values, ``carried`` those of
    the version before, which hold unless given anew. Raises ImportRefusedError.
    """
    check_has_configuration(files)
    filesystem = MemoryFileSystem(files)
    module = load_module(filesystem)
    _refuse_errors(
        "The template's files cannot be read", [str(item) for item in module.diagnostics if item.is_error]
    )
    rows = _variables(read_variables(module), given or {}, carried or {}, module.file_variables)
    _report_unknown(given or {}, rows, log)
    try:
        values = server_values((row.name, row.type, row.value, "") for row in rows)
    except VariableError as problem:
        raise ImportRefusedError(str(problem)) from None
    log("Evaluating template", "Evaluating the template with its defaults.", "info")
    template = compile_template(filesystem, variables=values)
    renderer = Renderer(template, surroundings)
    output = renderer.render(owner)
    _judge(output, lambda inputs: renderer.render(owner, inputs))
    instances = evaluate(
        module,
        variables=values,
        provider=FormProvider(owner=owner, surroundings=surroundings),
        context=FORM_CONTEXT,
    ).instances
    notes = [*output.diagnostics, *_unsupported_notes(instances, unsupported)]
    for note in notes:
        log("Evaluating template", _line(note), "warn")
    result = ImportResult(
        parameters=tuple(imported_parameter(parameter) for parameter in output.parameters),
        presets=tuple(as_imported(preset) for preset in output.presets),
        variables=tuple(rows),
        tags=output.tags,
        readme=_readme(files),
        resources=tuple(_resources(instances)),
        diagnostics=tuple(_stored(note) for note in notes),
        external_auth_providers=tuple(_external_auth(instances)),
    )
    _refuse_errors("The template cannot be stored", storage_problems(result))
    return result


def _refuse_errors(message: str, lines: Sequence[str]) -> None:
    if lines:
        more = f" (and {len(lines) - 1} more, see the log)" if len(lines) > 1 else ""
        raise ImportRefusedError(f"{message}: {lines[0]}{more}", lines)


def check_has_configuration(files: Iterable[str]) -> None:
    """Refuse files without configuration in the root folder. Raises ImportRefusedError."""
    names = [path for path in files if path.endswith((".tf", ".tf.json"))]
    if any("/" not in path for path in names):
        return
    below = sorted({posixpath.dirname(path) for path in names if not path.startswith(".terraform/")})
    hint = (
        f"there are some in {below[0]}: pack the contents of that folder, not the folder itself"
        if below
        else "add at least one, such as main.tf"
    )
    raise ImportRefusedError(f"The template has no .tf file in its root folder; {hint}.")


def _variables(
    declared: Iterable[Variable],
    given: Mapping[str, str],
    carried: Mapping[str, str],
    from_files: Mapping[str, Value],
) -> list[ImportedVariable]:
    """The template's variables with their values. Raises ImportRefusedError when required ones have none."""
    rows, missing = [], []
    for variable in declared:
        value = given.get(variable.name, carried.get(variable.name, ""))
        required = not variable.has_default
        if required and not value and variable.name not in given and variable.name not in from_files:
            missing.append(variable.name)
        kind = "" if variable.type in ("any", "dynamic") else variable.type
        rows.append(
            ImportedVariable(
                name=variable.name,
                type=kind,
                description=variable.description,
                value=value,
                default_value=variable.default_text,
                required=required,
                sensitive=variable.sensitive,
            )
        )
    if missing:
        raise ImportRefusedError(f"required template variables need values: {', '.join(missing)}")
    return rows


def _report_unknown(given: Mapping[str, str], rows: Iterable[ImportedVariable], log: Log) -> None:
    unknown = sorted(set(given) - {row.name for row in rows})
    if unknown:
        log("Parsing template", f"Values for undeclared variables are ignored: {', '.join(unknown)}.", "warn")


def _judge(output: Output, render: Render) -> None:
    """Refuse what cannot work for anybody; what a person may still fill in is left to the form."""
    _refuse_errors("The template cannot be evaluated", [_line(note) for note in output.errors])
    broken = [
        f"{_place(note)}parameter {parameter.name}: {_sentence(note)}"
        for parameter in output.parameters
        for note in parameter.errors
        if parameter.value.valid or not note.of_value
    ]
    _refuse_errors("The template's parameters cannot be used", broken)
    wrong = [
        f'{_place(note)}preset "{preset.name}": {_sentence(note)}'
        for preset in validated(output.presets, render)
        for note in preset.errors
    ]
    _refuse_errors("Unable to validate presets", wrong)
    _refuse_errors(
        "Unable to parse workspace tags", [unknown_tag_detail(name) for name in output.unknown_tags]
    )


def _sentence(note: Note) -> str:
    return f"{note.summary}; {note.detail}" if note.detail else note.summary


def _place(note: Note) -> str:
    return f"{note.range.start.file}:{note.range.start.line}: " if note.range else ""


def _line(note: Note) -> str:
    return _place(note) + _sentence(note)


def _stored(note: Note) -> dict[str, object]:
    start = note.range.start if note.range else None
    return {
        "severity": note.severity.value,
        "summary": _without_nul(note.summary),
        "detail": _without_nul(note.detail),
        "code": note.code,
        "file": start.file if start else "",
        "line": start.line if start else 0,
    }


def imported_parameter(parameter: PreviewParameter) -> ImportedParameter:
    """The parameter as it is stored for the static fallback and the classic flow."""
    rule = parameter.validations[0] if parameter.validations else None
    return ImportedParameter(
        name=parameter.name,
        type=parameter.type,
        form_type=parameter.form_type,
        display_name=parameter.display_name,
        description=parameter.description,
        styling=parameter.styling,
        mutable=parameter.mutable,
        default_value=parameter.default_value.text or "",
        icon=parameter.icon,
        options=tuple(
            {"name": o.name, "description": o.description, "value": o.value.value, "icon": o.icon}
            for o in parameter.options
        ),
        validation_regex=rule.regex if rule else "",
        validation_min=rule.min if rule else None,
        validation_max=rule.max if rule else None,
        validation_error=rule.error if rule else "",
        validation_monotonic=rule.monotonic if rule else "",
        required=parameter.required,
        ephemeral=parameter.ephemeral,
        display_order=parameter.order,
    )


def _without_nul(text: str) -> str:
    """PostgreSQL stores no NUL; in text that is only shown, a mark takes its place."""
    return text.replace("\x00", "\ufffd")


def _readme(files: Mapping[str, bytes]) -> str:
    for path in sorted(files):
        if path.lower() == "readme.md":
            return _without_nul(files[path][:README_LIMIT].decode("utf-8", "replace"))
    return ""


def _resources(instances: Sequence[Instance]) -> list[dict[str, object]]:
    """What a start would create, each with the agents that run on it."""
    agents = {
        item.address: item for item in instances if item.mode == "managed" and item.type == "coder_agent"
    }
    rows: list[dict[str, object]] = []
    for item in instances:
        if item.mode != "managed" or item.type.startswith("coder_"):
            continue
        own = [agents[address] for address in item.depends_on if address in agents]
        rows.append(
            {
                "type": item.type,
                "name": item.name,
                "address": item.address,
                "agents": [{"name": agent.name} for agent in own],
            }
        )
    return rows


def _unsupported_notes(
    instances: Sequence[Instance], unsupported: Callable[[set[str]], set[str]]
) -> list[Note]:
    """A warning for each resource type that this deployment cannot build: the form works, a build fails."""
    managed = [item for item in instances if item.mode == "managed"]
    missing = unsupported({item.type for item in managed})
    return [
        warning(
            f"Resource type {kind} cannot be built here",
            "The template previews well, but builds need an engine that knows the type (CODER_ADMIN_ENGINE).",
            range=next(item.range for item in managed if item.type == kind),
        )
        for kind in sorted(missing)
    ]


def _external_auth(instances: Iterable[Instance]) -> list[str]:
    found = (text_of(attribute(i.config, "id")) for i in instances if i.type == "coder_external_auth")
    return sorted({name for name in found if name})
