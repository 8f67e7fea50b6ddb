"""Whole blocks through the renderer: what the provider accepts of parameters and presets (reference 10)."""

from __future__ import annotations

from typing import Any

import pytest

from coder_admin.parameters.inspection import ImportRefusedError, inspect_template
from coder_admin.parameters.model import Output, Preset, PreviewParameter
from coder_admin.parameters.owner import DEFAULT_OWNER
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.parameters.resolver import changes_since
from coder_admin.terraform import MemoryFileSystem

from .shared_cases import rows, says

TABLE = "parameters/provider_table.json"
PARAMETERS = 'data "coder_parameter" "region" {\n  name = "region"\n  default = "eu"\n}\n'


def render(hcl: str, inputs: dict[str, str] | None = None) -> Output:
    return Renderer(compile_template(MemoryFileSystem({"main.tf": hcl}))).render(inputs=inputs)


def problems(output: Output) -> list[str]:
    notes = [*output.errors]
    found: list[PreviewParameter | Preset] = [*output.parameters, *output.presets]
    for item in found:
        notes += [note for note in item.errors if note.code != "required"]
    return [f"{note.summary} {note.detail}" for note in notes]


@pytest.mark.parametrize("row", rows(TABLE, "parameter_config"))
def test_parameter_block(row: dict[str, Any]) -> None:
    output = render(row["hcl"])
    if gist := row["expect"].get("error_gist"):
        assert any(says(problem, gist) for problem in problems(output)), problems(output)
        return
    assert problems(output) == []
    (parameter,) = output.parameters
    for name, wanted in row["expect"].get("attributes", {}).items():
        match name:
            case "option_count":
                assert len(parameter.options) == wanted
            case "optional":
                assert parameter.required is not wanted
            case "value" | "default":
                found = parameter.value if name == "value" else parameter.default_value
                assert found.value == wanted
            case "validation":
                rule = parameter.validations[0]
                assert rule.min == wanted.get("min")
                assert rule.max == wanted.get("max")
                assert (rule.max is None) == wanted["max_disabled"]
            case _:
                assert getattr(parameter, name) == wanted


@pytest.mark.parametrize("row", rows(TABLE, "parameter_table"))
def test_parameter_table_as_written(row: dict[str, Any]) -> None:
    output = render(row["hcl"], {} if row["input"] is None else {"parameter": row["input"]})
    if row["previous"] is not None:
        output = changes_since({"parameter": row["previous"]}, output)
    found = problems(output)
    gist = row["expect"].get("error_gist")
    assert any(says(problem, gist) for problem in found) if gist else found == [], found


@pytest.mark.parametrize("row", rows(TABLE, "preset_config"))
def test_preset_block(row: dict[str, Any]) -> None:
    if row.get("uncertain"):
        pytest.skip(row["uncertain"])
    output = render(PARAMETERS + row["hcl"])
    if gist := row["expect"].get("error_gist"):
        assert any(says(problem, gist) for problem in problems(output)), problems(output)
        with pytest.raises(ImportRefusedError) as refused:
            inspect_template({"main.tf": (PARAMETERS + row["hcl"]).encode()}, owner=DEFAULT_OWNER)
        assert "preset" in str(refused.value)
        assert "main.tf:" in str(refused.value)
        return
    assert problems(output) == []
    (preset,) = output.presets
    for name, wanted in row["expect"].get("attributes", {}).items():
        assert preset.prebuilds is not None or name != "instances"
        found = (
            preset.prebuilds.instances
            if name == "instances" and preset.prebuilds
            else getattr(preset, name, None)
        )
        assert found == wanted
