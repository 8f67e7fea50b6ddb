"""Nothing that a template says crashes, hangs or bloats: every outcome is a value or a diagnostic."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_admin.terraform import (
    Budget,
    DirectoryFileSystem,
    EvalContext,
    Evaluation,
    MemoryFileSystem,
    evaluate,
    load_module,
)
from coder_admin.terraform.syntax.parser import parse_config, parse_template
from coder_admin.terraform.syntax.source import SourceText
from tests.terraform.cases import folders, needs_cases
from tests.terraform.profile import EXAMPLES

SECONDS = 30.0  # generous: a busy machine; what is meant is "not minutes, not forever"

PIECES = [
    "a", "b.c", "var.x", "local.y", "each.key", "\"", "\"${", "}", "${", "%{ if ", "%{ endif }",
    "%{for x in ", "~}", "<<EOT\n", "<<-E\n", "EOT\n", "E\n", "{", "[", "(", ")", "]", "}", "\n", " ", ",",
    "=", "=>", ":", "?", "...", ".", "[*]", ".*", "for", "in", "if", "&&", "||", "!", "-", "+", "1",
    "1.5e3", "null", "true", "#c\n", "/*", "*/", "//x\n", "$${", "%%{", "\\", "\\u00e9", "é", "'", "`", ";",
    "&", "\r\n", "\t", "\x00", "locals {", "output \"o\" {", "value =", "resource \"t\" \"n\" {",
    "dynamic \"d\" {", "content {", "for_each =", "count =", "try(", "upper(",
]  # fmt: skip


@settings(max_examples=EXAMPLES * 3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_gives_a_tree_or_a_diagnostic_with_a_place(text: str) -> None:
    parsed = parse_config(SourceText("main.tf", text))
    assert all(found.range is not None and found.detail for found in parsed.diagnostics)
    template = parse_template(SourceText("x.tftpl", text))
    assert (template.node is None) == bool(template.diagnostics)
    evaluate(load_module(MemoryFileSystem({"main.tf": text})))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(max_size=200))
def test_arbitrary_unicode_never_raises(text: str) -> None:
    evaluate(
        load_module(
            MemoryFileSystem(
                {"main.tf": text.encode("utf-8", "replace"), "x.tf.json": text.encode("utf-8", "replace")}
            )
        )
    )


def real_files() -> list[Path]:
    return [path for folder in folders("real_templates") for path in sorted(folder.glob("*.tf"))]


@needs_cases
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutations_of_real_templates_never_raise(data: st.DataObject) -> None:
    files = real_files()
    text = files[data.draw(st.integers(0, len(files) - 1))].read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 40)))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES])) + text[end:]
    evaluation = evaluate(load_module(MemoryFileSystem({"main.tf": text})))
    syntax = parse_config(SourceText("main.tf", text)).diagnostics
    assert not syntax or not evaluation.ok
    assert all(found.range is not None for found in syntax)


@needs_cases
@pytest.mark.parametrize("folder", folders("real_templates"), ids=lambda folder: folder.name)
def test_real_templates_have_no_false_error(folder: Path) -> None:
    files = DirectoryFileSystem(folder)
    evaluation = evaluate(load_module(files))
    errors = [found for found in evaluation.diagnostics if found.is_error]
    # Some folders were saved without the files beside their .tf; that one is missing is true.
    missing = [found for found in errors if "no file exists" in found.detail]
    assert errors == missing
    declared = sum(
        text.count("\nresource ") + text.count("\ndata ")
        for text in ("\n" + path.read_text() for path in folder.glob("*.tf"))
    )
    assert len(load_module(files).resources) == declared


@needs_cases
@pytest.mark.parametrize("folder", folders("terraform_plans"), ids=lambda folder: folder.name)
def test_planned_modules_have_no_false_error(folder: Path) -> None:
    evaluation = evaluate(load_module(DirectoryFileSystem(folder)))
    assert [str(found) for found in evaluation.diagnostics if found.is_error] == []


def output(expression: str) -> str:
    return f'output "x" {{\n  value = {expression}\n}}\n'


def chained(step: str, first: str = "[1]", length: int = 60) -> str:
    """Locals of which each is made of the one before (`@`)."""
    lines = [f"a{at} = {step.replace('@', f'local.a{at - 1}')}" for at in range(1, length)]
    return "locals {\n" + "\n".join([f"a0 = {first}", *lines]) + "\n}\n"


def with_large(expression: str) -> str:
    """Two equal tuples of 30,000 elements and a text of 4 million characters in `local`."""
    large = '[for i, x in split("", format("%030000d", 0)) : i % 2 == 0 ? "x" : x]'
    text = 'join("", [for i in range(1000) : "' + "0123456789" * 400 + '"])'
    return f"locals {{\n  a = {large}\n  b = {large}\n  c = {text}\n}}\n" + output(expression)


HOSTILE = {
    "10 MB": 'a = "' + "x" * 10_000_000 + '"\n',
    "brackets": output("[" * 10_000 + "1" + "]" * 10_000),
    "open brackets": output("[" * 500_000),
    "parentheses": output("(" * 10_000 + "1" + ")" * 10_000),
    "objects": output("{a=" * 10_000 + "1" + "}" * 10_000),
    "braces": output("{" * 500_000),
    "minus": output("-" * 10_000 + "1"),
    "interpolations": output('"${' * 5_000 + "1" + '}"' * 5_000),
    "blocks": "a {\n" * 10_000 + "}\n" * 10_000,
    "calls": output("upper(" * 10_000 + '"a"' + ")" * 10_000),
    "conditions": output("true ? " * 10_000 + "1" + " : 2" * 10_000),
    "splats": output("[1]" + "[*]" * 10_000),
    "heredocs": output("<<A\n" * 50_000),
    "type": 'variable "a" {\n  type = ' + "list(" * 5_000 + "string" + ")" * 5_000 + "\n}\n",
    "range": output("range(1e9)"),
    "nested for": output("[for i in range(1000): [for j in range(1000): [for k in range(1000): 1]]]"),
    "products": output("setproduct(range(1000), range(1000), range(1000))"),
    "text": chained('"${@}${@}"', '"xxxxxxxx"') + output("local.a59"),
    "shared": chained("[@, @]") + output("jsonencode(local.a59)"),
    "shared equal": chained("[@, @]") + output("local.a59 == local.a59"),
    "shared marks": chained("[@, @]", "[sensitive(1)]") + output("length(local.a59)"),
    "flatten": chained("[@, @]") + output("flatten(local.a59)"),
    "concat": chained("concat(@, @)") + output("length(local.a59)"),
    "deep": chained("[@]", length=3_000) + output("jsonencode(local.a2999)"),
    "long text": 'locals {\n  a = "' + "x" * 500_000 + '"\n}\n' + output("[for i in range(1000): local.a]"),
    "count": 'resource "a" "b" {\n  count = 1e9\n}\n',
    "number": output("1e999999999 * 1e999999999"),
    "width": output('format("%1000000000d", 1)'),
    "indent": output('indent(1e9, "a\\nb")'),
    "replace": output('replace("' + "a" * 100_000 + '", "a", "' + "b" * 100_000 + '")'),
    "json": output('jsondecode("' + "[" * 100_000 + '")'),
    "yamlencode": output('[for i in range(1000): yamlencode([for j in range(1000): "' + "x" * 600 + '"])]'),
    "lists of lists": with_large("[for i in range(1000): [for j in range(1000): tolist(local.a)]]"),
    "sets": with_large("[for i in range(1000): [for j in range(1000): toset(local.a)]]"),
    "equality": with_large("[for i in range(1000): [for j in range(1000): local.a == local.b]]"),
    "sides": with_large('[for i in range(1000): [for j in range(1000): true ? local.a : [{}]]]'),
    "hashes": with_large("[for i in range(1000): [for j in range(1000): sha512(local.c)]]"),
    "padding": output('[for i in range(1000): format("%0500000d", i)]'),
    "itself": 'module "m" {\n  source = "./."\n}\n',
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_end_with_a_diagnostic(name: str) -> None:
    """Soon after the half second that they may take; in processor time, since the machine may be busy."""
    context = EvalContext(budget=Budget(seconds=0.5))
    started = time.thread_time()
    evaluation = evaluate(load_module(MemoryFileSystem({"main.tf": HOSTILE[name]})), context=context)
    assert not evaluation.ok
    assert time.thread_time() - started < 3.0


@pytest.mark.parametrize(
    "text",
    [
        output("+".join(["1"] * 20_000)),
        output("&&".join(["true"] * 20_000)),
        output("true ? 1 : " * 5_000 + "2"),
        "locals {\n  a0 = 1\n" + "".join(f"  a{i} = local.a{i - 1} + 1\n" for i in range(1, 5_000)) + "}\n",
        output('"' + "$" * 500_000 + '"'),
        output('length(regexall("(a|a)*$", "' + "a" * 10_000 + '!"))'),
    ],
    ids=["terms", "conditions", "chain of conditionals", "chain of locals", "dollars", "regular expression"],
)
def test_long_is_not_deep(text: str) -> None:
    started = time.monotonic()
    evaluation = evaluate(load_module(MemoryFileSystem({"main.tf": text})))
    assert evaluation.ok, evaluation.diagnostics[:2]
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("stack", [0, 300, 600])
def test_deep_operators_on_a_full_stack_are_a_diagnostic_or_a_value(stack: int) -> None:
    level = "true || false && 1 == 2 < 3 + 4 * [(".replace("2 < 3", "2")
    text = output(level * 38 + "1" + ")][0]" * 38)

    def evaluated(depth: int) -> Evaluation:
        if depth:
            return evaluated(depth - 1)
        return evaluate(load_module(MemoryFileSystem({"main.tf": text + f"# {stack}\n"})))

    evaluation = evaluated(stack)
    assert evaluation.ok or [found.code for found in evaluation.diagnostics] == ["budget"]


def test_modules_that_multiply_are_bounded() -> None:
    calls = "".join(f'module "m{i}" {{\n  source = "./SUB"\n}}\n' for i in range(40))
    files = {
        "main.tf": calls.replace("SUB", "a"),
        "a/main.tf": calls.replace("./SUB", "../b"),
        "b/main.tf": calls.replace("./SUB", "../c"),
        "c/main.tf": "",
    }
    evaluation = evaluate(load_module(MemoryFileSystem(files)))
    assert "Too many modules" in [found.summary for found in evaluation.diagnostics]


def test_a_stopped_evaluation_still_answers() -> None:
    text = (
        output("[for i in range(1000): [for j in range(1000): [for k in range(1000): 1]]]")
        + 'variable "v" {}\n'
    )
    evaluation = evaluate(
        load_module(MemoryFileSystem({"main.tf": text})), context=EvalContext(budget=Budget(steps=10_000))
    )
    assert [found.code for found in evaluation.diagnostics] == ["budget"]
    assert not evaluation.outputs["x"].is_known
