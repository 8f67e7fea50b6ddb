# ruff: noqa: E501 (tables of templates)
"""What an error says and where it points: the operand, step, argument or file that is at fault."""

from __future__ import annotations

import pytest

from coder_admin.terraform import Diagnostic, MemoryFileSystem, evaluate, load_module


def found(text: str | bytes, name: str = "main.tf", **others: str) -> list[Diagnostic]:
    files: dict[str, bytes | str] = {
        name: text,
        **{key.replace("__", "."): value for key, value in others.items()},
    }
    return evaluate(load_module(MemoryFileSystem(files))).diagnostics


def summaries(text: str | bytes, name: str = "main.tf", **others: str) -> list[str]:
    return [item.summary for item in found(text, name, **others)]


@pytest.mark.parametrize(
    ("expression", "blamed"),
    [
        ("1 + true", "true"),
        ("true + 1", "true"),
        ("1 + 2 + [3]", "[3]"),
        ("1 / 0 + [3]", "[3]"),
        ('!"yes"', '"yes"'),
        ("true && 5", "5"),
        ("[1, 2][7]", "[7]"),
        ("{ a = { b = 1 } }.a.c", ".c"),
        ('{ a = 1 }["b"]', '["b"]'),
        ("[1][length([1])]", "[length([1])]"),
        ("true ? [1] : { a = 1 }", "[1] : { a = 1 }"),
        ('upper("a", "b", 3)', '"b", 3'),
        ("upper()", ")"),
        ("can()", ")"),
        ('abs("x")', '"x"'),
        ("min(null, {})", "{}"),
        ('zipmap(["a"], 1)', 'zipmap(["a"], 1)'),
    ],
)
def test_an_error_points_at_what_is_at_fault(expression: str, blamed: str) -> None:
    text = f"locals {{\n  é = {expression}\n}}\n"
    (item,) = found(text)
    assert item.range is not None
    start, end = item.range.start, item.range.end
    line = text.splitlines()[start.line - 1]
    assert line[start.column - 1 : end.column - 1] == blamed
    assert item.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('output "x" {\n  value = "a\n}\n', ["Invalid multi-line string"]),
        ('output "x" {\n  value = a"\n}\n', ["Invalid multi-line string"]),
        ('output "x" {\n  value = "${1"\n}\n', ["Invalid multi-line string"]),
        ('output "x" {\n  value = "%{ if true x }a%{ endif }"\n}\n', ["Extra characters in if marker"]),
        ('output "x" {\n  value = "%{ for in [] }%{ endfor }"\n}\n', ["Invalid 'for' directive"]),
        ('output "x" {\n  value = "\\ud800"\n}\n', ["Invalid escape sequence"]),
        ('output "x" {\n  value = 1.2.3\n}\n', ["Invalid number literal"]),
        # The rest of a broken item is no second mistake, but what comes after it is read.
        ('output "x" {\n  value = 1 +\n    2\n}\nlocals {\n  a = nope.b.c\n}\n',
         ["Invalid expression", "Reference to undeclared resource"]),
    ],
)  # fmt: skip
def test_one_mistake_is_one_error(text: str, expected: list[str]) -> None:
    assert summaries(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('output "x" {\n  value = template.x\n}\n', ["Reserved symbol name"]),
        ('output "x" {\n  value = each.value\n}\n', ["each.value cannot be used in this context"]),
        ('output "x" {\n  value = 1\n  ephemeral = true\n}\n', ["Ephemeral output not allowed"]),
        ('output "x" {\n  value = 1\n  postcondition {\n  }\n}\n', ["Postconditions are not allowed"]),
        ('locals { a = 1 }\noutput "x" {\n  value = 1\n  depends_on = ["local.a"]\n}\n',
         ["Quoted references are deprecated"]),
        ('output "x" {\n  value = 1\n  depends_on = ["no reference"]\n}\n', ["Invalid expression"]),
        ('check "c" {\n}\n', ["Zero assert blocks"]),
        ("terraform {\n  required_versoin = 1\n}\n", ["Unsupported argument"]),
        ("terraform {\n  backnd {\n  }\n}\n", ["Unsupported block type"]),
        ('terraform {\n  required_version = "new"\n}\n', ["Invalid version constraint"]),
        ('terraform {\n  required_version = ">= 1.5, < 2.0.0-rc1"\n}\n', []),
        ('module "m" {\n  source = []\n}\n', ["Invalid module source address"]),
        ('moved {\n  from = "a.b"\n  to = a.c\n}\n', ["Invalid expression"]),
        ('variable "v" {\n  type = "any"\n}\n', ["Invalid legacy variable type hint"]),
        ('variable "v" {\n  type = object({ "a" = string })\n}\n', ["Invalid type specification"]),
        ('variable "v" {\n  type = object({ a = string, a = bool })\n}\n', ["Invalid type specification"]),
        ('resource "a" "b" {\n  lifecycle {\n  }\n  lifecycle {\n  }\n}\n', ["Duplicate lifecycle block"]),
        ('locals { x = 1 }\nresource "a" "b" {\n  lifecycle {\n    replace_triggered_by = [local.x]\n  }\n}\n',
         ["Invalid reference in replace_triggered_by expression"]),
        ('resource "terraform_data" "b" {\n  dynamic "c" {\n    for_each = []\n    content {\n    }\n  }\n}\n',
         ["Unsupported block type"]),
        ('variable "v" {\n  default = 1\n  validation {\n    condition = var.v > 1\n    error_message = []\n  }\n}\n',
         ["Invalid error message", "Invalid value for variable"]),
        ('variable "v" {\n  default = 1\n  validation {\n    condition = var.v\n    error_message = "m"\n  }\n}\n',
         ["Invalid variable validation result"]),
    ],
)  # fmt: skip
def test_declarations_are_checked_as_terraform_checks_them(text: str, expected: list[str]) -> None:
    assert summaries(text) == expected


