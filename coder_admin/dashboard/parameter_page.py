"""What the three pages with a parameter form have in common: create, workspace settings, preview."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from coder_admin.catalog.models import TemplateVersion, TemplateVersionPreset
from coder_admin.dashboard.parameter_form import Field, Given, edited_names, fields, read_inputs
from coder_admin.dashboard.selectors.create import evaluate
from coder_admin.foundation.errors import ServiceError
from rbac.model import Subject

Presets = Sequence[TemplateVersionPreset]


@dataclass
class Filled:
    """What is filled in, where it comes from, and what was said about it."""

    given: dict[str, Given] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    """Every value to submit: the given ones and, from the script, those that were shown."""
    preset: TemplateVersionPreset | None = None
    tried: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def refuse(self, error: ServiceError) -> None:
        """Keep a service's refusal: by field where it names fields."""
        self.refused = {wrong.field: wrong.detail for wrong in error.validations}
        self.errors = [" ".join(filter(None, (error.message, error.detail)))]


def opened(query: QueryDict, offered: Presets, *, last: Mapping[str, str] | None = None) -> Filled:
    """A form as its address opens it: last values, then the link's, then the preset's over them."""
    chosen = chosen_preset(query, offered)
    given = {name: Given(value, "last") for name, value in (last or {}).items()}
    given |= {name: Given(value, "url") for name, value in read_inputs(query).items()}
    given |= {name: Given(value, "preset") for name, value in values_of(chosen).items()}
    return Filled(given, {name: one.value for name, one in given.items()}, chosen)


def submitted(post: QueryDict, offered: Presets) -> Filled:
    """A form as it was sent. Values of a preset chosen just now count; edited ones of a shown one too."""
    preset = chosen_preset(post, offered)
    inputs = read_inputs(post)
    own = edited_names(post, inputs)
    given = {name: Given(value, "user") for name, value in inputs.items() if name in own}
    filled = Filled(given, inputs, preset)
    for name, value in values_of(preset).items():
        if preset and post.get("preset-shown") == str(preset.pk) and inputs.get(name, value) != value:
            filled.refused[name] = (
                f"The preset {preset.name} sets this to {value}. "
                "Choose the preset None to use a value of your own."
            )
            continue
        given[name] = Given(value, "preset")
        inputs[name] = value
    if filled.refused:
        filled.tried = True
        filled.errors = ["Some values differ from those of the preset."]
    return filled


def chosen_preset(data: QueryDict, offered: Presets) -> TemplateVersionPreset | None:
    """The preset that is named, else the default one; `preset=` names none."""
    if "preset" not in data:
        return next((one for one in offered if one.is_default), None)
    return next((one for one in offered if str(one.pk) == data["preset"]), None)


def values_of(preset: TemplateVersionPreset | None) -> dict[str, str]:
    """The values a preset sets."""
    return {row.name: row.value for row in preset.parameters.all()} if preset else {}


def form_context(
    viewer: Subject,
    version: TemplateVersion,
    owner_id: uuid.UUID,
    filled: Filled,
    *,
    stored: Mapping[str, str] | None = None,
    offered: Presets = (),
) -> dict[str, object]:
    """The context of `components/parameter_fields.html` and of the script."""
    answer = _answer(viewer, version, owner_id, filled)
    parameters: Sequence[Mapping[str, Any]] = answer.get("parameters") or []
    known = {str(parameter["name"]) for parameter in parameters} | {"name"}
    elsewhere = [f"{name}: {detail}" for name, detail in filled.refused.items() if name not in known]
    made: list[Field] = fields(
        parameters, filled.given, show_errors=filled.tried, refused=filled.refused, stored=stored
    )
    return {
        "errors": filled.errors + elsewhere,
        "preset": filled.preset,
        "fields": [one for one in made if not one.ephemeral],
        "ephemeral_fields": [one for one in made if one.ephemeral],
        "diagnostics": answer.get("diagnostics") or [],
        "prefill": {name: one.wire() for name, one in filled.given.items()},
        "refused": {name: text for name, text in filled.refused.items() if name != "name"},
        "stored": dict(stored or {}),
        "preset_values": {str(one.pk): values_of(one) for one in offered},
        "socket_url": f"/api/v2/templateversions/{version.pk}/dynamic-parameters?user_id={owner_id}",
    }


def _answer(
    viewer: Subject, version: TemplateVersion, owner_id: uuid.UUID, filled: Filled
) -> Mapping[str, Any]:
    """The template's answer; a last value that it refuses by now, or that held for one start only, gives way
    to the template's own."""
    answer = evaluate(viewer, version, owner_id, {name: one.value for name, one in filled.given.items()})
    outdated = {
        str(parameter["name"])
        for parameter in answer.get("parameters") or ()
        if parameter.get("ephemeral")
        or any(note["severity"] == "error" for note in parameter.get("diagnostics") or ())
    }
    outdated = {name for name in outdated if name in filled.given and filled.given[name].source == "last"}
    if not outdated:
        return answer
    for name in outdated:
        del filled.given[name]
    return evaluate(viewer, version, owner_id, {name: one.value for name, one in filled.given.items()})
