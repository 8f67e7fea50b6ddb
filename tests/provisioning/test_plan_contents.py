"""Parameters, presets, tags and references in plans: real documents, and the ways references go."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.engines.terraform.results import planned_resources
from coder_admin.provisioning.plan_contents import contents_of
from coder_admin.provisioning.plan_references import read_references, without_keys
from coder_admin.provisioning.plans import read_plan
from tests.provisioning.cases import needs_cases, plan_folders
from tests.provisioning.test_plans import document

FOLDERS = plan_folders()


def configured(module: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """The constant arguments of each parameter, as the plan repeats its template."""
    found = {}
    for row in module.get("resources", []):
        if row["type"] == "coder_parameter":
            constants = {
                name: e["constant_value"]
                for name, e in row.get("expressions", {}).items()
                if isinstance(e, dict) and "constant_value" in e
            }
            if isinstance(options := row["expressions"].get("option"), list):
                constants["option"] = len(options)
            found[prefix + row["address"]] = constants
    for name, call in module.get("module_calls", {}).items():
        found |= configured(call["module"], f"{prefix}module.{name}.")
    return found


@needs_cases
@pytest.mark.parametrize("folder", FOLDERS, ids=[f.name for f in FOLDERS])
def test_parameters_of_real_plans_are_as_the_template_writes_them(folder: Path) -> None:
    path = document(folder, "plan.json")
    assert path is not None
    raw = json.loads(path.read_text())
    parameters = contents_of(read_plan(raw)).parameters
    written = configured(raw.get("configuration", {}).get("root_module", {}))
    assert {without_keys(p.address) for p in parameters} <= set(written)
    assert [p.order for p in parameters] == sorted(p.order for p in parameters)
    for parameter in parameters:
        for name, constant in written[without_keys(parameter.address)].items():
            if name in {"name", "type", "default", "description", "display_name", "icon", "mutable", "order"}:
                assert getattr(parameter, name) == constant, (parameter.address, name)
            elif name == "option":
                assert len(parameter.options) == constant, parameter.address


@needs_cases
@pytest.mark.parametrize("folder", FOLDERS, ids=[f.name for f in FOLDERS])
def test_agents_and_apps_of_real_plans_find_each_other(folder: Path) -> None:
    path = document(folder, "plan.json")
    assert path is not None
    plan = read_plan(path.read_bytes())
    shown = planned_resources(plan)
    agents = [agent for resource in shown for agent in resource.agents]
    planned = [r for r in plan.planned if r.mode == "managed"]
    assert len(agents) == sum(r.type == "coder_agent" for r in planned)
    if agents:
        assert sum(len(a.apps) for a in agents) == sum(r.type == "coder_app" for r in planned)
    assert {r.address for r in shown} >= {r.address for r in planned if not r.type.startswith("coder_")}


def test_a_preset_with_its_pool() -> None:
    values = {
        "name": "Large",
        "default": True,
        "parameters": {"cpu": "8"},
        "description": "many cores",
        "icon": None,
        "prebuilds": [
            {
                "instances": 2,
                "expiration_policy": [{"ttl": 3600}],
                "scheduling": [
                    {"timezone": "Europe/Berlin", "schedule": [{"cron": "* 8-18 * * 1-5", "instances": 5}]}
                ],
            }
        ],
    }
    row = {"address": "data.coder_workspace_preset.l", "mode": "data", "type": "coder_workspace_preset"}
    tags = {"address": "data.coder_workspace_tags.t", "mode": "data", "type": "coder_workspace_tags"}
    plan = read_plan(
        {
            "format_version": "1.2",
            "prior_state": {
                "values": {
                    "root_module": {
                        "resources": [{**row, "values": values}, {**tags, "values": {"tags": {"zone": "a"}}}]
                    }
                }
            },
        }
    )
    contents = contents_of(plan)
    (preset,) = contents.presets
    assert (preset.instances, preset.ttl, preset.timezone) == (2, 3600, "Europe/Berlin")
    assert [(s.cron, s.instances) for s in preset.schedules] == [("* 8-18 * * 1-5", 5)]
    assert contents.tags == {"zone": "a"}


def refers(*names: str) -> dict[str, Any]:
    return {"references": list(names)}


def block(address: str, **expressions: Any) -> dict[str, Any]:
    return {"address": address, "expressions": expressions}


def test_references_lead_through_variables_and_outputs_to_blocks() -> None:
    inner = {
        "resources": [block("coder_app.a", agent_id=refers("var.agent"), nested=[{"x": refers("each.key")}])],
        "outputs": {"token": {"expression": refers("coder_app.a.id", "coder_app.a")}},
    }
    configuration = {
        "root_module": {
            "resources": [
                block("coder_agent.main"),
                block("data.cloudinit_config.c", content=refers("coder_agent.main[0].token")),
                block(
                    "aws_instance.vm", user=refers("data.cloudinit_config.c.rendered"), tags=refers("local.x")
                ),
                block("aws_eip.ip", of=refers("module.m[0].token", "module.m[0]", "module.m")),
            ],
            "module_calls": {"m": {"module": inner, "expressions": {"agent": refers("coder_agent.main.id")}}},
        }
    }
    found = read_references(configuration)
    assert found.of("module.m.coder_app.a", "agent_id") == ("coder_agent.main",)
    assert found.reachable("aws_instance.vm") == {"data.cloudinit_config.c", "coder_agent.main"}
    assert found.reachable("aws_eip.ip") == {"module.m.coder_app.a", "coder_agent.main"}


def test_blocks_that_refer_to_each_other_end() -> None:
    configuration = {
        "root_module": {
            "resources": [block("a.x", v=refers("a.y.id")), block("a.y", v=refers("a.x.id"))],
            "module_calls": {
                "m": {
                    "expressions": {"v": refers("module.m.out")},
                    "module": {"outputs": {"out": {"expression": refers("var.v")}}},
                }
            },
        }
    }
    found = read_references(configuration)
    assert found.reachable("a.x") == {"a.y"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda c: (
        st.lists(c, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["root_module", "resources", "expressions", "references", "module_calls", "module", "outputs"]
            ),
            c,
            max_size=3,
        )
    ),
    max_leaves=15,
)


@given(JUNK, JUNK)
def test_any_shape_is_read_without_a_crash(configuration: Any, values: Any) -> None:
    row = {"address": "data.coder_workspace_preset.x", "mode": "data", "type": "coder_workspace_preset"}
    parameter = {"address": "data.coder_parameter.x", "mode": "data", "type": "coder_parameter"}
    odd = {"name": values, "prebuilds": values, "parameters": values, "option": values, "order": values}
    plan = read_plan(
        {
            "format_version": "1.2",
            "configuration": configuration,
            "planned_values": {
                "root_module": {"resources": [{**row, "values": odd}, {**parameter, "values": odd}]}
            },
        }
    )
    contents_of(plan)
    planned_resources(plan)


@needs_cases
def test_the_command_shows_what_is_read() -> None:
    folder = next(f for f in FOLDERS if f.name == "preview--module")
    out = StringIO()
    call_command("read_plan", str(folder / "plan.json"), stdout=out)
    found = json.loads(out.getvalue())
    assert [p["name"] for p in found["parameters"]] == ["extra", "jetbrains_ide"]
    assert [(r["address"], [a["slug"] for a in r["agents"][0]["apps"]]) for r in found["resources"]] == [
        ("coder_agent.main", ["gateway"])
    ]
    assert found["replacements"] is None


def test_the_command_refuses_what_is_no_plan_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{}")
    with pytest.raises(CommandError, match="format version"):
        call_command("read_plan", str(tmp_path / "x"), stdout=StringIO())
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("read_plan", str(tmp_path / "none"), stdout=StringIO())
