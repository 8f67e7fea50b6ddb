"""Coder's own blocks: facts of the build, agents and what belongs to them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.provisioning.embedded.conftest import Space, actions, agents, change, resource

OWNER: dict[str, Any] = {
    "id": "u1",
    "name": "alice",
    "full_name": "Alice A.",
    "email": "alice@example.com",
    "groups": ["Everyone", "dev"],
    "rbac_roles": [{"name": "member", "org_id": ""}],
    "session_token": "session-secret",
}


def agent(name: str = "main", more: str = "") -> str:
    return f'resource "coder_agent" "{name}" {{\n os = "linux"\n arch = "amd64"\n {more}\n}}\n'


@pytest.mark.parametrize(
    ("stage", "count", "is_prebuild", "is_claim"),
    [("none", 0, False, False), ("create", 1, True, False), ("claim", 0, False, True)],
)
def test_the_workspace_shows_the_stage(
    space: Space, stage: str, count: int, is_prebuild: bool, is_claim: bool
) -> None:
    names = ["prebuild_count", "is_prebuild", "is_prebuild_claim", "start_count", "transition", "name", "id"]
    names += ["access_url", "access_port", "template_id", "template_name", "template_version"]
    template = 'data "coder_workspace" "me" {}\n' + "".join(
        f'output "{n}" {{\n value = data.coder_workspace.me.{n}\n}}\n' for n in names
    )
    result = space.ok(
        template,
        stage=stage,
        workspace_id="w1",
        workspace_name="dev",
        access_url="https://coder.example.com",
        template_id="t1",
        template_name="go",
        template_version="v2",
    )
    assert {n: o["value"] for n, o in result.outputs.items()} == {
        "prebuild_count": count,
        "is_prebuild": is_prebuild,
        "is_prebuild_claim": is_claim,
        "start_count": 1,
        "transition": "start",
        "name": "dev",
        "id": "w1",
        "access_url": "https://coder.example.com",
        "access_port": 443,
        "template_id": "t1",
        "template_name": "go",
        "template_version": "v2",
    }


def test_the_owner_is_shown_and_their_secrets_are_not(space: Space) -> None:
    template = """
        data "coder_workspace_owner" "me" {}
        resource "terraform_data" "a" {
          input = [data.coder_workspace_owner.me.name, data.coder_workspace_owner.me.groups[1],
                   data.coder_workspace_owner.me.session_token]
        }
        resource "local_file" "f" {
          content  = "x"
          filename = "x-${data.coder_workspace_owner.me.session_token}"
        }
    """
    result = space.build(template, owner=OWNER)
    assert result.error is None
    entry = change(space.plan(template, owner=OWNER), "terraform_data.a")
    assert entry["change"]["after_sensitive"]["input"] == [False, False, True]
    assert "session-secret" not in space.text()
    (space.workdir / "x-session-secret").unlink()
    (space.workdir / "x-session-secret").mkdir()
    result = space.build(template, owner=OWNER)
    assert result.error is not None
    assert "session-secret" not in result.error
    assert "(sensitive value)" in result.error


def test_parameters_have_the_request_or_the_default(space: Space) -> None:
    template = """
        data "coder_parameter" "size" {
          name    = "size"
          type    = "number"
          default = 2
          mutable = true
          option {
            name  = "two"
            value = 2
          }
        }
        output "v" {
          value = "${data.coder_parameter.size.value}/${data.coder_parameter.size.optional}"
        }
    """
    assert space.ok(template).outputs["v"]["value"] == "2/true"
    assert space.ok(template, parameters={"size": "8"}).outputs["v"]["value"] == "8/true"


def test_stop_removes_what_start_count_made_and_keeps_the_rest(space: Space) -> None:
    template = (
        agent()
        + """
        data "coder_workspace" "me" {}
        resource "null_resource" "container" {
          count    = data.coder_workspace.me.start_count
          triggers = { token = coder_agent.main.token }
        }
        resource "terraform_data" "home" {}
    """
    )
    started = space.ok(template)
    assert [a.name for a in resource(started, "null_resource.container[0]").agents] == ["main"]
    stopped = space.ok(template, transition="stop")
    assert space.steps(stopped) == ["delete null_resource.container[0]"]
    again = space.ok(template)
    assert agents(again)[0].token == agents(started)[0].token


def test_a_claim_keeps_the_token_and_what_holds_it(space: Space) -> None:
    template = """
        data "coder_workspace_owner" "me" {}
        resource "coder_agent" "main" {
          os   = "linux"
          arch = "amd64"
          env  = { OWNER = data.coder_workspace_owner.me.name }
        }
        resource "null_resource" "machine" {
          triggers = { token = coder_agent.main.token }
        }
        resource "null_resource" "per_owner" {
          triggers = { owner = data.coder_workspace_owner.me.name }
        }
    """
    made = space.ok(template, stage="create", owner={"name": "prebuilds"})
    token = agents(made)[0].token
    facts = {"stage": "claim", "owner": OWNER, "running_agent_tokens": {"main": token}}
    plan = space.plan(template, **facts)
    assert actions(plan) == {
        "coder_agent.main": ["delete", "create"],
        "null_resource.machine": ["no-op"],
        "null_resource.per_owner": ["delete", "create"],
    }
    assert plan.replacements == {"null_resource.per_owner": ["triggers"]}
    claimed = space.ok(template, **facts)
    (after,) = agents(claimed)
    assert after.token == token
    assert after.env == {"OWNER": "alice"}
    assert after.id != agents(made)[0].id
    # Without the claim a changed agent is a new one with a token of its own.
    renamed = space.ok(template, owner={"name": "bob"})
    assert agents(renamed)[0].token != token


def test_an_agent_has_its_scripts_apps_variables_and_metadata(space: Space) -> None:
    template = (
        agent(
            more="""
          dir                     = "/home/coder"
          startup_script          = "echo up"
          startup_script_behavior = "blocking"
          shutdown_script         = "echo down"
          connection_timeout      = 60
          env                     = { PATH_LIKE = "a", B = "1" }
          display_apps {
            vscode       = false
            web_terminal = true
          }
          metadata {
            key          = "cpu"
            display_name = "CPU"
            script       = "top"
            interval     = 5
          }
        """
        )
        + """
        resource "coder_env" "b" {
          agent_id = coder_agent.main.id
          name     = "B"
          value    = "2"
        }
        resource "coder_env" "p" {
          agent_id       = coder_agent.main.id
          name           = "PATH_LIKE"
          value          = ":b"
          merge_strategy = "append"
        }
        resource "coder_script" "s" {
          agent_id           = coder_agent.main.id
          display_name       = "Clone"
          script             = "git clone"
          run_on_start       = true
          start_blocks_login = true
          timeout            = 30
          cron               = "0 0 * * * *"
        }
        resource "coder_app" "ide" {
          agent_id     = coder_agent.main.id
          slug         = "ide"
          display_name = "IDE"
          url          = "http://localhost:1"
          share        = "organization"
          healthcheck {
            url       = "http://localhost:1/healthz"
            interval  = 5
            threshold = 6
          }
        }
        resource "coder_agent" "other" {
          os   = "linux"
          arch = "arm64"
        }
        resource "coder_script" "elsewhere" {
          agent_id     = coder_agent.other.id
          display_name = "Elsewhere"
          script       = "true"
        }
    """
    )
    result = space.ok(template)
    main, other = (resource(result, f"coder_agent.{n}").agents[0] for n in ("main", "other"))
    assert main.env == {"PATH_LIKE": "a:b", "B": "2"}
    assert [(s.display_name, s.run_on_start, s.run_on_stop, s.start_blocks_login) for s in main.scripts] == [
        ("Startup Script", True, False, True),
        ("Shutdown Script", False, True, False),
        ("Clone", True, False, True),
    ]
    assert (main.scripts[2].timeout, main.scripts[2].cron) == (30, "0 0 * * * *")
    app = main.apps[0]
    assert (app.slug, app.share, app.healthcheck_interval, app.healthcheck_threshold) == (
        "ide",
        "organization",
        5,
        6,
    )
    assert [(m.key, m.interval, m.timeout) for m in main.metadata] == [("cpu", 5, 5)]
    assert main.display_apps == ("web_terminal", "ssh_helper", "port_forwarding_helper")
    assert (main.dir, main.connection_timeout, other.arch) == ("/home/coder", 60, "arm64")
    assert [s.display_name for s in other.scripts] == ["Elsewhere"]


def test_metadata_and_the_nearest_resource_of_an_agent(space: Space) -> None:
    template = (
        agent()
        + """
        resource "terraform_data" "volume" {}
        resource "null_resource" "machine" {
          triggers = { agent = coder_agent.main.id, volume = terraform_data.volume.id }
        }
        resource "null_resource" "behind" {
          triggers = { machine = null_resource.machine.id }
        }
        resource "coder_metadata" "m" {
          resource_id = null_resource.machine.id
          icon        = "/icon/vm.svg"
          daily_cost  = 7
          hide        = true
          item {
            key   = "region"
            value = "eu"
          }
          item {
            key       = "password"
            value     = "geheim"
            sensitive = true
          }
        }
    """
    )
    result = space.ok(template)
    assert [r.address for r in result.resources] == [
        "null_resource.behind",
        "null_resource.machine",
        "terraform_data.volume",
    ]
    machine = resource(result, "null_resource.machine")
    assert [a.name for a in machine.agents] == ["main"]
    assert (machine.icon, machine.daily_cost, machine.hide) == ("/icon/vm.svg", 7, True)
    assert [(i.key, i.value, i.sensitive) for i in machine.metadata] == [
        ("region", "eu", False),
        ("password", "geheim", True),
    ]
    assert all(not r.agents for r in result.resources if r is not machine)


def test_arguments_that_coder_may_add_are_warnings(space: Space) -> None:
    space.ok(agent(more='brand_new = "x"'))
    assert any(level == "warn" and '"brand_new" is not expected' in text for _, text, level in space.logs)


def test_agents_are_told_apart_by_count_and_module(space: Space) -> None:
    result = space.ok(
        {
            "main.tf": agent(more="count = 2") + 'module "m" {\n source = "./m"\n}\n',
            "m/main.tf": agent(),
        }
    )
    tokens = [a.token for a in agents(result)]
    assert len(tokens) == 3
    assert all(a != b for a, b in itertools.combinations(tokens, 2))
