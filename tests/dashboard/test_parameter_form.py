"""The fields of browsers without scripts, as the template draws them (dynamic-parameters.md 11)."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string

from coder_admin.dashboard.parameter_form import Given, edited_names, fields, read_inputs, words_of


def parameter(**more: Any) -> dict[str, Any]:
    return {
        "name": "p",
        "type": "string",
        "form_type": "input",
        "mutable": True,
        "value": {"value": "v", "valid": True},
        "options": [],
        "diagnostics": [],
        "styling": {},
        **more,
    }


def drawn(wire: dict[str, Any], given: dict[str, Given] | None = None, **more: Any) -> str:
    (field,) = fields([wire], given or {}, show_errors=True, **more)
    return render_to_string("components/parameter.html", {"field": field})


def error(summary: str, detail: str = "", code: str = "") -> dict[str, Any]:
    return {"severity": "error", "summary": summary, "detail": detail, "extra": {"code": code}}


LIST = {"type": "list(string)", "value": {"value": '["a b", "<c>"]', "valid": True}}
CHOICES = [{"name": n.upper(), "value": {"value": n, "valid": True}} for n in ("a", "b")]


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        (parameter(), 'value="v"'),
        (parameter(value={"value": "data.x", "valid": False}), 'value=""'),
        (parameter(form_type="textarea"), ">v</textarea>"),
        (parameter(form_type="tag-select", **LIST), ">a b\n&lt;c&gt;</textarea>"),
        (parameter(form_type="multi-select", options=CHOICES, value={"value": '["b"]', "valid": True}),
         'value="b" checked'),
        (parameter(form_type="radio", options=CHOICES, value={"value": "a", "valid": True}),
         'value="a" checked'),
        (parameter(form_type="dropdown", options=CHOICES), "v (not offered)"),
        (parameter(form_type="checkbox", value={"value": "T", "valid": True}), " checked"),
        (parameter(form_type="switch", styling={"label": "Lamp"}), "<span>Lamp</span>"),
        (parameter(form_type="slider", type="number"), 'inputmode="decimal"'),
        (parameter(styling={"mask_input": True}), 'type="password"'),
        (parameter(styling={"disabled": True}), " readonly"),
        (parameter(form_type="error"), "The template must be corrected"),
    ],
)  # fmt: skip
def test_every_form_type(wire: dict[str, Any], shown: str) -> None:
    html = drawn(wire)
    assert shown in html
    assert "{{" not in html
    assert "{%" not in html


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (
            error("Required parameter not provided", "parameter value is null", "required"),
            "A value is required.",
        ),
        (error("Invalid parameter value according to 'validation' block", "too small"), "Too small"),
        (error("Value must be a valid option", "take another"), "Value must be a valid option: take another"),
        (error("Broken"), "Broken"),
    ],
)
def test_people_are_told_what_they_can_do_something_about(note: dict[str, Any], words: str) -> None:
    assert words_of(note) == words
    assert words in drawn(parameter(diagnostics=[note])).replace("&#x27;", "'")


def test_errors_wait_until_somebody_tried_or_typed() -> None:
    wire = parameter(diagnostics=[error("Wrong")])
    for given, shown in (({}, False), ({"p": Given("x", "user")}, True)):
        (field,) = fields([wire], given, show_errors=False)
        assert field.invalid is shown


def test_a_fixed_value_is_carried_although_its_control_is_not_sent() -> None:
    wire = parameter(form_type="radio", options=CHOICES, mutable=False, value={"value": "a", "valid": True})
    html = drawn(wire, stored={"p": "a"})
    assert "fixed at creation" in html
    assert '<input type="hidden" name="param.p" value="a">' in html
    assert "cannot be changed later" in drawn(wire)


def test_what_is_sent_is_read_by_kind() -> None:
    sent = QueryDict(
        "param.a=&param.b=false&param.b=true&param.c:list=1&param.c=x&param.c=y&param.d:lines=1"
        "&param.d=one%0D%0A%0D%0A two &param.e:list=1&name=n"
    )
    assert read_inputs(sent) == {"a": "", "b": "true", "c": '["x", "y"]', "d": '["one", "two"]', "e": "[]"}
    collected = QueryDict(mutable=True)
    collected["inputs"], collected["edited"] = '{"a": "1", "b": 2}', '["a"]'
    assert read_inputs(collected) == {"a": "1"}
    assert edited_names(collected, {"a": "1", "c": "x"}) == {"a"}
