"""Rendering a template's form: files, owner and inputs in, parameters with their values out (reference 4).

Compiling is done once for a template's files, whoever opens its form; a render evaluates and reads. Nothing
raises for a template that is wrong: what is wrong is a diagnostic at the parameter, preset or top level.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import structlog

from coder_admin.catalog.imports import ImportedPreset, ImportedSchedule, preset_problems
from coder_admin.parameters.blocks import (
    Declared,
    UnreadableBlockError,
    duplicate_notes,
    read_declaration,
    with_value,
)
from coder_admin.parameters.memo import Memo, input_of
from coder_admin.parameters.model import (
    Note,
    Output,
    Preset,
    PreviewParameter,
    Severity,
    Variable,
    error,
)
from coder_admin.parameters.owner import DEFAULT_OWNER, Owner
from coder_admin.parameters.plan import EMPTY_PLAN, PlanData, PlanError, read_plan
from coder_admin.parameters.presets import read_preset, with_single_default
from coder_admin.parameters.provider import NOTHING_KNOWN, FormProvider, Surroundings
from coder_admin.parameters.reading import PRIMITIVES
from coder_admin.parameters.tags import read_tags
from coder_admin.parameters.variables import stray_tfvars
from coder_admin.terraform import (
    Budget,
    Diagnostic,
    EvalContext,
    Evaluation,
    FileSystem,
    Instance,
    MemoryFileSystem,
    Module,
    Value,
    evaluate,
    load_module,
    to_python,
    to_text,
)
from coder_admin.terraform.types import constraint_text

log = structlog.get_logger(__name__)

MODULE_NOT_LOADED = "module_not_loaded"
CRASHED = "The template could not be evaluated. The server's log has the reason."
#: What one render may use: far above real templates (a few thousand steps), low enough that a hostile one
#: does not hold up the forms of others for long.
FORM_CONTEXT = EvalContext(budget=Budget(steps=500_000, seconds=4.0), home=None)
#: What Terraform refuses although a form can still be shown: values that depend on it are unknown.
_BEARABLE = frozenset({"reference", "argument", "cycle", "undeclared"})
#: Of an evaluation's diagnostics, those that no block of the form tells.
_TOP_LEVEL = frozenset({"budget", "variable", "undeclared"})
_FORM_TYPES = frozenset({"coder_parameter", "coder_workspace_preset", "coder_workspace_tags"})


@dataclass(frozen=True)
class Template:
    """A template's files, compiled, with what does not change between renders."""

    module: Module
    variables: Mapping[str, Value | str] = field(default_factory=dict)
    plan: PlanData = EMPTY_PLAN
    notes: tuple[Note, ...] = ()
    complete: bool = True
    parameters: Memo[Declared, PreviewParameter] = field(default_factory=Memo, compare=False)
    presets: Memo[Preset, Preset] = field(default_factory=Memo, compare=False)
    objects: Memo[dict[str, Value], Value] = field(default_factory=Memo, compare=False)
    first: list[Evaluation] = field(default_factory=list, compare=False)
    """The first evaluation by anybody: others begin from it, and evaluate only what is different for them."""
    broken: bool = False
    """Nothing can be rendered at all; ``notes`` say why."""

    @cached_property
    def shown_variables(self) -> tuple[Variable, ...]:
        """The root module's variables as a form shows them."""
        return read_variables(self.module)


def compile_template(
    files: FileSystem, *, plan: Any = None, variables: Mapping[str, Value | str] | None = None
) -> Template:
    """Read and compile. ``plan`` is the import's plan as JSON, ``variables`` the server's values. Never
    raises for what the files hold."""
    try:
        module = load_module(files, preview=True)
    except Exception:
        log.exception("reading a template crashed")
        crash = error("Parse terraform files", CRASHED)
        return Template(load_module(MemoryFileSystem({})), notes=(crash,), broken=True)
    notes = [as_note(diagnostic) for diagnostic in module.diagnostics]
    notes += stray_tfvars(files)
    failure = _failure(module, notes)
    data = EMPTY_PLAN
    try:
        data = read_plan(plan)
    except PlanError as problem:
        failure = error("Parsing plan JSON", f"{problem}. Import the template again.")
    if failure is not None:
        return Template(module, notes=(failure,), broken=True)
    complete = not any(note.code == MODULE_NOT_LOADED for note in notes)
    return Template(module, dict(variables or {}), data, tuple(notes), complete)


