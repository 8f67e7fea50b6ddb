"""The embedded engine beside what real Terraform planned and made for the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coder_admin.provisioning.engines import EngineRequest, engine_named
from coder_admin.provisioning.engines.embedded.codec import plan_value
from coder_admin.provisioning.engines.embedded.state import load
from coder_admin.provisioning.engines.embedded.types import RESOURCE_TYPES
from coder_admin.provisioning.plans import read_plan, read_state
from coder_admin.terraform import DirectoryFileSystem
from tests.provisioning.cases import needs_cases, plan_folders

# Plans of Coder's preview need modules from a registry.
FOLDERS = [f for f in plan_folders() if not f.name.startswith("preview--")]
COMPARED = ("actions", "before", "after", "after_unknown", "before_sensitive", "after_sensitive")


def quiet(*args: Any, **more: Any) -> None:
    pass


def known_parts(made: Any, real: Any) -> Any:
    """``made`` without the ids that are drawn at random, which real Terraform drew differently."""
    return {**made, "id": real["id"]} if isinstance(made, dict) and "id" in made else made


@needs_cases
@pytest.mark.parametrize("folder", FOLDERS, ids=[f.name for f in FOLDERS])
def test_plan_and_state_are_those_of_terraform(folder: Path, tmp_path: Path) -> None:
    real_plan = json.loads(next(folder.glob("*.tfplan.json")).read_text())
    real_state = read_state(next(folder.glob("*.tfstate.json")).read_bytes())
    engine = engine_named("embedded")
    request = EngineRequest(DirectoryFileSystem(folder), tmp_path)
    plan = engine.plan(request, quiet)
    ours = {c["address"]: c["change"] for c in plan.to_json()["resource_changes"] if c["mode"] == "managed"}
    theirs = {c["address"]: c["change"] for c in real_plan.get("resource_changes", [])}
    assert {a: {n: c[n] for n in COMPARED} for a, c in ours.items()} == {
        a: {n: c[n] for n in COMPARED} for a, c in theirs.items()
    }
    planned = {r.address: dict(r.values) for r in read_plan(plan.to_json()).planned}
    assert planned == {r.address: dict(r.values) for r in read_plan(real_plan).planned if r.mode == "managed"}

    result = engine.apply(request, plan, quiet, lambda: None)
    assert result.error is None
    state = load(result.state)
    real = {r.address: dict(r.values) for r in real_state.resources if r.mode == "managed"}
    assert set(state.resources) == set(real)
    for address, resource in state.resources.items():
        value = resource.value(RESOURCE_TYPES[resource.type].schema.type)
        assert value is not None
        made = plan_value(value)
        assert known_parts(made, real[address]).keys() == real[address].keys()
    outputs = {name: o["value"] for name, o in result.outputs.items() if not o["sensitive"]}
    assert outputs == {name: v for name, v in real_state.outputs.items() if name in outputs}
    assert set(result.outputs) == set(real_state.outputs)
