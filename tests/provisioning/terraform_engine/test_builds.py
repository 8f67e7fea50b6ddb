"""Builds through a real Terraform and a real provider process."""

from __future__ import annotations

import json
import os
import textwrap
from typing import Any

import pytest

from tests.provisioning.embedded.conftest import Space, actions, agents, resource

OWNER: dict[str, Any] = {
    "id": "u1",
    "name": "alice",
    "full_name": "Alice A.",
    "email": "alice@example.com",
    "groups": ["Everyone", "dev"],
    "rbac_roles": [{"name": "member", "org_id": ""}],
}
NEEDS_CODER = 'terraform {\n  required_providers {\n    coder = { source = "coder/coder" }\n  }\n}\n'


def template(text: str) -> str:
    return NEEDS_CODER + textwrap.dedent(text)


PREBUILT = template(
    """
    data "coder_workspace_owner" "me" {}
    resource "coder_agent" "main" {
      os   = "linux"
      arch = "amd64"
      env  = { OWNER = data.coder_workspace_owner.me.name }
    }
    resource "terraform_data" "machine" {
      triggers_replace = [coder_agent.main.token]
    }
    resource "terraform_data" "per_owner" {
      triggers_replace = { owner = data.coder_workspace_owner.me.name }
    }
    resource "terraform_data" "ignoring" {
      triggers_replace = { owner = data.coder_workspace_owner.me.name }
      lifecycle { ignore_changes = [triggers_replace] }
    }
    """
)


def test_a_workspace_is_made_changed_stopped_and_deleted(space: Space) -> None:
    source = template(
        """
        data "coder_workspace" "me" {}
        variable "size" { type = number }
        resource "coder_agent" "main" {
          os   = "linux"
          arch = "amd64"
        }
        resource "terraform_data" "home" { input = var.size }
        resource "terraform_data" "machine" {
          count            = data.coder_workspace.me.start_count
          triggers_replace = [coder_agent.main.id, terraform_data.home.id]
        }
        output "size" { value = var.size }
        """
    )
    made = space.ok(source, variables={"size": "1"})
    assert made.outputs["size"]["value"] == 1
    assert sorted(space.steps(made)) == [
        "create coder_agent.main",
        "create terraform_data.home",
        "create terraform_data.machine[0]",
    ]
    assert [a.name for a in resource(made, "terraform_data.machine[0]").agents] == ["main"]
    assert all(step.started_at <= step.ended_at for step in made.steps)
    assert "Plan: 3 to add, 0 to change, 0 to destroy." in space.text()
    assert "terraform_data.home: Creating..." in space.text()

    stopped = space.ok(source, variables={"size": "2"}, transition="stop")
    assert space.steps(stopped) == ["delete terraform_data.machine[0]", "update terraform_data.home"]
    assert agents(stopped)[0].token == agents(made)[0].token
    gone = space.ok(source, variables={"size": "2"}, transition="delete")
    assert sorted(space.steps(gone)) == ["delete coder_agent.main", "delete terraform_data.home"]
    assert gone.resources == ()
    assert not (space.workdir / ".coder-admin" / "terraform").exists()


def test_a_template_sees_the_build(space: Space) -> None:
    names = ["id", "name", "transition", "access_url", "template_name", "template_version"]
    names += ["start_count", "prebuild_count", "is_prebuild", "is_prebuild_claim"]
    source = template(
        """
        data "coder_workspace" "me" {}
        data "coder_workspace_owner" "me" {}
        data "coder_parameter" "size" {
          name    = "Größe"
          default = "1"
        }
        data "coder_parameter" "other" {
          name    = "other"
          default = "given"
        }
        output "owner" { value = data.coder_workspace_owner.me }
        output "parameters" {
          value = "${data.coder_parameter.size.value}/${data.coder_parameter.other.value}"
        }
        """
    ) + "".join(f'output "{n}" {{\n  value = data.coder_workspace.me.{n}\n}}\n' for n in names)
    result = space.ok(
        source,
        stage="create",
        workspace_id="w1",
        workspace_name="dev",
        access_url="https://coder.example.com",
        template_name="go",
        template_version="v2",
        owner=OWNER,
        parameters={"Größe": "mit 'Zeichen'\n\"und\" $HOME"},
    )
    values = {name: o["value"] for name, o in result.outputs.items()}
    owner, parameters = values.pop("owner"), values.pop("parameters")
    assert values == {
        "id": "w1",
        "name": "dev",
        "transition": "start",
        "access_url": "https://coder.example.com",
        "template_name": "go",
        "template_version": "v2",
        "start_count": 1,
        "prebuild_count": 1,
        "is_prebuild": True,
        "is_prebuild_claim": False,
    }
    assert owner == {name: OWNER[name] for name in ("id", "name", "full_name", "email", "groups")}
    assert parameters == "mit 'Zeichen'\n\"und\" $HOME/given"


