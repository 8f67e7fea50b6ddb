"""What a render does with templates that are incomplete, wrong or hostile (reference section 4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_admin.parameters import render as rendering
from coder_admin.parameters.model import Output, PreviewParameter
from coder_admin.parameters.owner import Owner
from coder_admin.parameters.provider import Surroundings
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.terraform import MemoryFileSystem


def render(
    hcl: str, inputs: dict[str, str] | None = None, *, files: dict[str, str] | None = None, **options: Any
) -> Output:
    surroundings = options.pop("surroundings", Surroundings())
    owner = options.pop("owner", Owner(name="ada", groups=("Everyone",)))
    everything = {"main.tf": hcl, **(files or {})}
    return Renderer(compile_template(MemoryFileSystem(everything), **options), surroundings).render(
        owner, inputs or {}
    )


def one(output: Output, name: str) -> PreviewParameter:
    found = output.parameter(name)
    assert found is not None
    return found


def parameter(label: str, *lines: str, name: str = "") -> str:
    body = "\n".join(f"  {line}" for line in lines)
    return f'data "coder_parameter" "{label}" {{\n  name = "{name or label}"\n{body}\n}}\n'


def test_value_is_always_text_for_other_blocks() -> None:
    hcl = parameter("n", 'type = "number"', "default = 2") + parameter(
        "yes", 'default = data.coder_parameter.n.value == "2" ? "text" : "number"'
    )
    assert one(render(hcl), "yes").value.value == one(render(hcl, {"n": "2"}), "yes").value.value == "text"


def test_chain_of_parameters_over_modules() -> None:
    files = {"m/main.tf": 'variable "x" {}\noutput "x" { value = "${var.x}!" }\n'}
    hcl = (
        parameter("a", 'default = "a"')
        + 'module "m" {\n  source = "./m"\n  x = data.coder_parameter.a.value\n}\n'
    )
    hcl += 'module "n" {\n  source = "./m"\n  x = module.m.x\n}\n' + parameter("b", "default = module.n.x")
    assert one(render(hcl, files=files), "b").value.value == "a!!"
    assert one(render(hcl, {"a": "z"}, files=files), "b").value.value == "z!!"


def test_required_parameter_leaves_dependents_to_their_fallback() -> None:
    hcl = parameter("a") + parameter("b", 'default = try(data.coder_parameter.a.value, "none")')
    hcl += parameter("c", "default = data.coder_parameter.a.value")
    output = render(hcl)
    assert [note.code for note in one(output, "a").diagnostics] == ["required"]
    assert one(output, "b").value.value == "none"
    lost = one(output, "c")
    assert (lost.value.valid, lost.required, lost.errors) == (False, False, ())
    assert "value" in lost.diagnostics[0].detail
    assert one(render(hcl, {"a": ""}), "b").value.value == ""


def test_one_broken_parameter_does_not_hide_the_others() -> None:
    hcl = parameter("good", 'default = "1"') + 'data "coder_parameter" "nameless" {}\n'
    hcl += parameter("typed", 'type = "map"') + parameter("bad", "default = local.nothing")
    output = render(hcl)
    assert [p.name for p in output.parameters] == ["bad", "good"]
    assert any('"name"' in note.summary for note in output.errors)
    assert any('"type"' in note.summary for note in output.errors)


def test_names_that_are_no_text() -> None:
    for name, reason in (("null", "null"), ("3", "number"), ("data.aws_ami.x.id", "cannot be resolved")):
        output = render(f'data "aws_ami" "x" {{}}\ndata "coder_parameter" "p" {{\n  name = {name}\n}}\n')
        assert reason in output.errors[0].detail
        assert output.parameters == ()


def test_duplicates_also_among_instances() -> None:
    output = render(parameter("p", "count = 3", 'default = "1"', name="same"))
    assert output.errors[0].summary == 'Found 3 duplicate parameters with name "same", this is not allowed'
    assert len(output.parameters) == 3
    assert render(parameter("p", "count = 0"), {"p": "ignored"}).parameters == ()


def test_list_default_must_be_text() -> None:
    wrong = one(render(parameter("p", 'type = "list(string)"', 'default = ["a"]')), "p")
    assert "jsonencode" in wrong.errors[0].detail
    right = one(render(parameter("p", 'type = "list(string)"', 'default = jsonencode(["a"])')), "p")
    assert (right.value.value, right.errors) == ('["a"]', ())


def test_options_that_cannot_be_resolved() -> None:
    hcl = 'data "aws_ami" "x" {}\n' + parameter(
        "p", 'option {\n name = "A"\n value = data.aws_ami.x.id\n}', 'option {\n name = "B"\n value = "b"\n}'
    )
    found = one(render(hcl, {"p": "b"}), "p")
    assert found.errors[0].summary == "Parameter contains 1 invalid options"
    assert [option.value.valid for option in found.options] == [False, True]


def test_dynamic_options_that_become_empty_change_the_form_type() -> None:
    content = "content {\n name = option.value\n value = option.value\n }"
    dynamic = f'dynamic "option" {{\n for_each = local.list\n {content}\n}}'
    full, empty = 'locals { list = ["a"] }\n', "locals { list = [] }\n"
    assert one(render(full + parameter("p", dynamic)), "p").form_type == "radio"
    assert one(render(empty + parameter("p", dynamic)), "p").form_type == "input"
    assert one(render(empty + parameter("p", 'form_type = "dropdown"', dynamic)), "p").form_type == "error"


def test_written_but_unusable_arguments_read_as_absent() -> None:
    hcl = parameter(
        "p",
        "description = null",
        'mutable = "true"',
        'order = "x"',
        'styling = "{"',
        'type = "number"',
        "default = 5",
        'validation {\n min = 1.9\n max = "7"\n}',
    )
    found = one(render(hcl), "p")
    assert (found.description, found.mutable, found.order, dict(found.styling)) == ("", False, 0, {})
    assert (found.validations[0].min, found.validations[0].max) == (1, None)


def test_numbers_are_shown_in_full() -> None:
    hcl = parameter("p", 'type = "number"', "default = 12345678901234567890")
    assert one(render(hcl), "p").value.value == "12345678901234567890"


def test_surroundings_are_known_as_far_as_they_are() -> None:
    hcl = 'data "coder_workspace" "me" {}\n' + parameter(
        "p", 'default = "1"', 'icon = "${data.coder_workspace.me.access_url}/icon.svg"'
    )
    assert one(render(hcl), "p").icon == ""
    known = render(hcl, surroundings=Surroundings(access_url="https://coder.example"))
    assert one(known, "p").icon == "https://coder.example/icon.svg"


def test_owner_is_given_under_any_label() -> None:
    hcl = 'data "coder_workspace_owner" "boss" {}\n' + parameter(
        "p", "default = data.coder_workspace_owner.boss.name"
    )
    assert one(render(hcl), "p").value.value == "ada"


def test_plan_data_joins_what_is_written() -> None:
    plan = {
        "prior_state": {
            "values": {
                "root_module": {
                    "resources": [
                        {
                            "mode": "data",
                            "type": "aws_ami",
                            "name": "x",
                            "values": {"id": "ami-1", "owner": None},
                        },
                        {"mode": "managed", "type": "aws_vm", "name": "y", "values": {"id": "vm"}},
                    ]
                }
            }
        }
    }
    hcl = 'data "aws_ami" "x" {\n  owner = "self"\n}\n' + parameter(
        "p", 'default = "${data.aws_ami.x.id} of ${data.aws_ami.x.owner}"'
    )
    assert one(render(hcl, plan=plan), "p").value.value == "ami-1 of self"
    assert one(render(hcl), "p").value.valid is False


def test_missing_module_is_told_and_makes_the_render_incomplete() -> None:
    output = render(
        'module "m" {\n  source = "registry.example.com/a/b/c"\n}\n' + parameter("p", 'default = "1"')
    )
    assert output.diagnostics[0].code == "module_not_loaded"
    assert output.diagnostics[0].severity == "warning"
    assert output.complete is False
    assert one(output, "p").value.value == "1"


def test_modules_may_come_in_their_own_archive() -> None:
    files = {
        ".terraform/modules/modules.json": json.dumps(
            {
                "Modules": [
                    {"Key": "", "Dir": "."},
                    {"Key": "m", "Source": "r/a/b", "Dir": ".terraform/modules/m"},
                ]
            }
        ),
        ".terraform/modules/m/main.tf": parameter("inner", 'default = "i"'),
    }
    output = render('module "m" {\n  source = "r/a/b"\n}\n', files=files)
    assert [p.name for p in output.parameters] == ["inner"]
    assert output.complete


def test_variable_files_and_the_warning_for_others() -> None:
    hcl = 'variable "a" {}\n' + parameter("p", "default = var.a")
    assert one(render(hcl, files={"x.auto.tfvars": 'a = "auto"\n'}), "p").value.value == "auto"
    ignored = render(hcl, files={"x.tfvars": 'a = "no"\n'})
    assert ignored.diagnostics[0].summary == "Variable file is ignored"
    assert one(ignored, "p").value.valid is False


def test_override_files_are_merged() -> None:
    files = {"x_override.tf": parameter("p", 'default = "over"')}
    assert (
        one(render(parameter("p", 'default = "base"', 'description = "d"'), files=files), "p").value.value
        == "over"
    )


def test_presets_and_tags_see_the_inputs() -> None:
    hcl = parameter("p", 'default = "1"') + (
        'data "coder_workspace_preset" "a" {\n  name = "a"\n'
        "  parameters = { p = data.coder_parameter.p.value }\n}\n"
        'data "coder_workspace_tags" "t" {\n'
        "  tags = { p = data.coder_parameter.p.value, n = 1, gone = null }\n}\n"
    )
    output = render(hcl, {"p": "2"})
    assert output.presets[0].parameters == {"p": "2"}
    assert output.tags == {"p": "2", "n": "1"}


def test_budget_is_a_diagnostic() -> None:
    loops = "[for i in range(1000) : [for j in range(1000) : [for k in range(1000) : i + j + k]]]"
    hcl = f"locals {{\n  a = {loops}\n}}\n"
    output = render(hcl + parameter("p", 'default = "1"') + parameter("q", "default = length(local.a)"))
    assert any("budget" in note.summary for note in output.errors)


@pytest.mark.parametrize(
    "line",
    [
        "default = local.a",
        "count = 1.5",
        'for_each = "x"',
        "name = 1",
        "option {}",
        "validation {}",
        "order = {}",
    ],
)
def test_odd_arguments_never_raise(line: str) -> None:
    json.dumps(render('data "coder_parameter" "p" {\n  ' + line + "\n}\n").wire(1))


_expressions = st.sampled_from(
    [
        '"x"',
        "1",
        "true",
        "null",
        "[]",
        '["a"]',
        "{}",
        "local.l",
        "var.v",
        "data.coder_parameter.b.value",
        "data.x.y.z",
        '"${local.l}${var.v}"',
        "[for i in [1,2] : i]",
        "try(local.none, 2)",
        "1/0",
        'file("nope")',
        'sensitive("s")',
    ]
)
_arguments = st.sampled_from(
    [
        "name",
        "type",
        "form_type",
        "default",
        "description",
        "mutable",
        "ephemeral",
        "icon",
        "order",
        "styling",
        "count",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    arguments=st.dictionaries(_arguments, _expressions, max_size=6),
    option=st.dictionaries(st.sampled_from(["name", "value", "icon"]), _expressions, max_size=3),
    preset=st.dictionaries(
        st.sampled_from(["name", "parameters", "default", "icon"]), _expressions, max_size=4
    ),
    tags=_expressions,
    inputs=st.dictionaries(st.sampled_from(["a", "b", "x"]), st.text(max_size=5), max_size=3),
)
def test_render_never_raises_and_never_sends_null_lists(
    arguments: dict[str, str],
    option: dict[str, str],
    preset: dict[str, str],
    tags: str,
    inputs: dict[str, str],
) -> None:
    def block(kind: str, label: str, written: dict[str, str], inner: str = "") -> str:
        body = "".join(f"  {name} = {text}\n" for name, text in written.items())
        return f'data "{kind}" "{label}" {{\n{body}{inner}}}\n'

    hcl = 'variable "v" {}\nlocals {\n  l = "l"\n}\ndata "x" "y" {}\n' + parameter("b", 'default = "b"')
    nested = "  option {\n" + "".join(f"    {n} = {t}\n" for n, t in option.items()) + "  }\n"
    hcl += block("coder_parameter", "a", arguments, nested) + block("coder_workspace_preset", "p", preset)
    hcl += block("coder_workspace_tags", "t", {"tags": tags})
    output = render(hcl, inputs)
    body = json.loads(json.dumps(output.wire(3)))
    assert isinstance(body["parameters"], list)
    for found in body["parameters"]:
        assert found["form_type"]
        assert all(isinstance(found[name], list) for name in ("options", "validations", "diagnostics"))
        assert found["value"]["valid"] or found["value"]["value"] == ""
    assert output.parameter("b") is not None
    # Rendering again, after other inputs, gives the same: nothing is kept that should not be.
    again = Renderer(compile_template(MemoryFileSystem({"main.tf": hcl})))
    owner = Owner(name="ada", groups=("Everyone",))
    again.render(owner, {"a": "other", "b": "other"})
    assert again.render(owner, inputs).wire(3) == output.wire(3)


def test_what_is_kept_between_renders_never_shows_in_another_form() -> None:
    hcl = parameter("a", 'default = "1"') + parameter("b", 'default = "${data.coder_parameter.a.value}!"')
    template = compile_template(MemoryFileSystem({"main.tf": hcl}))
    one_form, other_form = Renderer(template), Renderer(template)

    def shown(form: Renderer, **inputs: str) -> list[str]:
        return [found.value.value for found in form.render(inputs=inputs).parameters]

    assert shown(one_form) == ["1", "1!"]
    assert shown(other_form, a="2") == ["2", "2!"]
    assert shown(one_form) == ["1", "1!"]
    assert shown(other_form, b="x") == ["1", "x"]
    assert shown(one_form, a="2") == ["2", "2!"]


@pytest.mark.parametrize(
    ("crashing", "summary", "left"),
    [
        ("load_module", "Parse terraform files", []),
        ("evaluate", "Evaluate terraform files", []),
        ("read_tags", "Evaluate terraform files", []),
        ("read_declaration", "cannot be read", []),
        ("read_preset", "", ["p"]),
    ],
)
def test_a_crash_is_a_diagnostic(
    crashing: str, summary: str, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(rendering, crashing)

    def crash(first: Any, *arguments: Any, **options: Any) -> Any:
        if crashing == "load_module" and not list(first.walk("")):
            return original(first, *arguments, **options)
        raise RuntimeError("a bug")

    hcl = parameter("p", 'default = "1"') + 'data "coder_workspace_preset" "a" {\n  name = "a"\n}\n'
    monkeypatch.setattr(rendering, crashing, crash)
    output = render(hcl)
    assert [p.name for p in output.parameters] == left
    assert [summary in note.summary for note in output.errors] == ([True] if summary else [])
    if crashing == "read_preset":
        assert [preset.errors[0].summary for preset in output.presets] == ["The preset cannot be read"]
