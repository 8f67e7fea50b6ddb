"""Both engines' plans are read by one reader, and say the same of the same template."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from coder_admin.provisioning.engines import Plan, ResourceResult
from coder_admin.provisioning.engines.terraform.results import planned_resources
from coder_admin.provisioning.plan_contents import contents_of
from coder_admin.provisioning.plans import read_plan
from tests.provisioning.embedded.conftest import Space

from .test_builds import template

MODULE = template(
    """
    variable "agent" {}
    resource "coder_app" "in_module" {
      agent_id = var.agent
      slug     = "inner"
    }
    output "agent" { value = var.agent }
    """
)
MAIN = template(
    """
    data "coder_parameter" "size" {
      name    = "size"
      default = "2"
      mutable = true
    }
    data "coder_workspace_preset" "big" {
      name       = "Big"
      default    = true
      parameters = { size = "8" }
      prebuilds { instances = 3 }
    }
    resource "coder_agent" "main" {
      count = 2
      os    = "linux"
      arch  = "amd64"
      env   = { SIZE = data.coder_parameter.size.value }
    }
    module "apps" {
      source = "./apps"
      count  = 2
      agent  = coder_agent.main[count.index].id
    }
    resource "coder_script" "hello" {
      count        = 2
      agent_id     = coder_agent.main[count.index].id
      display_name = "Hello"
      script       = "echo hello"
      run_on_start = true
    }
    resource "terraform_data" "machine" {
      count = 2
      input = module.apps[count.index].agent
    }
    resource "coder_metadata" "m" {
      count       = 2
      resource_id = terraform_data.machine[count.index].id
      daily_cost  = 7
      item {
        key   = "size"
        value = data.coder_parameter.size.value
      }
    }
    """
)


def shown(plan: Plan) -> dict[str, Any]:
    read = read_plan(plan.document)
    return {r.address: facts(r) for r in planned_resources(read)}


def facts(r: ResourceResult) -> Any:
    agents = [
        (a.name, dict(a.env), [x.slug for x in a.apps], [(s.display_name, s.script) for s in a.scripts])
        for a in r.agents
    ]
    return agents, r.daily_cost, [(i.key, i.value) for i in r.metadata]


def test_a_plan_of_either_engine_says_the_same(space: Space, tmp_path: Path) -> None:
    files = {"main.tf": MAIN, "apps/main.tf": MODULE}
    given = {"size": "4"}
    terraform = space.plan(files, parameters=given)
    embedded = Space(tmp_path / "other").plan(files, parameters=given)
    assert shown(terraform) == shown(embedded)
    agent = ("main", {"SIZE": "4"}, ["inner"], [("Hello", "echo hello")])
    expected = ([agent], 7, [("size", "4")])
    assert shown(terraform) == {f"terraform_data.machine[{n}]": expected for n in (0, 1)}

    for plan in (terraform, embedded):
        contents = contents_of(read_plan(plan.document))
        (size,) = contents.parameters
        assert (size.name, size.value, size.default, size.mutable) == ("size", "4", "2", True)
        (preset,) = contents.presets
        assert (preset.name, preset.default, dict(preset.parameters)) == ("Big", True, {"size": "8"})
        assert preset.instances == 3

    # After the apply the state says the same, with ids and tokens.
    made = {r.address: facts(replace(r)) for r in space.ok(files, parameters=given).resources}
    assert made == shown(terraform)
