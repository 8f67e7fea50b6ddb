"""Parameters of a version that lacks what dynamic ones need (reference dynamic-parameters 1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coder_admin.catalog.models import TemplateVersionParameter
from coder_admin.parameters.blocks import check_parameter
from coder_admin.parameters.forms import FormType, FormTypeError, ParameterType, form_type_for
from coder_admin.parameters.model import NullText, Option, Output, PreviewParameter, Rule, error, warning

STATIC_WARNING = warning(
    "This template version is missing metadata that dynamic parameters need",
    "Its parameters are shown as they were at import. Import the template again as a new version.",
)


def render_static(parameters: Sequence[PreviewParameter], inputs: Mapping[str, str]) -> Output:
    """Each stored parameter with its input, else its default, and the result of its value validation."""
    return Output(
        parameters=tuple(_rendered(parameter, inputs.get(parameter.name)) for parameter in parameters),
        diagnostics=(STATIC_WARNING,),
    )


def _rendered(parameter: PreviewParameter, given: str | None) -> PreviewParameter:
    value = NullText.of(given) if given is not None else NullText.of(parameter.default_value.value)
    rendered = replace(parameter, value=value)
    if parameter.diagnostics:
        return rendered
    return rendered.noting(*check_parameter(rendered, wish=rendered.form_type))


def stored_parameter(row: TemplateVersionParameter) -> PreviewParameter:
    """A stored parameter as a render shows it. A broken list of options is an error of the parameter."""
    kind = ParameterType(row.type)
    options, readable = _options(row.options)
    rule = Rule(
        min=row.validation_min,
        max=row.validation_max,
        monotonic=row.validation_monotonic,
        regex=row.validation_regex,
        error=row.validation_error,
    )
    notes = (
        [] if readable else [error("Failed to parse json parameter options", "Import the template again.")]
    )
    try:
        form_type = form_type_for(kind, has_options=bool(options), wish=row.form_type)
    except FormTypeError as problem:
        form_type = FormType.ERROR
        notes.append(error("Invalid form_type for parameter", str(problem)))
    return PreviewParameter(
        name=row.name,
        type=kind,
        form_type=form_type,
        display_name=row.display_name,
        description=row.description,
        styling=row.styling if isinstance(row.styling, dict) else {},
        mutable=row.mutable,
        default_value=NullText.of(row.default_value),
        icon=row.icon,
        options=options,
        validations=(rule,) if rule != Rule() else (),
        required=row.required,
        order=row.display_order,
        ephemeral=row.ephemeral,
        diagnostics=tuple(notes),
    )


def _options(stored: Any) -> tuple[tuple[Option, ...], bool]:
    if not isinstance(stored, list):
        return (), stored in (None, "")
    try:
        return tuple(
            Option(
                item["name"], NullText.of(item["value"]), item.get("description", ""), item.get("icon", "")
            )
            for item in stored
        ), True
    except (TypeError, KeyError, AttributeError):
        return (), False
