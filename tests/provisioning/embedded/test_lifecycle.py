"""Create, update, replace, delete, and what lifecycle blocks change about it."""

from __future__ import annotations

import pytest

from coder_admin.provisioning.engines import EngineError
from coder_admin.provisioning.plans import read_plan, replacement_lines
from tests.provisioning.embedded.conftest import Space, actions, change


def data(name: str, body: str) -> str:
    return f'resource "terraform_data" "{name}" {{\n{body}\n}}\n'


def test_a_second_build_of_the_same_template_changes_nothing(space: Space) -> None:
    template = data("a", 'input = { x = [1, 2.5, "z"], y = null }') + data("b", "input = terraform_data.a.id")
    space.ok(template)
    before = space.now.resources
    plan = space.plan(template)
    assert actions(plan) == {"terraform_data.a": ["no-op"], "terraform_data.b": ["no-op"]}
    assert not plan.to_json()["applyable"]
    space.ok(template)
    assert space.now.resources == before
    assert "No changes." in space.text()


def test_an_update_keeps_the_id_and_what_depends_on_it_sees_the_new_value(space: Space) -> None:
    space.ok(data("a", "input = 1") + data("b", "input = terraform_data.a.output + 1"))
    made = space.attributes("terraform_data.a")["id"]
    changed = data("a", "input = 5") + data("b", "input = terraform_data.a.output + 1")
    plan = space.plan(changed)
    assert actions(plan) == {"terraform_data.a": ["update"], "terraform_data.b": ["update"]}
    assert change(plan, "terraform_data.b")["change"]["after_unknown"] == {"input": True, "output": True}
    space.ok(changed)
    assert space.attributes("terraform_data.a")["id"] == made
    assert space.attributes("terraform_data.b")["output"] == {"type": "number", "value": 6}


def test_a_forcing_change_replaces_and_names_its_path(space: Space) -> None:
    template = 'resource "null_resource" "a" {\n triggers = { image = "%s" }\n}\n'
    space.ok(template % "old")
    old = space.attributes("null_resource.a")["id"]
    plan = space.plan(template % "new")
    entry = change(plan, "null_resource.a")
    assert entry["change"]["actions"] == ["delete", "create"]
    assert entry["change"]["replace_paths"] == [["triggers"]]
    assert entry["action_reason"] == "replace_because_cannot_update"
    assert entry["change"]["before"]["id"] == old
    assert entry["change"]["after_unknown"]["id"] is True
    assert plan.replacements == {"null_resource.a": ["triggers"]}
    assert replacement_lines(read_plan(plan.to_json()).changes)[1] == "  -/+ null_resource.a (replace)"
    result = space.ok(template % "new")
    assert space.steps(result) == ["delete null_resource.a", "create null_resource.a"]
    assert space.attributes("null_resource.a")["id"] != old


def test_an_unknown_value_in_a_forcing_argument_replaces(space: Space) -> None:
    template = (
        data("a", "input = %d")
        + 'resource "null_resource" "b" {\n triggers = { a = terraform_data.a.output }\n}'
    )
    space.ok(template % 1)
    assert actions(space.plan(template % 2))["null_resource.b"] == ["delete", "create"]


def test_destruction_goes_from_dependants_to_dependencies_and_creation_back(space: Space) -> None:
    template = (
        'resource "null_resource" "base" {\n triggers = { v = "%d" }\n}\n'
        'resource "null_resource" "middle" {\n triggers = { v = null_resource.base.id }\n}\n'
        'resource "null_resource" "top" {\n triggers = { v = null_resource.middle.id }\n}\n'
    )
    space.ok(template % 1)
    result = space.ok(template % 2)
    order = ["null_resource.top", "null_resource.middle", "null_resource.base"]
    assert space.steps(result) == [f"delete {a}" for a in order] + [f"create {a}" for a in reversed(order)]
    result = space.ok("")
    assert space.steps(result) == [f"delete {a}" for a in order]
    assert space.now.resources == {}


def test_depends_on_orders_what_has_no_reference(space: Space) -> None:
    template = (
        data("z", "depends_on = [terraform_data.a, terraform_data.m]")
        + data("a", "")
        + data("m", "depends_on = [terraform_data.a]")
    )
    assert space.steps(space.ok(template)) == [f"create terraform_data.{n}" for n in "amz"]
    assert space.now.resources["terraform_data.z"].dependencies == ("terraform_data.a", "terraform_data.m")
    assert space.steps(space.ok(template, transition="delete")) == [
        f"delete terraform_data.{n}" for n in "zma"
    ]


def test_create_before_destroy_makes_the_new_one_first_and_binds_its_dependencies(space: Space) -> None:
    template = """
        resource "null_resource" "base" {
          triggers = { v = "%d" }
        }
        resource "null_resource" "top" {
          triggers = { v = null_resource.base.id }
          lifecycle {
            create_before_destroy = true
          }
        }
    """
    space.ok(template % 1)
    plan = space.plan(template % 2)
    assert actions(plan) == {
        "null_resource.base": ["create", "delete"],
        "null_resource.top": ["create", "delete"],
    }
    result = space.ok(template % 2)
    assert space.steps(result) == [
        "create null_resource.base",
        "create null_resource.top",
        "delete null_resource.top",
        "delete null_resource.base",
    ]
    assert not any(r.deposed for r in space.now.resources.values())


