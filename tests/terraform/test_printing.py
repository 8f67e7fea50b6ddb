"""What is printed and read again is what it was: expressions and values."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_admin.terraform import DiagnosticError, MemoryFileSystem, Value, evaluate, load_module
from coder_admin.terraform.printing import to_json_text
from coder_admin.terraform.syntax.parser import parse_expression
from coder_admin.terraform.syntax.printer import print_expression
from coder_admin.terraform.syntax.source import SourceText
from tests.terraform.cases import needs_cases, read_json
from tests.terraform.profile import EXAMPLES
from tests.terraform.random_expressions import random_expression
from tests.terraform.strategies import typed_values

SCOPE = evaluate(load_module(MemoryFileSystem({"main.tf": ""})))
RANDOM = ("uuid", "bcrypt")


def printed(text: str) -> str:
    """The text of the text's tree."""
    parsed = parse_expression(SourceText("x", text))
    assert parsed.node is not None, (text, parsed.diagnostics)
    return print_expression(parsed.node)


def meaning(text: str) -> Value | str:
    """Its value, or the summary of what is wrong with it."""
    try:
        return SCOPE.value_of(text)
    except DiagnosticError as problem:
        return problem.diagnostic.summary


def check(text: str) -> None:
    once = printed(text)
    assert printed(once) == once
    assert meaning(once) == meaning(text)


@needs_cases
def test_the_case_set_prints_to_what_means_the_same() -> None:
    rows: list[dict[str, Any]] = read_json("hcl/expressions.json")
    valid = [row["expr"] for row in rows if row.get("stage") != "syntax"]
    assert len(valid) > 1000
    for text in valid:
        if parse_expression(SourceText("x", text)).node is not None and not any(n in text for n in RANDOM):
            check(text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 4))
def test_random_expressions_print_to_what_means_the_same(seed: int, depth: int) -> None:
    check(random_expression(random.Random(seed), depth))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(["$", "%", "{", "}", "a", "\n", '"', "\\\\", "${1}", "~"]), max_size=8))
def test_signs_and_braces_stay_what_they_are(pieces: list[str]) -> None:
    text = "".join(f"${{{piece!r}}}".replace("'", '"') if piece in "$%{}~" else piece for piece in pieces)
    if parse_expression(SourceText("x", f'"{text}"')).node is not None:
        check(f'"{text}"')


@settings(max_examples=EXAMPLES, deadline=None)
@given(typed_values())
def test_a_value_written_as_json_reads_back(value: Value) -> None:
    text = to_json_text(value)
    quoted = text.replace("${", "$${").replace("%{", "%%{")
    assert to_json_text(SCOPE.value_of(quoted)) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a . b [ 0 ]", "a.b[0]"),
        ("1+2 * ( 3 )", "1 + 2 * (3)"),
        ('{a=1,"b"=2,(c)=3}', '{"a" = 1, "b" = 2, (c) = 3}'),
        ("[for k,v in x: k=>v]", None),
        ("{for k,v in x: k=>v... if v}", "{for k, v in x : k => v... if v}"),
        ('"$${a}${b}"', '"${"$"}{a}${b}"'),
        ("[1].*.a[0]", "([1][*].a)[0]"),
        ("a?b:c?d:e", "a ? b : c ? d : e"),
    ],
)
def test_layout(text: str, wanted: str | None) -> None:
    if wanted is None:
        assert parse_expression(SourceText("x", text)).diagnostics
    else:
        assert printed(text) == wanted
