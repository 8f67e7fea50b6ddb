"""What an import leaves behind, as plain data, and who else may judge it (4.1 "Template import outputs").

The import's handler lives in the room that renders templates; it hands an `ImportResult` down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

#: Version of the interface between server and worker, recorded with each import: 1.6 and later keep
#: what dynamic parameters need (dynamic-parameters.md 1.2).
PROVISIONER_API_VERSION = "1.6"


@dataclass(frozen=True, slots=True)
class ImportedParameter:
    """A parameter as the import's render had it. ``options`` are ``{name, description, value, icon}``."""

    name: str
    type: str = "string"
    form_type: str = ""
    display_name: str = ""
    description: str = ""
    styling: Mapping[str, str | bool] = field(default_factory=dict)
    mutable: bool = False
    default_value: str = ""
    icon: str = ""
    options: tuple[Mapping[str, str], ...] = ()
    validation_regex: str = ""
    validation_min: int | None = None
    validation_max: int | None = None
    validation_error: str = ""
    validation_monotonic: str = ""
    required: bool = False
    ephemeral: bool = False
    display_order: int = 0


@dataclass(frozen=True, slots=True)
class ImportedSchedule:
    cron: str
    instances: int


@dataclass(frozen=True, slots=True)
class ImportedPreset:
    """``instances`` None = no prebuilds block; ``ttl`` in seconds, None or 0 = never expires by age."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    default: bool = False
    description: str = ""
    icon: str = ""
    instances: int | None = None
    ttl: int | None = None
    timezone: str = ""
    schedules: tuple[ImportedSchedule, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedVariable:
    """A Terraform variable; ``value`` is what the author gave, "" = the default holds."""

    name: str
    type: str = ""
    description: str = ""
    value: str = ""
    default_value: str = ""
    required: bool = False
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Everything that a successful import stores."""

    parameters: tuple[ImportedParameter, ...] = ()
    presets: tuple[ImportedPreset, ...] = ()
    variables: tuple[ImportedVariable, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    cached_plan: Mapping[str, Any] = field(default_factory=dict)
    module_files_id: UUID | None = None
    readme: str = ""
    resources: tuple[Mapping[str, Any], ...] = ()
    diagnostics: tuple[Mapping[str, Any], ...] = ()
    external_auth_providers: tuple[str, ...] = ()
    api_version: str = PROVISIONER_API_VERSION


PresetValidator = Callable[[ImportedPreset], Iterable[str]]
_preset_validators: list[PresetValidator] = []


def register_preset_validator(validator: PresetValidator) -> None:
    """Let a room above judge presets at import; it answers one sentence for each thing that is wrong."""
    if validator not in _preset_validators:
        _preset_validators.append(validator)


def preset_problems(preset: ImportedPreset) -> list[str]:
    """What the registered rooms say against a preset."""
    return [problem for validator in _preset_validators for problem in validator(preset)]
