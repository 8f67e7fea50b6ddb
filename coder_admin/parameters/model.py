"""What a render gives: parameters, presets, tags, variables, diagnostics, and their wire format.

Field names and their meaning are those of reference dynamic-parameters 3; lists are never null.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from coder_admin.terraform import Range

Wire = dict[str, Any]


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Note:
    """One diagnostic. ``range`` and ``of_value`` stay in the server."""

    severity: Severity
    summary: str
    detail: str = ""
    code: str = ""
    range: Range | None = None
    of_value: bool = False
    """About the value at hand, not about how the block is written: another input may settle it."""

    def wire(self) -> Wire:
        return {
            "severity": self.severity.value,
            "summary": self.summary,
            "detail": self.detail,
            "extra": {"code": self.code},
        }

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


def error(summary: str, detail: str = "", code: str = "", range: Range | None = None) -> Note:
    return Note(Severity.ERROR, summary, detail, code, range)


def value_error(summary: str, detail: str = "", code: str = "", range: Range | None = None) -> Note:
    """An error that another value of the parameter would settle."""
    return Note(Severity.ERROR, summary, detail, code, range, of_value=True)


def warning(summary: str, detail: str = "", code: str = "", range: Range | None = None) -> Note:
    return Note(Severity.WARNING, summary, detail, code, range)


@dataclass(frozen=True, slots=True)
class NullText:
    """A text that may be absent: when ``valid`` is false the text means nothing (3.2)."""

    value: str = ""
    valid: bool = False

    @classmethod
    def of(cls, text: str | None) -> "NullText":
        return cls() if text is None else cls(text, True)

    @property
    def text(self) -> str | None:
        return self.value if self.valid else None

    def wire(self) -> Wire:
        return {"value": self.value if self.valid else "", "valid": self.valid}


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    value: NullText
    description: str = ""
    icon: str = ""

    def wire(self) -> Wire:
        return {
            "name": self.name,
            "description": self.description,
            "value": self.value.wire(),
            "icon": self.icon,
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``validation`` block. A bound of None is not written; 0 is a bound."""

    min: int | None = None
    max: int | None = None
    monotonic: str = ""
    regex: str = ""
    error: str = ""

    def wire(self) -> Wire:
        return {
            "validation_error": self.error,
            "validation_regex": self.regex or None,
            "validation_min": self.min,
            "validation_max": self.max,
            "validation_monotonic": self.monotonic or None,
        }


@dataclass(frozen=True, slots=True)
class PreviewParameter:
    """A parameter as the form shows it, for one owner and one set of inputs (3.1)."""

    name: str
    type: str = "string"
    form_type: str = "input"
    display_name: str = ""
    description: str = ""
    styling: Mapping[str, str | bool] = field(default_factory=dict)
    mutable: bool = False
    default_value: NullText = NullText()
    icon: str = ""
    options: tuple[Option, ...] = ()
    validations: tuple[Rule, ...] = ()
    required: bool = False
    order: int = 0
    ephemeral: bool = False
    value: NullText = NullText()
    diagnostics: tuple[Note, ...] = ()
    range: Range | None = None

    @property
    def label(self) -> str:
        return self.display_name or self.name

    @property
    def errors(self) -> tuple[Note, ...]:
        return tuple(note for note in self.diagnostics if note.is_error)

    def noting(self, *notes: Note) -> "PreviewParameter":
        """The same parameter with further diagnostics."""
        return replace(self, diagnostics=(*self.diagnostics, *notes))

    def wire(self) -> Wire:
        return {
            "name": self.name,
            "display_name": self.display_name,
            "description": self.description,
            "type": self.type,
            "form_type": self.form_type,
            "styling": dict(self.styling),
            "mutable": self.mutable,
            "default_value": self.default_value.wire(),
            "icon": self.icon,
            "options": [option.wire() for option in self.options],
            "validations": [rule.wire() for rule in self.validations],
            "required": self.required,
            "order": self.order,
            "ephemeral": self.ephemeral,
            "value": self.value.wire(),
            "diagnostics": [note.wire() for note in self.diagnostics],
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    cron: str
    instances: int


@dataclass(frozen=True, slots=True)
class PresetPrebuilds:
    """The ``prebuilds`` block. ``ttl`` in seconds, None or 0 = never expires by age.

    ``range`` is where its schedules stand.
    """

    instances: int = 0
    ttl: int | None = None
    timezone: str = ""
    schedules: tuple[Schedule, ...] = ()
    range: Range | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    default: bool = False
    description: str = ""
    icon: str = ""
    prebuilds: PresetPrebuilds | None = None
    diagnostics: tuple[Note, ...] = ()
    range: Range | None = None

    @property
    def errors(self) -> tuple[Note, ...]:
        return tuple(note for note in self.diagnostics if note.is_error)

    def noting(self, *notes: Note) -> "Preset":
        return replace(self, diagnostics=(*self.diagnostics, *notes))

    def wire(self) -> Wire:
        body: Wire = {
            "name": self.name,
            "parameters": dict(self.parameters),
            "default": self.default,
            "diagnostics": [note.wire() for note in self.diagnostics],
        }
        if self.prebuilds is not None:
            body["prebuilds"] = {"instances": self.prebuilds.instances}
        return body


@dataclass(frozen=True, slots=True)
class Variable:
    """A ``variable`` block of the root module. ``default_text`` is its default as a stored text."""

    name: str
    type: str = ""
    default: Any = None
    default_text: str = ""
    has_default: bool = False
    description: str = ""
    nullable: bool = True
    sensitive: bool = False

    def wire(self) -> Wire:
        return {
            "name": self.name,
            "type": self.type,
            "default": None if self.sensitive else self.default,
            "description": self.description,
            "nullable": self.nullable,
            "sensitive": self.sensitive,
        }


@dataclass(frozen=True, slots=True)
class Output:
    """Everything one render found. Errors of a parameter or preset stay with it; the rest is top level."""

    parameters: tuple[PreviewParameter, ...] = ()
    presets: tuple[Preset, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    unknown_tags: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    diagnostics: tuple[Note, ...] = ()
    complete: bool = True
    """False when a module was not loaded, so that a missing parameter proves nothing (8.2 step 6)."""

    @property
    def errors(self) -> tuple[Note, ...]:
        return tuple(note for note in self.diagnostics if note.is_error)

    def with_presets(self, presets: tuple[Preset, ...]) -> "Output":
        """The same output with other presets."""
        return replace(self, presets=presets)

    def parameter(self, name: str) -> PreviewParameter | None:
        return next((item for item in self.parameters if item.name == name), None)

    def wire(self, response_id: int) -> Wire:
        """The response frame of the websocket and of ``evaluate`` (2.3)."""
        return {
            "id": response_id,
            "diagnostics": [note.wire() for note in self.diagnostics],
            "parameters": [parameter.wire() for parameter in self.parameters],
        }
