"""The classic flow: the static list, one rule after the other (reference section 9)."""

import pytest

from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.classic import resolve_classic
from coder_admin.parameters.model import NullText, Option, PreviewParameter, Rule


def resolve(
    parameter: PreviewParameter,
    *,
    previous: str | None = None,
    request: str | None = None,
    preset: str | None = None,
) -> str:
    given = {"previous": previous, "request": request, "preset": preset}
    values = {key: {parameter.name: text} if text is not None else {} for key, text in given.items()}
    return resolve_classic([parameter], **values)[parameter.name]


def reason(parameter: PreviewParameter, **values: str) -> str:
    with pytest.raises(Invalid) as caught:
        resolve(parameter, **values)
    assert caught.value.message == f'Unable to validate parameter "{parameter.name}"'
    return caught.value.detail


ONLY_A = (Option("A", NullText.of("a")),)
PLAIN = PreviewParameter("p", display_name="The P", mutable=True, default_value=NullText.of("d"))
REQUIRED = PreviewParameter("p", mutable=True, required=True, default_value=NullText.of(""))


def test_preset_beats_request_beats_previous_beats_default() -> None:
    assert resolve(PLAIN, previous="1", request="2", preset="3") == "3"
    assert resolve(PLAIN, previous="1", request="2") == "2"
    assert resolve(PLAIN, previous="1") == "1"
    assert resolve(PLAIN) == resolve(PLAIN, request="") == "d"


def test_ephemeral_value_is_not_carried_over() -> None:
    ephemeral = PreviewParameter("p", mutable=True, ephemeral=True, default_value=NullText.of("d"))
    assert resolve(ephemeral, previous="1") == "d"
    assert resolve(ephemeral, previous="1", request="2") == "2"


def test_refusals_name_the_parameter_as_people_see_it() -> None:
    frozen = PreviewParameter("p", default_value=NullText.of("d"))
    assert reason(frozen, previous="1", request="2") == (
        'can\'t validate build parameter "p": Parameter "p" is not mutable, so it can\'t be updated after '
        "creating a workspace."
    )
    assert resolve(frozen, previous="1", request="1") == "1"
    assert 'Parameter "p" is required but not provided' in reason(REQUIRED)
    assert "parameter value is required" in reason(REQUIRED, request="")
    options = PreviewParameter("p", display_name="The P", options=(Option("A", NullText.of("a")),))
    assert reason(options, request="b") == (
        'can\'t validate build parameter "The P": parameter value must match one of options: [a]'
    )


def test_lists_and_rules_are_checked() -> None:
    multi = PreviewParameter("p", type="list(string)", form_type="multi-select", options=ONLY_A)
    assert resolve(multi, request='["a"]') == '["a"]'
    assert "must match one of options" in reason(multi, request='["a","b"]')
    assert "must match one of options" in reason(multi, request="a")
    number = PreviewParameter(
        "p", type="number", mutable=True, validations=(Rule(min=3, monotonic="increasing"),)
    )
    assert "less than the minimum 3" in reason(number, request="2")
    assert "equal or greater than previous value: 7" in reason(number, previous="7", request="5")
    assert 'either "true" or "false"' in reason(PreviewParameter("p", type="bool"), request="1")
