"""The shared renders: what a template shows for an owner, a plan and inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coder_admin.parameters.model import NullText, Output, PreviewParameter
from coder_admin.parameters.owner import Owner
from coder_admin.parameters.reading import text_of
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.terraform import DirectoryFileSystem, from_python

from .shared_cases import cases_folder, rows

CASES = "parameters/cases.json"
#: Cases that the reference leaves open, and what we decided (dynamic-parameters.md 4.9, 4.12).
DECIDED: dict[str, dict[str, Any]] = {
    "null default": {"params": {"p": {"required": True, "diagnostic_codes": ["required"]}}},
    "a file that does not parse": {
        "fail": True,
        "params": {"kept": {"value": "y", "no_diagnostics": True}},
        # The rest of a broken file is still read: its other parameters need not vanish with it.
        "params_optional": {"lost": {"value": "x", "no_diagnostics": True}},
    },
}


def rendered(row: dict[str, Any]) -> Output:
    given = row["input"]
    folder = cases_folder("parameters") / "testdata" / row["dir"]
    plan = json.loads((folder / given["plan_json_path"]).read_text()) if given["plan_json_path"] else None
    variables = {name: from_python(value) for name, value in given["tfvars"].items()}
    template = compile_template(DirectoryFileSystem(Path(folder)), plan=plan, variables=variables)
    return Renderer(template).render(Owner.from_json(given["owner"]), given["parameter_values"])


@pytest.mark.parametrize(
    "row", [param for param in rows(CASES) if param.values[0] is None or param.values[0]["dir"]]
)
def test_shared_render(row: dict[str, Any]) -> None:
    output = rendered(row)
    expect = {**row["expect"], **DECIDED.get(row["name"], {})}
    assert bool(output.errors) == expect.get("fail", False), output.errors
    if not expect.get("fail") or row["name"] in DECIDED:
        optional = expect.get("params_optional", {})
        names = {parameter.name for parameter in output.parameters}
        assert set(expect["params"]) <= names <= {*expect["params"], *optional}
        for parameter in output.parameters:
            check(parameter, {**expect["params"], **optional}.get(parameter.name, {}))
        assert dict(output.tags) == expect["tags"]
        assert list(output.unknown_tags) == expect["unknown_tags"]
    if "param_order" in expect:
        assert [parameter.name for parameter in output.parameters] == expect["param_order"]
    json.dumps(output.wire(1))


def check(parameter: PreviewParameter, expect: dict[str, Any]) -> None:
    for key in ("form_type", "type", "required", "icon", "styling"):
        if key in expect:
            assert getattr(parameter, key) == expect[key], key
    if "value" in expect:
        assert parameter.value == NullText.of(expect["value"])
    if "value_valid" in expect:
        assert parameter.value.valid == expect["value_valid"]
    if "default" in expect:
        assert parameter.default_value == NullText.of(expect["default"])
    if "option_values" in expect:
        assert {option.value.value for option in parameter.options} == set(expect["option_values"])
    if "validation" in expect:
        assert (parameter.validations[0].min, parameter.validations[0].max) == tuple(
            expect["validation"].values()
        )
    if expect.get("no_diagnostics"):
        assert parameter.diagnostics == ()
    errors = " | ".join(f"{note.summary} {note.detail}" for note in parameter.errors).lower()
    for part in expect.get("error_diagnostics", []):
        assert part.lower() in errors
    if "diagnostic_codes" in expect:
        assert [note.code for note in parameter.diagnostics] == expect["diagnostic_codes"]


@pytest.mark.parametrize(
    "row", [param for param in rows(CASES) if param.values[0] and not param.values[0]["dir"]]
)
def test_value_model(row: dict[str, Any]) -> None:
    value = row["input"]["value"]
    text = text_of(None if value is None else from_python(value))
    assert NullText.of(text).wire() == row["expect"]["json"]
