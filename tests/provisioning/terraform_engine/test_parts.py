"""The pure parts: messages, environment, results, the folder's state."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.engines import EngineRequest, WorkspaceMetadata
from coder_admin.provisioning.engines.terraform import messages
from coder_admin.provisioning.engines.terraform.environment import (
    environment,
    token_variables,
    variable_arguments,
)
from coder_admin.provisioning.engines.terraform.results import resources
from coder_admin.provisioning.engines.terraform.workfolder import WorkFolder
from coder_admin.provisioning.plan_references import without_keys
from coder_admin.provisioning.plans import read_state
from coder_admin.terraform import MemoryFileSystem
from tests.provisioning.cases import needs_cases, plan_folders

SHA_OF_NOTHING = hashlib.sha256(b"").hexdigest()


def env(
    server: dict[str, str] | None = None, passed_on: tuple[str, ...] = (), **facts: Any
) -> dict[str, str]:
    parameters = facts.pop("parameters", {})
    request = EngineRequest(
        MemoryFileSystem({}), Path("/w"), parameters=parameters, metadata=WorkspaceMetadata(**facts)
    )
    return environment(
        request,
        server=server or {},
        passed_on=passed_on,
        home=Path("/home"),
        plugin_cache=Path("/cache"),
        cli_config=Path("/dev/null"),
        agent_ids={},
    )


def test_only_what_is_wished_is_passed_on_and_never_the_server_s_own() -> None:
    server = dict.fromkeys(
        ("PATH", "AWS_KEY", "AWS", "OTHER", "CODER_ADMIN_SECRET_KEY", "TF_LOG", "DOCKER"), "x"
    )
    server["DATABASE_URL"] = "x"
    found = env(server, ("AWS_*", "DOCKER", "CODER_*", "TF_*", "DATABASE_URL"))
    assert {n for n in found if found[n] == "x"} == {"PATH", "AWS_KEY", "DOCKER"}


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("none", set()),
        ("create", {"CODER_WORKSPACE_IS_PREBUILD"}),
        ("claim", {"CODER_WORKSPACE_IS_PREBUILD_CLAIM"}),
    ],
)
def test_the_stage_is_told_as_coder_does(stage: Any, names: set[str]) -> None:
    found = env(stage=stage)
    assert {n for n in found if "PREBUILD" in n} == names
    assert all(found[n] == "true" for n in names)


def test_parameters_are_found_by_the_hash_of_their_name() -> None:
    found = env(parameters={"region": "eu", "empty": ""}, transition="delete")
    assert found["CODER_PARAMETER_" + hashlib.sha256(b"region").hexdigest()] == "eu"
    assert found["CODER_PARAMETER_" + hashlib.sha256(b"empty").hexdigest()] == ""
    assert found["CODER_WORKSPACE_TRANSITION"] == "destroy"


def test_tokens_are_passed_on_a_claim_by_agent_id() -> None:
    one = WorkspaceMetadata(stage="claim", running_agent_tokens={"main": "t"})
    prefix = "CODER_RUNNING_WORKSPACE_AGENT_TOKEN"
    by_id = f"{prefix}_{hashlib.sha256(b'id-1').hexdigest()}"
    assert token_variables(one, {"main": "id-1"}) == {
        by_id: "t",
        prefix: "t",
        f"{prefix}_{SHA_OF_NOTHING}": "t",
    }
    two = WorkspaceMetadata(stage="claim", running_agent_tokens={"main": "t", "gone": "u"})
    assert token_variables(two, {"main": "id-1"}) == {by_id: "t"}
    other = WorkspaceMetadata(stage="create", running_agent_tokens={"main": "t"})
    assert token_variables(other, {"main": "id-1"}) == {}


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_variables_are_quoted_for_any_text(variables: dict[str, str]) -> None:
    assert shlex.split(variable_arguments(variables)) == [f"-var={n}={v}" for n, v in variables.items()]


def test_messages_become_lines_errors_and_steps() -> None:
    reader = messages.Reader()
    hook = {"resource": {"addr": "a.b"}, "action": "create"}

    def said(kind: str, text: str, **more: Any) -> str:
        stamp = f"2026-01-02T03:04:0{more.pop('second', 0)}.5Z"
        return json.dumps({"@level": "info", "@message": text, "@timestamp": stamp, "type": kind, **more})

    assert reader.read(said("version", "Terraform 1.11.4")) is None
    assert reader.read(said("apply_start", "a.b: Creating...", hook=hook)) == messages.Line(
        "a.b: Creating..."
    )
    reader.read(said("apply_complete", "a.b: done", hook=hook, second=2))
    (step,) = reader.steps
    assert (step.resource, step.action) == ("a.b", "create")
    assert (step.ended_at - step.started_at).total_seconds() == 2
    place = {"filename": "main.tf", "start": {"line": 3}}
    error = {"severity": "error", "summary": "Bad", "detail": "It is.", "range": place}
    assert reader.read(said("diagnostic", "Error: Bad", diagnostic=error)) == messages.Line(
        "main.tf:3: Bad\nIt is.", "error"
    )
    warning = {"severity": "warning", "summary": "Old", "address": "a.b"}
    assert reader.read(said("diagnostic", "", diagnostic=warning)) == messages.Line("a.b: Old", "warn")
    assert reader.errors == ["main.tf:3: Bad\nIt is."]
    assert reader.read("panic: a plugin") == messages.Line("panic: a plugin")
    assert reader.read("{not json") == messages.Line("{not json")
    assert reader.read("  ") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["@message", "@level", "@timestamp", "type", "hook", "diagnostic", "resource", "range"]
)
TYPES = st.sampled_from(["diagnostic", "apply_start", "apply_complete", "apply_errored", "outputs"])


@given(st.dictionaries(FIELDS, JSON | TYPES), TYPES)
def test_no_message_breaks_the_reader(message: dict[str, Any], kind: str) -> None:
    reader = messages.Reader()
    for hook in (message.get("hook"), {"resource": message.get("resource")}):
        for body in (message.get("diagnostic"), {"range": message.get("range")}):
            line = {"@message": "", **message, "type": kind, "hook": hook, "diagnostic": body}
            reader.read(json.dumps(line))


def test_a_box_is_taken_off_an_error() -> None:
    boxed = "╷\n│ Error: Bad thing\n│ \n│   on main.tf line 1:\n│ \n│ Really.\n╵\n"
    assert messages.plain_error(boxed) == "Error: Bad thing\non main.tf line 1:\nReally."


def test_the_state_on_disk_counts_only_when_it_goes_on(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path)
    folder.run.mkdir()

    def state(serial: int, lineage: str = "l", *names: str) -> bytes:
        made = [{"mode": "managed", "type": "t", "name": n, "instances": [{}]} for n in names]
        return json.dumps({"version": 4, "serial": serial, "lineage": lineage, "resources": made}).encode()

    known = state(3)
    assert folder.newest_state(known) is known
    for found in (state(3, "l", "a"), state(9, "other", "a"), b"torn"):
        folder.state.write_bytes(found)
        assert folder.newest_state(known) is known
    folder.state.write_bytes(state(4, "l", "a"))
    assert folder.newest_state(known) == state(4, "l", "a")
    assert folder.newest_state(None) == state(4, "l", "a")
    (folder.run / "errored.tfstate").write_bytes(state(5, "l", "a", "b"))
    assert folder.newest_state(known) == folder.state_after(known) == state(5, "l", "a", "b")


def test_the_folder_holds_the_template_and_nothing_of_before(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path)
    folder.lay_out(MemoryFileSystem({"old.tf": "", "terraform.tfstate": "{}"}), b"{}")
    files = {"main.tf": "x", "m/run.sh": "#!/bin/sh\n", ".terraform/x": "", ".terraform.lock.hcl": "y"}
    folder.lay_out(MemoryFileSystem(files), None)
    found = {p.relative_to(folder.run).as_posix() for p in folder.run.rglob("*") if p.is_file()}
    assert found == {"main.tf", "m/run.sh", ".terraform.lock.hcl", "zzzz_coder_admin_override.tf"}
    assert (folder.run / "m" / "run.sh").stat().st_mode & 0o777 == 0o700
    assert (folder.run / "main.tf").stat().st_mode & 0o777 == 0o600
    assert not folder.state.exists()


def test_keys_are_taken_out_of_addresses() -> None:
    assert without_keys('module.a["x]\\"."].t.n[0]') == "module.a.t.n"


@needs_cases
@pytest.mark.parametrize("folder", plan_folders(), ids=[f.name for f in plan_folders()])
def test_states_of_terraform_are_read(folder: Path) -> None:
    for path in folder.glob("*.tfstate.json"):
        state = read_state(path.read_bytes())
        folded = {"coder_agent", "coder_app", "coder_script", "coder_env", "coder_metadata"}
        shown = resources(state)
        plain = {r.address for r in state.resources if r.mode == "managed" and r.type not in folded}
        assert plain <= {r.address for r in shown}
        wanted = [r.values.get("id") for r in state.resources if r.type == "coder_agent"]
        assert sorted(a.id for r in shown for a in r.agents) == sorted(str(i or "") for i in wanted)