def test_an_ephemeral_value_is_not_kept_in_a_resource() -> None:
    text = (
        'variable "e" {\n  default   = 1\n  ephemeral = true\n}\n'
        'resource "terraform_data" "r" {\n  input = [var.e]\n}\n'
    )
    (item,) = found(text)
    assert (item.summary, item.range.start.line if item.range else 0) == ("Invalid use of ephemeral value", 6)


def test_a_template_file_that_is_wrong_fails_the_call() -> None:
    text = 'output "x" {\n  value = templatefile("t.tpl", {})\n}\n'
    (item,) = found(text, t__tpl="a\n${b\n")
    assert item.summary == "Error in function call"
    assert "t.tpl:2" in item.detail


def test_an_override_needs_something_to_override() -> None:
    assert summaries("locals {\n  a = 1\n}\n", x_override__tf="locals {\n  b = 1\n}\n") == [
        "Missing base local value definition to override"
    ]
    variable = 'variable "v" {\n  default = 1\n}\n'
    rule = 'variable "v" {\n  validation {\n    condition = var.v > 0\n    error_message = "m"\n  }\n}\n'
    assert summaries(variable, x_override__tf=rule) == ["Can't override validation blocks"]


def test_a_value_of_a_tfvars_file_is_blamed_in_that_file() -> None:
    (item,) = found('variable "v" {\n  type = number\n}\n', terraform__tfvars="\nv = [1]\n")
    assert item.summary == "Invalid value for input variable"
    assert item.range is not None
    assert str(item.range.start.file) == "terraform.tfvars"
    assert (item.range.start.line, item.range.start.column) == (2, 5)


def test_strings_of_a_tfvars_json_file_are_no_templates() -> None:
    files = {"main.tf": 'variable "v" {}\n', "terraform.tfvars.json": '{"v": "${nope}"}'}
    evaluation = evaluate(load_module(MemoryFileSystem(files)))
    assert evaluation.ok
    assert evaluation.variables["v"].data == "${nope}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"output": {"x": {"value": 1}},}', ["Invalid JSON syntax"]),
        ('"text"', ["Root value must be object"]),
        ('{"output": {"x": {"value": {"a": 1, "a": 2}}}}', ["Duplicate object attribute"]),
        ('{"resource": {"terraform_data": {"a": {"input": {"x": "${1}"}}}}}', []),
        ('{"variable": {"v": {"default": "${nope}"}}}', []),
    ],
)
def test_json_is_checked(text: str, expected: list[str]) -> None:
    assert summaries(text, "main.tf.json") == expected


def test_bytes_that_are_no_utf8_are_fine_in_comments_only() -> None:
    assert summaries(b"# caf\xe9\nlocals {\n  a = 1 // \xff\n}\n") == []
    (item,) = found(b'# caf\xe9\nlocals {\n  a = "\xff"\n}\n')
    assert item.summary == "Invalid character encoding"