def _failure(module: Module, notes: Sequence[Note]) -> Note | None:
    """Why nothing can be rendered at all, or None (4.1)."""
    for problem in module.file_problems:
        if problem.is_error and problem.code not in _BEARABLE:
            return replace(as_note(problem), summary="Failed to load tfvars from files", detail=str(problem))
    if not module.variables and not module.resources:
        empty = next((note for note in notes if note.summary == "No configuration files"), None)
        return None if empty is None else replace(empty, summary="Files not found")
    return None


def as_note(diagnostic: Diagnostic) -> Note:
    """The language's diagnostic as a form shows it."""
    severity = Severity.ERROR if diagnostic.is_error else Severity.WARNING
    if diagnostic.code == "module":
        summary = "Module not loaded. Did you run `terraform init`?"
        place = f" ({diagnostic.range})" if diagnostic.range else ""
        return Note(Severity.WARNING, summary, diagnostic.detail + place, MODULE_NOT_LOADED, diagnostic.range)
    if diagnostic.code in _BEARABLE:
        severity = Severity.WARNING
    detail = f"{diagnostic.range}: {diagnostic.detail}" if diagnostic.range else diagnostic.detail
    return Note(severity, diagnostic.summary, detail, range=diagnostic.range)


class Renderer:
    """Renders one template again and again, keeping what the next render can reuse. Not for two threads."""

    def __init__(self, template: Template, surroundings: Surroundings = NOTHING_KNOWN) -> None:
        self._template = template
        self._surroundings = surroundings
        self._last: Evaluation | None = template.first[0] if template.first else None

    def render(self, owner: Owner = DEFAULT_OWNER, inputs: Mapping[str, str] | None = None) -> Output:
        """The form for one owner and one set of inputs. Never raises for what a template holds."""
        template = self._template
        if template.broken:
            return Output(diagnostics=template.notes, complete=False)
        given = dict(inputs or {})
        provider = FormProvider(given, owner, template.plan, self._surroundings, template.objects)
        try:
            evaluation = evaluate(
                template.module,
                variables=template.variables,
                provider=provider,
                context=FORM_CONTEXT,
                previous=self._last,
            )
            output = read_output(template, evaluation, given)
        except Exception:
            log.exception("evaluation crashed")
            crash = error("Evaluate terraform files", CRASHED)
            return Output(diagnostics=(*template.notes, crash), complete=False)
        self._last = evaluation
        if not template.first:
            template.first.append(evaluation)
        return output


def read_output(template: Template, evaluation: Evaluation, inputs: Mapping[str, str]) -> Output:
    """Parameters, presets, tags and variables of one evaluation."""
    by_type: dict[str, list[Instance]] = {kind: [] for kind in _FORM_TYPES}
    for instance in evaluation.instances:
        if instance.mode == "data" and instance.type in by_type:
            by_type[instance.type].append(instance)
    notes = list(template.notes)
    notes += [as_note(item) for item in evaluation.diagnostics if item.code in _TOP_LEVEL]
    parameters, unreadable = _read_parameters(by_type["coder_parameter"], inputs, template.parameters)
    notes += unreadable
    tags, unknown_tags, tag_notes = read_tags(by_type["coder_workspace_tags"])
    notes += tag_notes
    return Output(
        parameters=parameters,
        presets=_read_presets(by_type["coder_workspace_preset"], template.presets),
        tags=tags,
        unknown_tags=tuple(unknown_tags),
        variables=template.shown_variables,
        diagnostics=tuple(notes),
        complete=template.complete,
    )


