"""One row for each rule of evaluation that a template's author meets (reference sections 4, 6 and 7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from coder_admin.parameters.model import Output

from .test_render import one, parameter, render

WORKSPACE = 'data "coder_workspace" "me" {}\n'
UNKNOWN = "data.coder_workspace.me.id"


@dataclass(frozen=True)
class Row:
    """What a template shows: values by name (None: not valid), and parts of what is said about it."""

    id: str
    hcl: str
    values: dict[str, str | None]
    inputs: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    top_errors: tuple[str, ...] = ()
    top_warnings: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def cycle(**inputs: str) -> dict[str, Any]:
    hcl = parameter("a", "default = data.coder_parameter.b.value")
    hcl += parameter("b", "default = data.coder_parameter.a.value") + parameter("c", 'default = "x"')
    return {"hcl": hcl, "inputs": inputs}


def module(content: str, *lines: str) -> dict[str, Any]:
    body = "\n".join(lines)
    return {
        "hcl": f'module "m" {{\n  source = "./m"\n{body}\n}}\n' + parameter("p", 'default = "1"'),
        "files": {"m/main.tf": content},
    }


NO_VALUE = "there is no value for "
REFERENCES = [
    Row("unknown attribute", WORKSPACE + parameter("p", f"default = {UNKNOWN}"), {"p": None},
        warnings=(NO_VALUE + UNKNOWN,)),
    Row("only what has no value is named",
        WORKSPACE + parameter("p", f'default = "${{path.module}}-${{{UNKNOWN}}}"'), {"p": None},
        warnings=(NO_VALUE + UNKNOWN + ".",)),
    Row("undeclared variable", parameter("p", "default = var.x"), {"p": None},
        warnings=(NO_VALUE + "var.x",), top_warnings=("undeclared input variable",)),
    Row("undeclared parameter", parameter("p", "default = data.coder_parameter.q.value"), {"p": None},
        warnings=(NO_VALUE + "data.coder_parameter.q.value",), top_warnings=("undeclared resource",)),
    Row("variable without a value", 'variable "x" {}\n' + parameter("p", "default = var.x"), {"p": None},
        warnings=(NO_VALUE + "var.x",)),
    Row("itself", parameter("p", "default = data.coder_parameter.p.value"), {"p": None},
        warnings=(NO_VALUE + "data.coder_parameter.p.value",), top_warnings=("Self-referential",)),
    Row("cycle", **cycle(), values={"a": None, "b": None, "c": "x"},
        warnings=(NO_VALUE + "data.coder_parameter.b.value",), top_warnings=("Cycle",)),
    Row("cycle with an input", **cycle(a="1"), values={"a": "1", "b": None, "c": "x"},
        warnings=(NO_VALUE + "data.coder_parameter.a.value",), top_warnings=("Cycle",)),
    Row("a broken item leaves the others",
        parameter("q") + "locals {\n  m = { a = data.coder_parameter.q.value, b = \"b\" }\n}\n"
        + parameter("p", "default = local.m.b"), {"p": "b", "q": None}, errors=("Required",)),
    Row("a broken element leaves the others",
        parameter("q") + "locals {\n  m = [data.coder_parameter.q.value, \"b\"]\n}\n"
        + parameter("p", "default = local.m[1]"), {"p": "b", "q": None}, errors=("Required",)),
    Row("home directory", parameter("p", 'default = pathexpand("~/x")'), {"p": None},
        warnings=("no home directory",)),
    Row("block that sets its value", parameter("p", 'value = "mine"', 'default = "1"')
        + parameter("q", "default = data.coder_parameter.p.value"), {"p": "mine", "q": "mine"}),
]  # fmt: skip
READING = [
    Row("empty name", 'data "coder_parameter" "p" {\n  name = ""\n  default = "1"\n}\n', {},
        top_errors=("must not be empty",)),
    Row("type of another type is absent", parameter("p", "type = 5", 'default = "1"'), {"p": "1"}),
    Row("form type of another type is absent", parameter("p", "form_type = 5", 'default = "1"'), {"p": "1"}),
    Row("negative count", parameter("p", "count = -1", 'default = "1"'), {"p": "1"},
        errors=("Invalid count",)),
    Row("for_each over a list", parameter("p", 'for_each = ["a"]', 'default = "1"'), {"p": "1"},
        errors=("Invalid for_each",)),
    Row("regular expression that does not compile",
        parameter("p", 'default = "1"', 'validation {\n    regex = "("\n    error = "e"\n  }'), {"p": "1"},
        errors=('compile regex "(": missing )',)),
    Row("blocks of a list that is not known are not there",
        WORKSPACE + parameter("p", "default = 3", 'type = "number"', f"""dynamic "validation" {{
            for_each = {UNKNOWN} == "x" ? [1] : []
            content {{
              min = 5
            }}
          }}
          dynamic "option" {{
            for_each = {UNKNOWN} == "x" ? [1] : []
            content {{
              name  = "fixed"
              value = "1"
            }}
          }}"""), {"p": "3"}),
    Row("options are checked while the value is open",
        WORKSPACE + parameter("p", f"default = {UNKNOWN}", 'option {\n    name = "a"\n    value = "1"\n  }',
                              'option {\n    name = "a"\n    value = "2"\n  }'), {"p": None},
        errors=("must be unique",), warnings=(NO_VALUE,)),
]  # fmt: skip
VARIABLES = [
    Row("file does not parse", 'variable "x" {}\n' + parameter("p", 'default = "1"'), {},
        files={"x.auto.tfvars": "x = ("}, top_errors=("Failed to load tfvars from files",)),
    Row("file does not evaluate", 'variable "x" {\n  default = "d"\n}\n' + parameter("p", "default = var.x"),
        {"p": "d"}, files={"x.auto.tfvars": 'x = upper("y")\n'}, top_warnings=("Function calls",)),
    Row("file sets what is not declared", parameter("p", 'default = "1"'), {"p": "1"},
        files={"x.auto.tfvars": 'x = "y"\n'}, top_warnings=("undeclared variable",)),
    Row("given value does not convert",
        'variable "x" {\n  type = number\n}\n' + parameter("p", 'default = "1"'), {"p": "1"},
        options={"variables": {"x": "five"}}, top_errors=("number is required",)),
    Row("given value is not declared", parameter("p", 'default = "1"'), {"p": "1"},
        options={"variables": {"x": "five"}}, top_warnings=("undeclared variable",)),
]  # fmt: skip
MODULES = [
    Row("folder is missing", 'module "m" {\n  source = "./m"\n}\n' + parameter("p", 'default = "1"'),
        {"p": "1"}, top_warnings=("Module not loaded",)),
    Row("argument is missing", **module('variable "x" {}\n'), values={"p": "1"},
        top_warnings=("required, but no definition",)),
    Row("argument is unknown", **module("# empty\n", "  y = 1"), values={"p": "1"},
        top_warnings=('named "y" is not expected',)),
]  # fmt: skip
BASE = parameter("p", 'default = "1"')
OVERRIDE = 'data "coder_parameter" "p" {\n  default = "2"\n}\n'
OVERRIDES = [
    Row("attribute", BASE, {"p": "2"}, files={"override.tf": OVERRIDE}),
    Row("in a module", 'module "m" {\n  source = "./m"\n}\n', {"p": "2"},
        files={"m/main.tf": BASE, "m/x_override.tf": OVERRIDE}),
    Row("no base: unmerged", BASE, {"p": "1", "q": "3"},
        files={"override.tf": parameter("q", 'default = "3"')}, top_warnings=("merging disabled",)),
    Row("no base: duplicates", BASE, {"p": "1", "q": "3"},
        files={"override.tf": OVERRIDE + parameter("q", 'default = "3"')},
        top_errors=("already declared",), top_warnings=("merging disabled",)),
    Row("no base for a local", BASE + 'locals {\n  a = "1"\n}\n', {"p": "1"},
        files={"override.tf": 'locals {\n  b = "1"\n}\n'}, top_warnings=("merging disabled",)),
    Row("terraform block", BASE, {"p": "1"},
        files={"override.tf": 'terraform {\n  required_version = ">1"\n}\n'}, top_warnings=("is ignored",)),
    Row("JSON takes no part", BASE, {"p": "1"},
        files={"override.tf.json": '{"data": {"coder_parameter": {"p": {"default": "2"}}}}'},
        top_warnings=("is ignored",)),
]  # fmt: skip


@pytest.mark.parametrize("row", [*REFERENCES, *READING, *VARIABLES, *MODULES, *OVERRIDES], ids=lambda r: r.id)
def test_rule(row: Row) -> None:
    output = render(row.hcl, row.inputs, files=row.files, **row.options)
    assert {p.name: p.value.text for p in output.parameters} == row.values
    own = [note for parameter in output.parameters for note in parameter.diagnostics]
    told(row.errors, [n for n in own if n.is_error])
    told(row.warnings, [n for n in own if not n.is_error])
    told(row.top_errors, output.errors)
    told(row.top_warnings, [n for n in output.diagnostics if not n.is_error])


def told(parts: tuple[str, ...], notes: Any) -> None:
    """Every part is said, and nothing is said where nothing is expected."""
    texts = [f"{note.summary} {note.detail}" for note in notes]
    assert bool(texts) == bool(parts), texts
    assert all(any(part in text for text in texts) for part in parts), texts


def tags(*bodies: str) -> Output:
    blocks = [
        f'data "coder_workspace_tags" "t{n}" {{\n  tags = {body}\n}}\n' for n, body in enumerate(bodies)
    ]
    return render(WORKSPACE + 'variable "v" {}\n' + parameter("r") + "".join(blocks))


@pytest.mark.parametrize(
    ("body", "known", "unknown"),
    [
        ('{ a = "x", b = 5, c = true, d = 1.50 }', {"a": "x", "b": "5", "c": "true", "d": "1.5"}, ()),
        ('{ a = null, b = "" }', {"b": ""}, ()),
        ('{ a = ["x"], b = {}, c = "x" }', {"c": "x"}, ("a", "b")),
        (f'{{ a = {UNKNOWN}, b = "x" }}', {"b": "x"}, ("a",)),
        ('{ a = data.coder_parameter.r.value, b = "x" }', {"b": "x"}, ("a",)),
        ('{ a = local.nope, b = "x" }', {"b": "x"}, ("a",)),
        ('{ (var.v) = "z", b = "x" }', {"b": "x"}, ("unknown",)),
        ('{ 5 = "x", true = "y" }', {"5": "x", "true": "y"}, ()),
        (f"jsondecode({UNKNOWN})", {}, ("unknown",)),
        ("null", {}, ()),
    ],
)
def test_tags(body: str, known: dict[str, str], unknown: tuple[str, ...]) -> None:
    output = tags(body)
    assert (dict(output.tags), output.unknown_tags) == (known, unknown)
    assert output.errors == ()


@pytest.mark.parametrize("body", ['["a"]', '"a"', '{ (null) = "x" }', '{ ([]) = "x" }'])
def test_tags_that_are_no_names_with_values_are_a_top_level_error(body: str) -> None:
    output = tags(body)
    assert len(output.errors) == 1
    assert (dict(output.tags), output.unknown_tags) == ({}, ())


def test_a_later_tags_block_wins() -> None:
    output = tags('{ a = "1", b = "1" }', f"{{ a = {UNKNOWN}, c = null }}", '{ b = "2" }')
    assert (dict(output.tags), output.unknown_tags) == ({"b": "2"}, ("a",))


@pytest.mark.parametrize(
    ("value", "prebuilds", "severities"),
    [
        ("null", False, []),
        (UNKNOWN, False, ["warning"]),
        (UNKNOWN, True, ["error"]),
        ('["x"]', False, ["error"]),
        ("5", True, []),
    ],
)
def test_preset_values(value: str, prebuilds: bool, severities: list[str]) -> None:
    pool = "prebuilds {\n    instances = 1\n  }" if prebuilds else ""
    body = f'name = "a"\n  parameters = {{ p = {value} }}\n  {pool}'
    hcl = f'data "coder_workspace_preset" "a" {{\n  {body}\n}}\n'
    (preset,) = render(WORKSPACE + BASE + hcl).presets
    assert [note.severity for note in preset.diagnostics] == severities
    assert dict(preset.parameters) == ({"p": "5"} if value == "5" else {})


def test_json_syntax_reads_like_hcl() -> None:
    text = """{"data": {"coder_parameter": {"p": {"name": "p", "type": "number", "default": "${1 + 1}",
      "option": [{"name": "two", "value": 2}, {"name": "three", "value": "3"}]}},
      "coder_workspace_tags": {"t": {"tags": {"a": "${data.coder_parameter.p.value}"}}}}}"""
    output = render("", files={"p.tf.json": text})
    assert output.diagnostics == ()
    shown = one(output, "p")
    assert (shown.type, shown.value.value, shown.diagnostics) == ("number", "2", ())
    assert [option.value.value for option in shown.options] == ["2", "3"]
    assert output.tags == {"a": "2"}


def test_codes_on_the_wire_are_those_of_the_reference() -> None:
    hcl = parameter("p", "default = local.x") + "locals {\n  y = (\n}\n" + parameter("r")
    frame = render(hcl).wire(1)
    notes = [*frame["diagnostics"], *(note for p in frame["parameters"] for note in p["diagnostics"])]
    assert {note["extra"]["code"] for note in notes} == {"", "required"}
