"""Which values a build of a dynamic template gets (reference dynamic-parameters 8).

Pure: rendering comes in as a function. A start refuses wrong values with every reason at once; a stop or
delete renders as well as it can and keeps what is stored, so that no template can trap a workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.parameters import gotext
from coder_admin.parameters.model import Note, Output, PreviewParameter, Severity, error, warning
from coder_admin.parameters.presets import Render
from coder_admin.parameters.validation import RuleError, check_monotonic

START = "start"
REQUIRED = "required"
IMMUTABLE = "Immutable parameter changed"


class Source(StrEnum):
    """Where a value comes from; the later beats the earlier."""

    PREVIOUS = "previous"
    REQUEST = "request"
    PRESET = "preset"


@dataclass(frozen=True)
class Resolution:
    """The outcome: ``values`` to store, or the reasons why there is none."""

    values: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    unknown_tags: tuple[str, ...] = ()
    errors: Mapping[str, tuple[Note, ...]] = field(default_factory=dict)
    """Diagnostics by parameter; each entry holds at least one error."""
    top_level: tuple[Note, ...] = ()
    warnings: tuple[tuple[str, Note], ...] = ()

    @property
    def refused(self) -> bool:
        return bool(self.errors or self.top_level or self.unknown_tags)

    def raise_if_refused(self) -> None:
        """Raise Invalid with the body of section 8.4, or that of section 6 when only tags are unusable."""
        if self.errors or self.top_level:
            raise Invalid(
                "Unable to validate parameters",
                detail="; ".join(_sentence(note) for note in self.top_level),
                validations=[Validation(name, _entry(notes)) for name, notes in sorted(self.errors.items())],
            )
        if self.unknown_tags:
            raise Invalid(
                "Unable to parse workspace tags",
                validations=[Validation(name, unknown_tag_detail(name)) for name in self.unknown_tags],
            )


def unknown_tag_detail(name: str) -> str:
    """What is wrong with a tag that has no usable value."""
    return f"Tag {name} is not known, it likely refers to a variable that is not set or has no default."


def _sentence(note: Note) -> str:
    return f"{note.summary}; {note.detail}" if note.detail else note.summary


def _entry(notes: tuple[Note, ...]) -> str:
    first = next(note for note in notes if note.is_error)
    others = len(notes) - 1
    return _sentence(first) + (f", and {others} other diagnostic(s)" if others else "")


def resolve_values(
    render: Render,
    *,
    first_build: bool,
    transition: str,
    previous: Mapping[str, str],
    request: Mapping[str, str],
    preset: Mapping[str, str],
) -> Resolution:
    """Steps 1 to 7 of section 8.2. ``previous`` are the last build's values, whatever became of it."""
    values = {**previous, **request, **preset}
    sources = {
        **dict.fromkeys(previous, Source.PREVIOUS),
        **dict.fromkeys(request, Source.REQUEST),
        **dict.fromkeys(preset, Source.PRESET),
    }
    if transition != START:
        return _kept(render, values)
    if previous:
        before = render(previous)
        if before.errors:
            return Resolution(top_level=before.errors)
        for parameter in before.parameters:
            if parameter.ephemeral and sources.get(parameter.name) is Source.PREVIOUS:
                del values[parameter.name], sources[parameter.name]
    output, stale = _render_without_stale(render, values, sources)
    if output.errors:
        return Resolution(top_level=output.errors)
    return _judged(output, values, previous, first_build=first_build, stale=stale)


def _kept(render: Render, values: Mapping[str, str]) -> Resolution:
    """A stop or delete: the request may add values, nothing is dropped and nothing refused."""
    output = render(values)
    pinned = {p.name: p.value.value for p in output.parameters if p.name not in values and p.value.valid}
    return Resolution(values={**pinned, **values}, tags=dict(output.tags))


