"""What the provider accepts: form types, options, validation blocks, icons (reference section 5 and 10)."""

from typing import Any

import pytest

from coder_admin.parameters.forms import ALLOWED, FormTypeError, ParameterType, form_type_for, option_type
from coder_admin.parameters.model import NullText, Option, Rule
from coder_admin.parameters.urls import url_problem
from coder_admin.parameters.validation import RuleError, check_rule, validate_value

from .shared_cases import load, rows, says

TABLE = "parameters/provider_table.json"


def rule_of(written: dict[str, Any] | None) -> Rule | None:
    if written is None:
        return None
    texts = {key: written.get(key) or "" for key in ("monotonic", "regex", "error")}
    return Rule(min=written.get("min"), max=written.get("max"), **texts)


def options_of(written: list[Any]) -> list[Option]:
    pairs = [(o, o) if isinstance(o, str) else (o["name"], o["value"]) for o in written]
    return [
        Option(f"{name}{index}" if name == value else name, NullText.of(value))
        for index, (name, value) in enumerate(pairs)
    ]


def judge(expect: dict[str, Any], problems: list[str]) -> None:
    if gist := expect.get("error_gist"):
        assert any(says(problem, gist) for problem in problems), problems
    else:
        assert problems == []


@pytest.mark.parametrize("row", rows(TABLE, "parameter_table"))
def test_parameter_table(row: dict[str, Any]) -> None:
    value, notes = validate_value(
        kind=ParameterType(row["type"]),
        wish=row["form_type"] or "",
        options=options_of(row["options"]),
        rule=rule_of(row["validation"]),
        value=row["input"],
        default=row["default"],
        previous=row["previous"],
    )
    judge(row["expect"], [f"{note.summary} {note.detail}" for note in notes])
    if "value" in row["expect"]:
        assert value == row["expect"]["value"]


@pytest.mark.parametrize("row", rows(TABLE, "validate_input"))
def test_validate_input(row: dict[str, Any]) -> None:
    parameter = row["parameter"]
    _, notes = validate_value(
        kind=ParameterType(parameter["type"]),
        wish=parameter.get("form_type", ""),
        options=options_of(parameter.get("options", [])),
        rule=rule_of(parameter.get("validation")),
        value=row["input"],
        default=parameter.get("default"),
    )
    judge(row["expect"], [f"{note.summary} {note.detail}" for note in notes])


@pytest.mark.parametrize("row", rows(TABLE, "value_validation"))
def test_value_validation(row: dict[str, Any]) -> None:
    rule = rule_of(row["rule"])
    assert rule is not None
    try:
        check_rule(ParameterType(row["type"]), rule, row["value"], row["rule"].get("previous"))
    except RuleError as problem:
        judge(row["expect"], [str(problem)])
    else:
        judge(row["expect"], [])


@pytest.mark.parametrize("row", rows(TABLE, "form_type_cases"))
def test_form_types(row: dict[str, Any]) -> None:
    kind = ParameterType(row["type"])
    if gist := row["expect"].get("error_gist"):
        with pytest.raises(FormTypeError) as caught:
            form_type_for(kind, has_options=row["options"], wish=row["form_type"])
        assert says(str(caught.value), gist)
        assert str(caught.value).endswith(f"choose one of [{' '.join(row['expect']['choose_one_of'])}]")
        assert ("options" in str(caught.value)) == ("options" in gist)
    else:
        form_type = form_type_for(kind, has_options=row["options"], wish=row["form_type"])
        assert form_type == row["expect"]["form_type"]
        assert option_type(kind, form_type) == row["expect"]["option_type"]


def test_form_type_table_is_the_reference() -> None:
    table = load(TABLE)
    if table is None:
        pytest.skip("no shared cases")
    for kind, row in table["form_type_table"].items():
        assert list(ALLOWED[ParameterType(kind), True]) == row["with_options"]
        assert list(ALLOWED[ParameterType(kind), False]) == row["without_options"]


@pytest.mark.parametrize("row", rows(TABLE, "icon_urls"))
def test_icon_urls(row: dict[str, Any]) -> None:
    assert (url_problem(row["value"]) is None) == row["ok"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("/icon%.svg", "invalid URL escape"),
        ("https://example.com/%zz", "invalid URL escape"),
        ("http://[::1]:80x/", "invalid port"),
        ("http://a b/", "host name"),
        (":x", "missing protocol scheme"),
        ("1:2", "cannot contain colon"),
        ("a\nb", "control character"),
    ],
)
def test_texts_that_are_no_url(text: str, problem: str) -> None:
    assert problem in (url_problem(text) or "")
