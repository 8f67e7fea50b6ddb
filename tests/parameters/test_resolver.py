"""Which values a build gets: one test for each row of reference section 8.2, 8.3, 8.6 and 8.7."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.foundation.errors import Invalid
from coder_admin.parameters.blocks import check_parameter
from coder_admin.parameters.model import NullText, Option, Output, PreviewParameter, Rule, error
from coder_admin.parameters.resolver import Resolution, resolve_values


def parameter(
    name: str, default: str | None = "", **fields: Any
) -> Callable[[Mapping[str, str]], PreviewParameter]:
    """A parameter of a made-up template: its value is the input, else the default, validated for real."""

    def made(inputs: Mapping[str, str]) -> PreviewParameter:
        text = inputs.get(name, default)
        options = tuple(Option(value, NullText.of(value)) for value in fields.get("choices", ()))
        rest = {key: value for key, value in fields.items() if key != "choices"}
        found = PreviewParameter(
            name=name,
            default_value=NullText.of(default),
            value=NullText.of(text),
            options=options,
            required=default is None,
            **{"form_type": "", **rest},
        )
        missing = (
            [error("Required parameter not provided", "parameter value is null", "required")]
            if text is None
            else []
        )
        return found.noting(*check_parameter(found, wish=found.form_type), *missing)

    return made


def template(*parameters: Callable[[Mapping[str, str]], PreviewParameter], **output: Any) -> Any:
    def render(inputs: Mapping[str, str]) -> Output:
        return Output(parameters=tuple(made(inputs) for made in parameters), **output)

    return render


def resolve(
    render: Any,
    *,
    previous: Mapping[str, str] | None = None,
    request: Mapping[str, str] | None = None,
    preset: Mapping[str, str] | None = None,
    transition: str = "start",
) -> Resolution:
    return resolve_values(
        render,
        first_build=previous is None,
        transition=transition,
        previous=previous or {},
        request=request or {},
        preset=preset or {},
    )


PLAIN = template(parameter("p", "default", mutable=True))
EPHEMERAL = template(parameter("p", "default", mutable=True, ephemeral=True))


@pytest.mark.parametrize(
    ("render", "sources", "value"),
    [
        (PLAIN, {"previous": {"p": "1"}, "request": {"p": "2"}, "preset": {"p": "3"}}, "3"),
        (PLAIN, {"previous": {"p": "1"}, "request": {"p": "2"}}, "2"),
        (PLAIN, {"previous": {"p": "1"}}, "1"),
        (PLAIN, {"previous": {}}, "default"),
        (PLAIN, {"request": {"p": ""}}, ""),
        (EPHEMERAL, {"previous": {"p": "1"}, "request": {"p": "2"}, "preset": {"p": "3"}}, "3"),
        (EPHEMERAL, {"previous": {"p": "1"}, "request": {"p": "2"}}, "2"),
        (EPHEMERAL, {"previous": {"p": "1"}}, "default"),
    ],
)
def test_precedence(render: Any, sources: dict[str, Any], value: str) -> None:
    assert resolve(render, **sources).values == {"p": value}


def test_default_is_pinned_and_unknown_names_are_dropped() -> None:
    assert resolve(PLAIN, request={"other": "x"}).values == {"p": "default"}


def test_unresolvable_default_is_not_pinned() -> None:
    def render(inputs: Mapping[str, str]) -> Output:
        return Output(parameters=(PreviewParameter("p"),))

    assert resolve(render).values == {}


def refused(resolution: Resolution) -> Invalid:
    assert resolution.values == {}
    with pytest.raises(Invalid) as caught:
        resolution.raise_if_refused()
    return caught.value


def test_changed_immutable_value_is_refused_with_its_name() -> None:
    frozen = template(parameter("p", "a"))
    problem = refused(resolve(frozen, previous={"p": "a"}, request={"p": "b"}))
    assert problem.message == "Unable to validate parameters"
    assert [(v.field, v.detail) for v in problem.validations] == [
        (
            "p",
            'Immutable parameter changed; Parameter "p" is not mutable, so it can\'t be updated after '
            "creating a workspace.",
        )
    ]
    assert problem.detail == ""


def test_unchanged_and_new_immutable_values_pass() -> None:
    frozen = template(parameter("p", "a"), parameter("new", "n"))
    assert resolve(frozen, previous={"p": "a"}, request={"p": "a", "new": "x"}).values == {
        "p": "a",
        "new": "x",
    }
    assert resolve(frozen, request={"p": "b"}).values["p"] == "b"
    # The stored text counts, also when the template's default has moved since.
    assert resolve(template(parameter("p", "z")), previous={"p": "a"}).values == {"p": "a"}


def test_parameter_that_became_mutable_is_free() -> None:
    assert resolve(
        template(parameter("p", "a", mutable=True)), previous={"p": "a"}, request={"p": "b"}
    ).values == {"p": "b"}


@pytest.mark.parametrize(
    ("rule", "new", "ok"),
    [
        ("increasing", "5", True),
        ("increasing", "3", False),
        ("decreasing", "3", True),
        ("decreasing", "5", False),
    ],
)
def test_monotonic_against_the_stored_value(rule: str, new: str, ok: bool) -> None:
    render = template(parameter("n", "1", type="number", mutable=True, validations=(Rule(monotonic=rule),)))
    resolution = resolve(render, previous={"n": "4"}, request={"n": new})
    assert resolution.refused is not ok
    if not ok:
        assert 'Parameter "n" monotonicity' in refused(resolution).validations[0].detail
    assert not resolve(render, request={"n": new}).refused


def test_every_error_is_told_at_once_sorted_by_name() -> None:
    render = template(
        parameter("z", None),
        parameter("a", "x", choices=("1", "2")),
        parameter("m", None, type="number", validations=(Rule(min=1),)),
    )
    problem = refused(resolve(render))
    assert [v.field for v in problem.validations] == ["a", "m", "z"]
    assert problem.validations[1].detail.endswith(", and 1 other diagnostic(s)")
    assert problem.validations[2].detail == "Required parameter not provided; parameter value is null"


def test_top_level_errors_go_into_the_detail() -> None:
    problem = refused(resolve(template(diagnostics=(error("Found 2 duplicates", "Rename one."),))))
    assert problem.detail == "Found 2 duplicates; Rename one."
    assert problem.validations == []


def test_hidden_value_is_dropped_only_when_everything_was_rendered() -> None:
    assert resolve(PLAIN, previous={"p": "1", "gone": "x"}).values == {"p": "1"}
    partial = template(parameter("p", "default", mutable=True), complete=False)
    assert resolve(partial, previous={"p": "1", "gone": "x"}).values == {"p": "1", "gone": "x"}


def test_hidden_parameter_starts_at_its_default_when_shown_again() -> None:
    def render(inputs: Mapping[str, str]) -> Output:
        shown = [parameter("mode", "simple", mutable=True)(inputs)]
        if inputs.get("mode") == "expert":
            shown.append(parameter("detail", "d", mutable=True)(inputs))
        return Output(parameters=tuple(shown))

    first = resolve(render, request={"mode": "expert", "detail": "mine"}).values
    hidden = resolve(render, previous=first, request={"mode": "simple"}).values
    assert hidden == {"mode": "simple"}
    assert resolve(render, previous=hidden, request={"mode": "expert"}).values == {
        "mode": "expert",
        "detail": "d",
    }


def test_stale_option_gives_way_to_the_default_with_a_warning() -> None:
    render = template(parameter("p", "a", mutable=True, choices=("a", "b")))
    resolution = resolve(render, previous={"p": "gone"})
    assert resolution.values == {"p": "a"}
    assert [(name, note.code) for name, note in resolution.warnings] == [("p", "stale_option")]


def test_stale_element_of_a_multi_select() -> None:
    render = template(
        parameter(
            "p", '["a"]', type="list(string)", form_type="multi-select", mutable=True, choices=("a", "b")
        )
    )
    assert resolve(render, previous={"p": '["b","gone"]'}).values == {"p": '["a"]'}
    assert resolve(render, previous={"p": '["b"]'}).values == {"p": '["b"]'}


def test_stale_option_asked_for_anew_or_immutable_is_refused() -> None:
    render = template(parameter("p", "a", mutable=True, choices=("a", "b")))
    assert "p" in resolve(render, previous={"p": "a"}, request={"p": "gone"}).errors
    assert "p" in resolve(template(parameter("p", "a", choices=("a", "b"))), previous={"p": "gone"}).errors


@pytest.mark.parametrize("transition", ["stop", "delete"])
def test_stop_and_delete_are_never_refused(transition: str) -> None:
    broken = template(
        parameter("p", "a", choices=("a",)), diagnostics=(error("broken"),), unknown_tags=("t",)
    )
    resolution = resolve(broken, previous={"p": "gone", "other": "kept"}, transition=transition)
    assert not resolution.refused
    assert resolution.values == {"p": "gone", "other": "kept"}


def test_request_values_apply_on_stop() -> None:
    assert resolve(PLAIN, previous={"p": "1"}, request={"p": "2"}, transition="stop").values == {"p": "2"}


def test_tags_come_with_the_values_and_unknown_ones_refuse() -> None:
    assert resolve(template(tags={"zone": "eu"})).tags == {"zone": "eu"}
    problem = refused(resolve(template(unknown_tags=("zone",))))
    assert problem.message == "Unable to parse workspace tags"
    assert problem.validations[0].field == "zone"


_names = st.sampled_from(["p", "q", "r"])
_values = st.dictionaries(_names, st.sampled_from(["", "a", "b", "gone"]), max_size=3)


@given(
    previous=st.none() | _values,
    request=_values,
    preset=_values,
    mutable=st.booleans(),
    ephemeral=st.booleans(),
)
def test_accepted_values_are_complete_and_valid(
    previous: dict[str, str] | None,
    request: dict[str, str],
    preset: dict[str, str],
    mutable: bool,
    ephemeral: bool,
) -> None:
    render = template(
        parameter("p", "a", mutable=mutable, choices=("a", "b")),
        parameter("q", "b", mutable=True, ephemeral=ephemeral),
    )
    resolution = resolve(render, previous=previous, request=request, preset=preset)
    if resolution.refused:
        assert resolution.errors
        return
    assert set(resolution.values) == {"p", "q"}
    assert not any(item.errors for item in render(resolution.values).parameters)
    for name in {"p", "q"} & set(preset):
        assert resolution.values[name] == preset[name]