def test_a_claim_keeps_the_token_and_says_what_it_replaces(space: Space) -> None:
    made = space.ok(PREBUILT, stage="create", owner={"name": "prebuilds"})
    token = agents(made)[0].token
    facts: dict[str, Any] = {"stage": "claim", "owner": OWNER, "running_agent_tokens": {"main": token}}
    plan = space.plan(PREBUILT, **facts)
    found = actions(plan)
    assert found.pop("coder_agent.main") == ["delete", "create"]
    # The planned token has no mark of its schema; that alone changes, in place.
    assert found.pop("terraform_data.machine") in (["no-op"], ["update"])
    assert found == {
        "terraform_data.ignoring": ["no-op"],
        "terraform_data.per_owner": ["delete", "create"],
    }
    assert plan.replacements == {"terraform_data.per_owner": ["triggers_replace"]}
    claimed = space.ok(PREBUILT, **facts)
    steps = space.steps(claimed)
    assert "delete terraform_data.per_owner" in steps
    assert "create terraform_data.per_owner" in steps
    assert not {"delete terraform_data.machine", "delete terraform_data.ignoring"}.intersection(steps)
    (after,) = agents(claimed)
    assert (after.token, after.env) == (token, {"OWNER": "alice"})
    warned = [text for _, text, level in space.logs if level == "warn"]
    assert any("# forces replacement" in text for text in warned)
    assert "  # terraform_data.per_owner must be replaced" in [text for _, text, _ in space.logs]
    assert token not in space.text()
    # Outside a claim a changed agent is a new one with a token of its own.
    renamed = space.ok(PREBUILT, owner={**OWNER, "name": "bob"}, running_agent_tokens={"main": token})
    assert agents(renamed)[0].token != token


def test_an_agent_has_its_scripts_apps_variables_and_metadata(space: Space) -> None:
    source = template(
        """
        resource "coder_agent" "main" {
          os             = "linux"
          arch           = "amd64"
          dir            = "/home/coder"
          startup_script = "echo up"
          env            = { A = "1" }
        }
        resource "coder_env" "b" {
          agent_id = coder_agent.main.id
          name     = "B"
          value    = "2"
        }
        resource "coder_script" "s" {
          agent_id     = coder_agent.main.id
          display_name = "Clone"
          script       = "git clone"
          run_on_start = true
          timeout      = 30
        }
        resource "coder_app" "ide" {
          agent_id     = coder_agent.main.id
          slug         = "ide"
          display_name = "IDE"
          url          = "http://localhost:1"
        }
        resource "terraform_data" "machine" { input = coder_agent.main.init_script }
        resource "coder_metadata" "m" {
          resource_id = terraform_data.machine.id
          icon        = "/icon/vm.svg"
          daily_cost  = 7
          item {
            key   = "region"
            value = "eu"
          }
        }
        """
    )
    machine = resource(space.ok(source), "terraform_data.machine")
    (main,) = machine.agents
    assert (main.os, main.arch, main.dir, main.env) == ("linux", "amd64", "/home/coder", {"A": "1", "B": "2"})
    assert [(s.display_name, s.run_on_start, s.timeout) for s in main.scripts] == [
        ("Startup Script", True, 0),
        ("Clone", True, 30),
    ]
    assert [(a.slug, a.display_name, a.url, a.share) for a in main.apps] == [
        ("ide", "IDE", "http://localhost:1", "owner")
    ]
    assert (machine.icon, machine.daily_cost) == ("/icon/vm.svg", 7)
    assert [(i.key, i.value) for i in machine.metadata] == [("region", "eu")]


def test_agents_of_counted_machines_and_of_modules_find_their_own(space: Space) -> None:
    module = template(
        """
        resource "coder_agent" "a" {
          count = 2
          os    = "linux"
          arch  = "amd64"
        }
        resource "terraform_data" "m" {
          count = 2
          input = coder_agent.a[count.index].id
        }
        """
    )
    files = {"main.tf": 'module "x" {\n  source = "./m"\n  count  = 2\n}\n', "m/main.tf": module}
    result = space.ok(files)
    assert len({a.token for a in agents(result)}) == 4
    state = json.loads(result.state)
    ids = {
        f"{r['module']}.{r['type']}.{r['name']}[{i['index_key']}]": i["attributes"]
        for r in state["resources"]
        for i in r["instances"]
    }
    for home in result.resources:
        (agent,) = home.agents
        assert ids[home.address]["input"]["value"] == agent.id


def test_variables_of_any_content_and_type_arrive_and_win_over_files(space: Space) -> None:
    odd = 'a\'b "c" $HOME `id` \\ ${x} ; | & > \n zeile\t-var=y=1 #'
    files = {
        "main.tf": """
            variable "odd" {}
            variable "list" { type = list(number) }
            variable "empty" { default = "full" }
            output "all" { value = [var.odd, var.list, var.empty] }
        """,
        "more.auto.tfvars": 'odd = "from the file"\n',
    }
    result = space.ok(files, variables={"odd": odd, "list": "[1, 2]", "empty": ""})
    assert result.outputs["all"]["value"] == [odd, [1, 2], ""]


def test_the_server_s_environment_is_not_the_template_s(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CODER_ADMIN_SECRET_KEY", "DATABASE_URL", "AWS_SECRET", "TF_VAR_x", "TF_CLI_ARGS"):
        monkeypatch.setenv(name, "-leak")
    source = """
        resource "terraform_data" "a" {
          provisioner "local-exec" { command = "env | cut -d= -f1 | sed s/^/has-/; pwd; echo $HOME" }
        }
    """
    space.ok(source)
    seen = space.text()
    assert "has-PATH" in seen
    for name in ("CODER_ADMIN", "DATABASE_URL", "AWS_SECRET", "has-TF_VAR_x", "CODER_RUNNING"):
        assert name not in seen
    assert str(space.workdir) in seen
    assert os.environ["HOME"] + "\n" not in seen


def test_a_backend_of_the_template_does_not_take_the_state_away(space: Space) -> None:
    source = """
        terraform {
          backend "s3" {
            bucket = "somewhere"
            key    = "else"
            region = "eu"
          }
        }
        resource "terraform_data" "a" {}
    """
    result = space.ok(source)
    assert [r.address for r in result.resources] == ["terraform_data.a"]
    assert b"terraform_data" in result.state