def _render_without_stale(
    render: Render, values: dict[str, str], sources: dict[str, Source]
) -> tuple[Output, list[tuple[str, Note]]]:
    """Render; stored values that are no option any more give way to the default (8.6)."""
    dropped: list[tuple[str, Note]] = []
    output = render(values)
    for _ in range(len(values)):
        stale = [p for p in output.parameters if sources.get(p.name) is Source.PREVIOUS and _is_stale(p)]
        if output.errors or not stale:
            break
        for parameter in stale:
            detail = f'"{parameter.value.value}" was replaced by the default.'
            note = warning("Previously selected option is no longer available", detail, "stale_option")
            dropped.append((parameter.name, note))
            del values[parameter.name], sources[parameter.name]
        output = render(values)
    return output, dropped


def _is_stale(parameter: PreviewParameter) -> bool:
    if not parameter.mutable or not parameter.options or not parameter.value.valid:
        return False
    if not all(option.value.valid for option in parameter.options):
        return False
    offered = {option.value.value for option in parameter.options}
    if parameter.form_type == "multi-select":
        chosen = gotext.parse_strings(parameter.value.value)
        return chosen is not None and any(item not in offered for item in chosen)
    return parameter.value.value not in offered


def _judged(
    output: Output,
    values: Mapping[str, str],
    previous: Mapping[str, str],
    *,
    first_build: bool,
    stale: list[tuple[str, Note]],
) -> Resolution:
    errors: dict[str, tuple[Note, ...]] = {}
    result = dict(values)
    for parameter in output.parameters:
        notes = [*parameter.diagnostics, *_missing(parameter, result)]
        if not first_build and parameter.name in previous:
            notes = _changes(parameter, previous[parameter.name]) + notes
        if any(note.is_error for note in notes):
            errors[parameter.name] = tuple(notes)
        if parameter.name not in result and parameter.value.valid:
            result[parameter.name] = parameter.value.value
    if output.complete:
        shown = {parameter.name for parameter in output.parameters}
        result = {name: value for name, value in result.items() if name in shown}
    return Resolution(
        values={} if errors else result,
        tags=dict(output.tags),
        unknown_tags=output.unknown_tags,
        errors=errors,
        warnings=tuple(stale),
    )


def _missing(parameter: PreviewParameter, values: Mapping[str, str]) -> list[Note]:
    """A required parameter that no source gives a value. Stored parameters of versions without metadata
    render with an empty text then, which is no value either (1.3)."""
    told = any(note.code == REQUIRED for note in parameter.diagnostics)
    if not parameter.required or parameter.name in values or told:
        return []
    return [error("Required parameter not provided", "parameter value is null", REQUIRED)]


def changes_since(previous: Mapping[str, str], output: Output) -> Output:
    """The output with what a changed value of the last build breaks, at its parameter, as the provider and
    a build would see it: a monotonic rule is an error of the value (5.2), a changed immutable parameter is
    only what a build of that very workspace refuses, hence a warning."""
    if not previous:
        return output
    parameters = []
    for parameter in output.parameters:
        notes = _changes(parameter, previous[parameter.name]) if parameter.name in previous else []
        parameters.append(
            parameter.noting(
                *(replace(n, severity=Severity.WARNING) if n.summary == IMMUTABLE else n for n in notes)
            )
        )
    return replace(output, parameters=tuple(parameters))


def _changes(parameter: PreviewParameter, previous: str) -> list[Note]:
    """Immutability and monotonic rules against the stored value."""
    notes = []
    if not parameter.mutable and parameter.value.value != previous:
        name = parameter.name
        detail = f'Parameter "{name}" is not mutable, so it can\'t be updated after creating a workspace.'
        notes.append(error(IMMUTABLE, detail))
    monotonic = [rule for rule in parameter.validations if rule.monotonic]
    if monotonic and parameter.value.valid:
        try:
            check_monotonic(monotonic[0], parameter.value.value, previous)
        except RuleError as problem:
            notes.append(error(f'Parameter "{parameter.name}" monotonicity', str(problem)))
    return notes
