"""The classic parameter flow: the list of import time, one rule after the other (reference 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.forms import FormType, ParameterType
from coder_admin.parameters.gotext import parse_strings
from coder_admin.parameters.model import PreviewParameter, Rule
from coder_admin.parameters.validation import RuleError, check_rule


def resolve_classic(
    parameters: Sequence[PreviewParameter],
    *,
    previous: Mapping[str, str],
    request: Mapping[str, str],
    preset: Mapping[str, str],
) -> dict[str, str]:
    """The values to store, by name. Raises Invalid at the first parameter that is wrong.

    Conditions and the owner play no part. Used for every transition.
    """
    return {
        parameter.name: _value(
            parameter, previous.get(parameter.name), {**request, **preset}.get(parameter.name)
        )
        for parameter in parameters
    }


def _value(parameter: PreviewParameter, previous: str | None, given: str | None) -> str:
    name = parameter.name
    if not parameter.mutable and given is not None and previous is not None and given != previous:
        raise _refusal(
            parameter,
            f'Parameter "{name}" is not mutable, so it can\'t be updated after creating a workspace.',
        )
    if parameter.required and given is None and previous is None:
        raise _refusal(parameter, f'Parameter "{name}" is required but not provided')
    carried = None if parameter.ephemeral else previous
    value = next((text for text in (given, carried) if text is not None), parameter.default_value.value)
    return _validated(parameter, value, previous)


def _validated(parameter: PreviewParameter, value: str, previous: str | None) -> str:
    if not value and parameter.required:
        raise _refusal(parameter, "parameter value is required")
    if not value:
        return parameter.default_value.value
    kind = ParameterType(parameter.type)
    if parameter.options:
        _check_options(parameter, value)
    rule = parameter.validations[0] if parameter.validations else None
    judged = kind in (ParameterType.BOOL, ParameterType.LIST) or (
        rule is not None and (rule.regex or rule.monotonic or rule.min is not None or rule.max is not None)
    )
    if judged:
        try:
            check_rule(kind, rule or Rule(), value, previous)
        except RuleError as problem:
            raise _refusal(parameter, str(problem)) from None
    return value


def _check_options(parameter: PreviewParameter, value: str) -> None:
    offered = [option.value.value for option in parameter.options]
    chosen = parse_strings(value) if parameter.form_type == FormType.MULTI_SELECT else [value]
    if chosen is None or any(item not in offered for item in chosen):
        raise _refusal(parameter, f"parameter value must match one of options: [{', '.join(offered)}]")


def _refusal(parameter: PreviewParameter, reason: str) -> Invalid:
    return Invalid(
        f'Unable to validate parameter "{parameter.name}"',
        detail=f'can\'t validate build parameter "{parameter.label}": {reason}',
    )