def test_prevent_destroy_refuses_replacement_and_deletion(space: Space) -> None:
    template = (
        'resource "null_resource" "a" {\n count = %s\n triggers = { v = "%d" }\n'
        " lifecycle {\n prevent_destroy = true\n }\n}"
    )
    space.ok(template % ("data.coder_workspace.me.start_count", 1) + '\ndata "coder_workspace" "me" {}')
    with pytest.raises(EngineError, match=r"main\.tf:1.*Instance cannot be destroyed"):
        space.plan(template % (1, 2))
    for files, facts in ((template % (0, 1), {}), (template % (1, 1), {"transition": "delete"})):
        with pytest.raises(EngineError, match=r"null_resource\.a\[0\] has lifecycle\.prevent_destroy"):
            space.plan(files, **facts)
    # What the template no longer has is no longer protected by it.
    assert actions(space.plan("")) == {"null_resource.a[0]": ["delete"]}


@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        ("[triggers]", "no-op"),
        ("all", "no-op"),
        ('[triggers["image"]]', "no-op"),
        ("[triggers.image]", "no-op"),
        ('[triggers["other"]]', "replace"),
        ("[id]", "replace"),
    ],
)
def test_ignored_changes_are_not_changes(space: Space, ignored: str, expected: str) -> None:
    template = """
        resource "null_resource" "a" {
          triggers = { image = "%s", other = "same" }
          lifecycle {
            ignore_changes = %s
          }
        }
    """
    space.ok(template % ("old", ignored))
    found = actions(space.plan(template % ("new", ignored)))["null_resource.a"]
    assert found == {"no-op": ["no-op"], "replace": ["delete", "create"]}[expected]


def test_what_is_ignored_keeps_its_value_in_a_replacement(space: Space) -> None:
    template = """
        resource "terraform_data" "a" {
          input            = "%s"
          triggers_replace = %d
          lifecycle {
            ignore_changes = [input]
          }
        }
    """
    space.ok(template % ("old", 1))
    space.ok(template % ("new", 2))
    assert space.attributes("terraform_data.a")["output"] == {"type": "string", "value": "old"}


def test_replace_triggered_by_replaces_when_the_other_changes(space: Space) -> None:
    template = """
        resource "terraform_data" "a" {
          input = %d
        }
        resource "null_resource" "b" {
          lifecycle {
            replace_triggered_by = [terraform_data.a.output]
          }
        }
    """
    space.ok(template % 1)
    assert actions(space.plan(template % 1))["null_resource.b"] == ["no-op"]
    plan = space.plan(template % 2)
    entry = change(plan, "null_resource.b")
    assert entry["change"]["actions"] == ["delete", "create"]
    assert entry["action_reason"] == "replace_by_triggers"
    assert plan.replacements == {}
    assert "reason unavailable" in "\n".join(replacement_lines(read_plan(plan.to_json()).changes))
    space.ok(template % 2)
    assert actions(space.plan(template % 2))["null_resource.b"] == ["no-op"]


def test_count_and_for_each_come_and_go(space: Space) -> None:
    template = (
        'resource "terraform_data" "n" {\n count = %d\n input = count.index\n}\n'
        'resource "terraform_data" "k" {\n for_each = toset(%s)\n input = each.key\n}\n'
    )
    space.ok(template % (3, '["a", "b"]'))
    assert set(space.now.resources) == {
        *(f"terraform_data.n[{n}]" for n in range(3)),
        'terraform_data.k["a"]',
        'terraform_data.k["b"]',
    }
    plan = space.plan(template % (1, '["b", "c"]'))
    assert {a: c for a, c in actions(plan).items() if c != ["no-op"]} == {
        "terraform_data.n[1]": ["delete"],
        "terraform_data.n[2]": ["delete"],
        'terraform_data.k["a"]': ["delete"],
        'terraform_data.k["c"]': ["create"],
    }
    assert change(plan, "terraform_data.n[1]")["action_reason"] == "delete_because_count_index"
    assert change(plan, 'terraform_data.k["a"]')["action_reason"] == "delete_because_each_key"


def test_modules_have_their_own_resources_and_leave_with_their_call(space: Space) -> None:
    files = {
        "main.tf": """
            module "m" {
              source   = "./m"
              for_each = toset(["x", "y"])
              name     = each.key
            }
            output "names" {
              value = [for m in module.m : m.out]
            }
        """,
        "m/main.tf": """
            variable "name" {}
            resource "terraform_data" "d" {
              input = upper(var.name)
            }
            output "out" {
              value = terraform_data.d.output
            }
        """,
    }
    result = space.ok(files)
    assert result.outputs["names"] == {"sensitive": False, "value": ["X", "Y"]}
    plan = space.plan(files)
    planned = plan.to_json()["planned_values"]["root_module"]
    assert [m["address"] for m in planned["child_modules"]] == ['module.m["x"]', 'module.m["y"]']
    assert {r.address for r in read_plan(plan.to_json()).planned} == set(space.now.resources)
    assert change(plan, 'module.m["x"].terraform_data.d')["module_address"] == 'module.m["x"]'
    assert actions(space.plan("")) == {address: ["delete"] for address in space.now.resources}
