"""Scanner and parser: newline rules, templates, recovery, positions."""

from __future__ import annotations

from textwrap import dedent

import pytest

from coder_admin.terraform.syntax import tree
from coder_admin.terraform.syntax.json_body import parse_json_config
from coder_admin.terraform.syntax.parser import parse_config, parse_expression, parse_template
from coder_admin.terraform.syntax.source import SourceText, decode


def problems(text: str) -> list[tuple[int, int, str]]:
    """Line, column and summary of everything that is wrong with a file."""
    parsed = parse_config(SourceText("main.tf", text))
    return [
        (found.range.start.line, found.range.start.column, found.summary)
        for found in parsed.diagnostics
        if found.range
    ]


def test_one_mistake_does_not_hide_the_rest() -> None:
    text = dedent("""\
        a = 1 2
        b = [1,
          2 3,
          4]
        resource "x" "y" {
          c = (
          d = 2
        }
        e = "ok"
        f = )
    """)
    parsed = parse_config(SourceText("main.tf", text))
    assert [found.range.start.line for found in parsed.diagnostics if found.range] == [1, 3, 7, 10]
    assert "e" in parsed.body.attributes
    assert [block.type for block in parsed.body.blocks] == ["resource"]


def test_an_unclosed_bracket_ends_before_the_next_item() -> None:
    text = 'locals {\n  a = [1, 2\n  b = 3\n}\noutput "x" {\n  value = 1\n}\n'
    parsed = parse_config(SourceText("main.tf", text))
    assert len(parsed.diagnostics) == 1
    assert [block.type for block in parsed.body.blocks] == ["locals", "output"]
    attributes = parsed.body.blocks[0].body.attributes
    assert [type(found.expr) for found in attributes.values()] == [tree.Broken, tree.NumberLiteral]


def test_an_unclosed_string_ends_with_its_line() -> None:
    assert problems('a = "x\nb = "${upper("x)}"\nc = 1\n') == [
        (1, 7, "Invalid multi-line string"),
        (3, 1, "Missing argument separator"),
    ]


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("a = 1, b = 2\n", "Unexpected comma after argument"),
        ("a = 1\n+ 2\n", "Argument or block definition required"),
        ("a = 1\na = 2\n", "Attribute redefined"),
        ('"a" = 1\n', "Invalid argument name"),
        ("a b c\n", "Invalid block definition"),
        ("a\n", "Argument or block definition required"),
        ("a {\n", "Unclosed configuration block"),
        ("a { b = 1, c = 2 }\n", "Invalid single-argument block definition"),
        ("a { b {} }\n", "Invalid single-argument block definition"),
        ("a {} b {}\n", "Missing newline after block definition"),
        ("a = 'x'\n", "Invalid character"),
        ("a = 1 & 2\n", "Unsupported operator"),
        ("a = 0x1F\n", "Missing newline after argument"),
        ('a = "${}"\n', "Invalid expression"),
        ('a = "\\q"\n', "Invalid escape sequence"),
        ("a = b.*.*\n", "Nested splat expression not allowed"),
        ("a = <<EOT\nx\n", "Unterminated template string"),
        ('a = "%{if x}"\n', "Unexpected end of template"),
        ('a = "%{endif}"\n', "Unexpected endif directive"),
        ("a = 1 /* x\n", "Unterminated comment"),
    ],
)
def test_invalid_text_is_named(text: str, summary: str) -> None:
    assert summary in [found for _, _, found in problems(text)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "a = 1",
        "a = 1 # comment\n",
        "a = [\n1,\n2,\n]\n",
        "a = {\n(b) = 1\nc : 2, d = 3,\n}\n",
        "a = f(\n1,\n2...\n)\n",
        "a = (1\n+ 2)\n",
        "a {}\n",
        "a { b = 1 }\n",
        'a "b" c {\n}\n',
        "a = 1e3\n",
        "a = x ? {\nb = 1\n} : null\n",
        "a = <<-EOT\n  x ${y} %{ if z ~}\n  w\n  %{ endif }\n  EOT\n",
        "a = [for k, v in x : v...]\n".replace("...", ""),
        "a = {for k, v in x : k => v... if v}\n",
        "a = x[*].y[0].z.*.w\n",
        "été = ünïcode\n",
        "a = provider::x::y(1)\n",
        "a = -b.c + !d.e\n",
    ],
)
def test_valid_text_has_no_diagnostics(text: str) -> None:
    assert problems(text) == []


def test_conditional_is_right_associative_and_a_chain_is_one_node() -> None:
    parsed = parse_expression(SourceText("x", "a ? b : c ? d : e"))
    assert isinstance(parsed.node, tree.Conditional)
    assert len(parsed.node.branches) == 2


def test_runs_of_dollars_before_a_brace_are_literal() -> None:
    for text, wanted in (('"$${1}"', "${1}"), ('"$$${1}"', "$${1}"), ('"%%{x}"', "%{x}"), ('"$$"', "$$")):
        parsed = parse_expression(SourceText("x", text))
        assert isinstance(parsed.node, tree.Literal)
        assert parsed.node.value == wanted


def test_template_text_keeps_its_blanks() -> None:
    parsed = parse_template(SourceText("x", "  a ${b}  "))
    assert isinstance(parsed.node, tree.Template)
    literals = [part.value for part in parsed.node.parts if isinstance(part, tree.Literal)]
    assert literals == ["  a ", "  "]


def test_positions_count_clusters_and_bytes() -> None:
    source, found = decode("main.tf", '\ufeffa = "é👩‍👩‍👧" b\n'.encode())
    assert not found
    parsed = parse_config(source)
    where = parsed.diagnostics[0].range
    assert where is not None
    assert (where.start.line, where.start.column) == (1, 10)
    assert where.start.byte == len('a = "é👩‍👩‍👧" '.encode())


def test_invalid_utf8_is_a_diagnostic_with_a_place() -> None:
    _, found = decode("main.tf", b'a = 1\nb = "\xff"\n')
    assert found[0].summary == "Invalid character encoding"
    assert found[0].range is not None
    assert found[0].range.start.line == 2


def test_json_has_the_same_tree() -> None:
    text = """{
      "//": "a comment",
      "variable": {"size": {"type": "list(string)", "default": ["a"]}},
      "locals": {"n": "${length(var.size) + 1}", "plain": "$${x}"},
      "resource": {"t": {"n": {"count": 2, "option": [{"v": 1}, {"v": 2}],
                               "dynamic": {"d": {"for_each": "${var.size}", "content": {"x": 1}}}}}}
    }"""
    parsed = parse_json_config(SourceText("main.tf.json", text))
    assert parsed.diagnostics == []
    assert [block.type for block in parsed.body.blocks] == ["variable", "locals", "resource"]
    resource = parsed.body.blocks[2]
    assert [label.text for label in resource.labels] == ["t", "n"]
    assert [block.type for block in resource.body.blocks] == ["option", "option", "dynamic"]


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": }', '{"a": 1,}x', "[1 2]", '{"locals": {"a": "${"}}', "{'a': 1}"]
)
def test_bad_json_is_a_diagnostic_with_a_place(text: str) -> None:
    parsed = parse_json_config(SourceText("main.tf.json", text))
    assert parsed.diagnostics
    assert all(found.range is not None for found in parsed.diagnostics)
