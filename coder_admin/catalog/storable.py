"""Whether the tables can hold what an import found, asked before a worker tries to store it.

PostgreSQL refuses what is too long or has a NUL in it, SQLite takes both; a template must fare alike
on either, and its author must read which block is wrong, not that a statement failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models import CharField, Field, IntegerField, Model

from .imports import ImportedParameter, ImportedPreset, ImportedSchedule, ImportedVariable, ImportResult
from .models import (
    TemplateVersionParameter,
    TemplateVersionPreset,
    TemplateVersionPresetParameter,
    TemplateVersionPresetPrebuildSchedule,
    TemplateVersionVariable,
)

_SHOWN = 60

#: Which column keeps a field of another name.
_COLUMNS: Mapping[type[Model], Mapping[str, str]] = {
    TemplateVersionPreset: {
        "instances": "desired_instances",
        "ttl": "invalidate_after_secs",
        "timezone": "scheduling_timezone",
        "default": "is_default",
    },
    TemplateVersionPresetPrebuildSchedule: {"cron": "cron_expression", "instances": "desired_instances"},
}

Imported = ImportedParameter | ImportedPreset | ImportedSchedule | ImportedVariable


def storage_problems(result: ImportResult) -> list[str]:
    """One sentence, naming its block, for each value that cannot be stored."""
    return [
        *_rows("parameter", result.parameters, TemplateVersionParameter),
        *_rows("variable", result.variables, TemplateVersionVariable),
        *_presets(result.presets),
        *(
            f"workspace tag {_short(name)}: {_NUL}"
            for name, value in result.tags.items()
            if _has_nul((name, value))
        ),
        *("A resource's name or attribute: " + _NUL for resource in result.resources if _has_nul(resource)),
    ]


_NUL = "it holds a NUL character; take it out."


def _rows(
    noun: str, rows: Iterable[ImportedParameter | ImportedVariable], model: type[Model]
) -> Iterator[str]:
    for row in rows:
        yield from (f"{noun} {_short(row.name)}: {problem}" for problem in _row(row, model))


def _presets(presets: Iterable[ImportedPreset]) -> Iterator[str]:
    for preset in presets:
        where = f"preset {_short(preset.name)}"
        yield from (f"{where}: {problem}" for problem in _row(preset, TemplateVersionPreset))
        for name in preset.parameters:
            problem = _problem(name, _field(TemplateVersionPresetParameter, "name"))
            if problem:
                yield f"{where}: the parameter name {_short(name)} {problem}"
        for schedule in preset.schedules:
            yield from (
                f"{where}: schedule {_short(schedule.cron)}: {problem}"
                for problem in _row(schedule, TemplateVersionPresetPrebuildSchedule)
            )


def _row(row: Imported, model: type[Model]) -> Iterator[str]:
    for field in fields(row):
        value = getattr(row, field.name)
        column = _field(model, _COLUMNS.get(model, {}).get(field.name, field.name))
        if field.name != "schedules" and _has_nul(value):
            yield f"{field.name}: {_NUL}"
        elif column is not None and (problem := _problem(value, column)):
            yield f"{field.name} {problem}"


def _problem(value: object, column: Field[Any, Any] | None) -> str:
    """Why the column cannot hold the value, as the end of a sentence; empty when it can."""
    if isinstance(column, CharField) and isinstance(value, str) and column.max_length is not None:
        if len(value) > column.max_length:
            return f"has {len(value)} characters; at most {column.max_length} fit."
    elif isinstance(column, IntegerField) and isinstance(value, int):
        # Not connection.ops: SQLite's own ranges are wider than PostgreSQL's.
        least, most = BaseDatabaseOperations.integer_field_ranges[column.get_internal_type()]
        if not least <= value <= most:
            return f"is {value}; use a number from {least} to {most}."
    return ""


def _field(model: type[Model], name: str) -> Field[Any, Any] | None:
    found = {field.name: field for field in model._meta.concrete_fields}
    return found.get(name)


def _has_nul(value: object) -> bool:
    """Whether any text in the value, however deep, holds a NUL."""
    match value:
        case str():
            return "\x00" in value
        case Mapping():
            return any(_has_nul(part) for pair in value.items() for part in pair)
        case list() | tuple():
            return any(_has_nul(part) for part in value)
    return False


def _short(name: str) -> str:
    text = name.replace("\x00", "\ufffd")
    return f'"{text[:_SHOWN]}…"' if len(text) > _SHOWN else f'"{text}"'