def _read_parameters(
    instances: Iterable[Instance], inputs: Mapping[str, str], memo: Memo[Declared, PreviewParameter]
) -> tuple[tuple[PreviewParameter, ...], list[Note]]:
    found: list[PreviewParameter] = []
    addresses: list[str] = []
    notes: list[Note] = []
    for instance in instances:
        try:
            parameter = memo.answer(
                instance.address,
                instance.config,
                input_of(instance.config, inputs),
                partial(read_declaration, instance),
                partial(with_value, instance=instance, inputs=inputs),
            )
            if (wrong := instance.repetition_problem) is not None:
                parameter = parameter.noting(error(wrong.summary, wrong.detail, range=wrong.range))
            found.append(parameter)
            addresses.append(instance.address)
        except UnreadableBlockError as unreadable:
            notes.append(unreadable.note)
        except Exception:
            log.exception("reading a parameter crashed", block=instance.address)
            notes.append(error(f'Block "{instance.address}" cannot be read', CRASHED, range=instance.range))
    notes += duplicate_notes(found, addresses)
    return tuple(sorted(found, key=_order)), notes


def _order(parameter: PreviewParameter) -> tuple[int, bytes]:
    """By ``order``, then by name in byte order (4.10)."""
    return parameter.order, parameter.name.encode("utf-8", "surrogatepass")


def _read_presets(instances: Sequence[Instance], memo: Memo[Preset, Preset]) -> tuple[Preset, ...]:
    presets = with_single_default(
        [
            memo.answer(
                instance.address, instance.config, None, partial(_read_preset, instance), lambda read: read
            )
            for instance in instances
        ]
    )
    seen: dict[str, Preset] = {}
    result = []
    for preset in presets:
        if preset.name and preset.name in seen:
            detail = f'More than one preset is called "{preset.name}": rename one of them.'
            result.append(preset.noting(error("Duplicate preset name", detail, range=preset.range)))
        else:
            seen[preset.name] = preset
            result.append(preset)
    return tuple(result)


def _read_preset(instance: Instance) -> Preset:
    """The preset judged by the rooms that registered themselves for it (overlapping schedules), too. A crash
    stays with it."""
    try:
        preset = read_preset(instance)
        problems = () if preset.errors else preset_problems(as_imported(preset))
    except Exception:
        log.exception("reading a preset crashed", block=instance.address)
        crash = error("The preset cannot be read", CRASHED, range=instance.range)
        return Preset(instance.name, diagnostics=(crash,), range=instance.range)
    place = (preset.prebuilds.range if preset.prebuilds else None) or preset.range
    return preset.noting(*(error(problem, range=place) for problem in problems))


def as_imported(preset: Preset) -> ImportedPreset:
    """The preset as it is stored."""
    prebuilds = preset.prebuilds
    return ImportedPreset(
        name=preset.name,
        parameters=preset.parameters,
        default=preset.default,
        description=preset.description,
        icon=preset.icon,
        instances=prebuilds.instances if prebuilds else None,
        ttl=prebuilds.ttl if prebuilds else 0,
        timezone=prebuilds.timezone if prebuilds else "",
        schedules=tuple(ImportedSchedule(s.cron, s.instances) for s in prebuilds.schedules)
        if prebuilds
        else (),
    )


def read_variables(module: Module) -> tuple[Variable, ...]:
    """The root module's variables, sorted by name."""
    return tuple(
        Variable(
            name=name,
            type=constraint_text(declared.type),
            default=_plain(declared.default),
            default_text=_text(declared.default),
            has_default=declared.default is not None,
            description=declared.description,
            nullable=declared.nullable,
            sensitive=declared.sensitive,
        )
        for name, declared in sorted(module.variables.items())
    )


def _text(value: Value | None) -> str:
    """A default as text: plain for strings, numbers and bools, JSON for the rest."""
    if value is None or value.is_null or not value.is_wholly_known:
        return ""
    return to_text(value) if value.type in PRIMITIVES else json.dumps(to_python(value))


def _plain(value: Value | None) -> Any:
    return None if value is None else to_python(value, None)
