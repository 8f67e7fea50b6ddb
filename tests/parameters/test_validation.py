"""Rules that the shared table does not show: Go's text rules, RE2, placeholders; no value crashes."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.parameters import gotext
from coder_admin.parameters.forms import ALLOWED, ParameterType
from coder_admin.parameters.model import NullText, Option, Rule
from coder_admin.parameters.validation import RuleError, check_rule, validate_value

STRING, NUMBER, BOOL, LIST = ParameterType


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", 4),
        ("-4", -4),
        ("+4", 4),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", None),
        (" 4", None),
        ("4\n", None),
        ("1_0", None),
        ("٤", None),
        ("", None),
        ("-", None),
        ("1e3", None),
        ("0x10", None),
        ("9" * 5000, None),
    ],
)
def test_whole_numbers_are_go_s(text: str, number: int | None) -> None:
    assert gotext.parse_whole(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "-1.5",
        ".5",
        "5.",
        "1e3",
        "1E+3",
        "inf",
        "-Infinity",
        "+INF",
        "nan",
        "NaN",
        "0x1p-2",
        "0X1.8P3",
        "1_000.5",
        "1e-999",
        "007",
    ],
)
def test_floats_that_go_reads(text: str) -> None:
    assert gotext.is_float(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1__0",
        "_1",
        "1_",
        "+nan",
        "0x1",
        "1e",
        "e3",
        ".",
        "1e999",
        "٤",
        "1,5",
        "infin",
        "--1",
        "0x1p99999",
    ],
)
def test_floats_that_go_refuses(text: str) -> None:
    assert not gotext.is_float(text)


def test_bools_are_exactly_twelve_forms() -> None:
    forms = {"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}
    candidates = forms | {form.swapcase() for form in forms} | {" true", "yes", "on", ""}
    assert {text for text in candidates if gotext.parse_bool(text) is not None} == forms


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ('["a","b"]', ("a", "b")),
        ("[]", ()),
        (' [ "a" , null ] ', ("a", "")),
        ("null", ()),
        ("[1]", None),
        ('["a"] x', None),
        ('"a"', None),
        ("", None),
        ("[" * 100_000, None),
        ('["a",]', None),
        ('{"a":1}', None),
        ("[NaN]", None),
    ],
)
def test_lists_are_json_of_strings(text: str, strings: tuple[str, ...] | None) -> None:
    assert gotext.parse_strings(text) == strings


def check(rule: Rule, value: str, kind: ParameterType = STRING, previous: str | None = None) -> str:
    try:
        check_rule(kind, rule, value, previous)
    except RuleError as problem:
        return str(problem)
    return ""


def test_regex_is_re2_and_searches() -> None:
    assert check(Rule(regex="na", error="no"), "banana") == ""
    assert check(Rule(regex="a$", error="no"), "a\n") == 'no (value "a\n" does not match "a$")'
    assert "compile regex" in check(Rule(regex=r"(?=x)", error="no"), "x")
    assert "an error must be specified" in check(Rule(regex="x"), "x")
    assert check(Rule(regex="x", error="{value} {min}"), "y").startswith("{value} {min} (value")
    assert check(Rule(regex="^(a+)+$", error="no"), "a" * 5000 + "b") != ""


def test_error_text_fills_placeholders_and_absent_bounds_read_zero() -> None:
    assert check(Rule(min=3, error="{min} {max} {value}"), "1", NUMBER) == "3 0 1"
    assert check(Rule(min=0, max=2), "-1", NUMBER) == "value -1 is less than the minimum 0"
    assert check(Rule(max=2), "3", NUMBER) == "value 3 is more than the maximum 2"
    assert check(Rule(min=1, max=2), "1", NUMBER) == check(Rule(min=1, max=2), "2", NUMBER) == ""


def test_monotonic_never_uses_the_custom_error() -> None:
    down = Rule(monotonic="decreasing", error="custom")
    assert (
        check(down, "5", NUMBER, "4") == "parameter value '5' must be equal or lower than previous value: 4"
    )
    up = Rule(monotonic="increasing", error="custom")
    assert (
        check(up, "3", NUMBER, "4") == "parameter value '3' must be equal or greater than previous value: 4"
    )
    assert check(up, "3", NUMBER, "four") == check(up, "3", NUMBER, None) == check(up, "4", NUMBER, "4") == ""


def options(*values: str) -> list[Option]:
    return [Option(f"option {index}", NullText.of(value)) for index, value in enumerate(values)]


def test_empty_choice_says_what_was_forgotten() -> None:
    _, notes = validate_value(kind=STRING, options=options("a"), value="")
    assert "did you forget to set it" in notes[0].summary


def test_only_the_first_failing_step_reports() -> None:
    _, notes = validate_value(kind=NUMBER, options=options("1", "x", "y"), rule=Rule(regex="z"), value="9")
    assert [note.summary for note in notes] == [
        'Option "option 1" with value=x is not of type "number"',
        'Option "option 2" with value=y is not of type "number"',
    ]


def test_multi_select_may_repeat_and_be_empty() -> None:
    for value in ('["a","a"]', "[]", "null"):
        assert validate_value(kind=LIST, wish="multi-select", options=options("a"), value=value)[1] == []


_texts = (
    st.text(max_size=20)
    | st.sampled_from(["", "1", "true", '["a"]', "inf"])
    | st.text(string.digits, max_size=30)
)


@given(
    kind=st.sampled_from(list(ParameterType)),
    has_options=st.booleans(),
    value=st.none() | _texts,
    default=st.none() | _texts,
    previous=st.none() | _texts,
    choices=st.lists(_texts, max_size=4),
    rule=st.none()
    | st.builds(
        Rule,
        min=st.none() | st.integers(-9, 9),
        max=st.none() | st.integers(-9, 9),
        regex=st.text(max_size=6),
        error=st.text(max_size=6),
        monotonic=st.sampled_from(["", "increasing", "decreasing", "sideways"]),
    ),
)
def test_any_value_is_accepted_or_refused_with_words(
    kind: ParameterType,
    has_options: bool,
    value: str | None,
    default: str | None,
    previous: str | None,
    choices: list[str],
    rule: Rule | None,
) -> None:
    offered = options(*choices) if has_options and choices else []
    text, notes = validate_value(
        kind=kind,
        wish=ALLOWED[kind, bool(offered)][-1],
        options=offered,
        rule=rule,
        value=value,
        default=default,
        previous=previous,
    )
    assert text == (default or "" if value is None else value)
    assert all(note.is_error and note.summary for note in notes)
    if not notes and offered and kind is not LIST and (value is not None or rule is not None):
        assert text in choices
