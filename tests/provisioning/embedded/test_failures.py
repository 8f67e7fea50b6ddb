"""Builds that do not come to their end: errors, cancels, kills, and states that cannot be read."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coder_admin.provisioning.engines import EngineError, engine_named
from coder_admin.provisioning.engines.embedded.state import PRIVATE_FOLDER, Journal, dump, load
from coder_admin.provisioning.handlers import JobCanceled
from tests.provisioning.conftest import eventually
from tests.provisioning.embedded.conftest import Space, actions

BROKEN_LATE = """
    resource "terraform_data" "first" {}
    resource "local_file" "broken" {
      content  = terraform_data.first.id
      filename = "a/b"
    }
    resource "terraform_data" "after" {
      input = local_file.broken.id
    }
    resource "terraform_data" "apart" {}
"""


def test_what_was_made_before_an_error_is_kept_and_the_rest_made_later(space: Space) -> None:
    space.workdir.mkdir()
    (space.workdir / "a").write_text("a file where a folder is needed")
    result = space.build(BROKEN_LATE)
    assert result.error is not None
    assert result.error.startswith('local_file.broken: "a/b" cannot be written')
    assert not result.canceled
    assert set(space.now.resources) == {"terraform_data.first", "terraform_data.apart"}
    assert ("Starting workspace", result.error, "error") in space.logs
    (space.workdir / "a").unlink()
    assert space.steps(space.ok(BROKEN_LATE)) == ["create local_file.broken", "create terraform_data.after"]


def test_a_failed_destruction_leaves_what_the_resource_depends_on(space: Space) -> None:
    template = """
        resource "terraform_data" "base" {}
        resource "local_file" "top" {
          content  = terraform_data.base.id
          filename = "a/b"
        }
    """
    space.ok(template)
    (space.workdir / "a" / "b").unlink()
    (space.workdir / "a" / "b").mkdir()
    result = space.build(template, transition="delete")
    assert result.error is not None
    assert set(space.now.resources) == {"local_file.top", "terraform_data.base"}
    (space.workdir / "a" / "b").rmdir()
    space.ok(template, transition="delete")
    assert space.now.resources == {}


def test_a_cancel_between_resources_keeps_what_exists(space: Space) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise JobCanceled()

    space.check_canceled = check
    result = space.build("\n".join(f'resource "terraform_data" "r{n}" {{}}' for n in range(5)))
    assert result.canceled
    assert result.error == "The build was canceled."
    assert len(space.now.resources) == 2


def test_a_cancel_interrupts_a_resource_that_waits(space: Space) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise JobCanceled()

    space.check_canceled = check
    result = space.build('resource "time_sleep" "s" {\n create_duration = "1h"\n}')
    assert result.canceled
    assert space.now.resources == {}


class Cancel:
    """The check of a job that is canceled when it has been asked this often."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise JobCanceled()


def test_a_cancel_ends_a_plan_between_instances(space: Space) -> None:
    """Each instance may read a large file."""
    template = 'resource "terraform_data" "r" {\n count = 50\n}'
    cancel = Cancel(after=10)
    with pytest.raises(JobCanceled):
        space.engine.plan(space.request(template), space.log, cancel)
    assert cancel.left == -1, "the plan went on after its cancel"


EXPRESSIONS_ONLY = """
    locals {
      text = join("", [for i in range(300) : join("", [for j in range(60) : "${i}${j}"])])
    }
    output "length" {
      value = length(local.text)
    }
"""


def test_a_cancel_ends_the_evaluation_of_expressions(space: Space) -> None:
    """Those of a template with no resource at all, in the plan and in the apply."""
    request = space.request(EXPRESSIONS_ONLY)
    with pytest.raises(JobCanceled):
        space.engine.plan(request, space.log, Cancel(after=3))
    cancel = Cancel(after=3)
    result = space.engine.apply(request, space.engine.plan(request, space.log), space.log, cancel)
    assert result.canceled
    assert result.error == "The build was canceled."
    assert cancel.left == -1, "the apply went on after its cancel"


def test_a_cancel_in_an_expression_of_an_apply_keeps_what_exists(space: Space) -> None:
    template = """
        resource "terraform_data" "first" {}
        resource "terraform_data" "last" {
          input = join("", [for i in range(300) : join("", [for j in range(60) : "${i}${j}"])])
          depends_on = [terraform_data.first]
        }
    """
    request = space.request(template)
    plan = space.engine.plan(request, space.log)
    asked = 0

    def canceled_after_the_first() -> None:
        nonlocal asked
        if "terraform_data.first: Creation complete" in space.text():
            asked += 1
            if asked > 2:
                raise JobCanceled()

    result = space.engine.apply(request, plan, space.log, canceled_after_the_first)
    assert result.canceled
    assert set(load(result.state).resources) == {"terraform_data.first"}


KILLED = """
import sys, tempfile
from pathlib import Path
from coder_admin.provisioning.engines import EngineRequest, engine_named
from coder_admin.terraform import MemoryFileSystem
request = EngineRequest(MemoryFileSystem({"main.tf": Path(sys.argv[2]).read_bytes()}), Path(sys.argv[1]))
engine = engine_named("embedded")
log = lambda stage, output, level="info", source="": print(output, flush=True)
engine.apply(request, engine.plan(request, log), log, lambda: None)
"""


def test_a_build_that_was_killed_is_taken_over_by_the_next(space: Space, tmp_path: Path) -> None:
    template = """
        resource "terraform_data" "made" {}
        resource "time_sleep" "s" {
          depends_on      = [terraform_data.made]
          create_duration = "%s"
        }
    """
    (tmp_path / "main.tf").write_text(template % "1h")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(space.workdir), str(tmp_path / "main.tf")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "time_sleep.s: Creating" in line:
                break
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    plan = space.plan(template % "0s")
    assert actions(plan) == {"terraform_data.made": ["no-op"], "time_sleep.s": ["create"]}
    assert "taken over" in space.text()
    space.ok(template % "0s")
    assert set(space.now.resources) == {"terraform_data.made", "time_sleep.s"}


def test_the_journal_is_replaced_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    writer = os.fork()
    if writer == 0:
        state = load(None)
        try:
            while True:
                from coder_admin.provisioning.engines.embedded.state import Resource

                attributes = {"id": "x" * 200_000}
                state = state.put(Resource("terraform_data.a", "terraform_data", "a", attributes=attributes))
                journal.write(state)
        finally:
            os._exit(0)
    try:
        path = tmp_path / PRIVATE_FOLDER / "state.json"
        eventually(path.exists)
        for _ in range(200):
            assert load(path.read_bytes()).resources
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    assert load(path.read_bytes()).resources


def test_an_old_journal_does_not_win_over_the_database(space: Space) -> None:
    space.ok('resource "terraform_data" "a" {}')
    first = space.state
    journal = (space.workdir / PRIVATE_FOLDER / "state.json").read_bytes()
    space.ok('resource "terraform_data" "b" {}')
    (space.workdir / PRIVATE_FOLDER / "state.json").write_bytes(journal)
    assert actions(space.plan('resource "terraform_data" "b" {}')) == {"terraform_data.b": ["no-op"]}
    # A journal of another life of the workspace is none of this one's business.
    space.state = dump(load(None))
    assert actions(space.plan("")) == {}
    assert first is not None


def test_nothing_is_left_after_a_delete(space: Space) -> None:
    template = 'resource "local_file" "f" {\n content = "x"\n filename = "f"\n}'
    space.ok(template)
    space.ok(template, transition="delete")
    assert not (space.workdir / "f").exists()
    assert list((space.workdir / PRIVATE_FOLDER).iterdir()) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (b"{", "not JSON"),
        (b'{"version": 4, "terraform_version": "1.9"}', "another engine"),
        (json.dumps({"format": "coder-admin/embedded", "version": 99}).encode(), "newer version"),
        (json.dumps({"format": "coder-admin/embedded", "version": 1, "resources": [{}]}).encode(), "damaged"),
    ],
)
def test_a_state_that_cannot_be_read_is_one_clear_error(space: Space, state: bytes, words: str) -> None:
    space.state = state
    with pytest.raises(EngineError, match=words):
        space.plan("")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            '\nresource "docker_container" "c" {}',
            r"main\.tf:2,.*resource type docker_container.*CODER_ADMIN_ENGINE=terraform",
        ),
        ('data "http" "x" {}', r"main\.tf:1,.*data source http.*CODER_ADMIN_ENGINE=terraform"),
        ('resource "null_resource" "a" {\n nope = 1\n}', r'main\.tf:2.*"nope" is not expected'),
        ('resource "null_resource" "a" {\n id = "x"\n}', r'main\.tf:2.*"id" is set by the resource itself'),
        ('resource "null_resource" "a" {\n triggers = 5\n}', r"main\.tf:2.*Inappropriate value"),
        ('resource "random_id" "a" {}', r'main\.tf:1.*"byte_length" is required'),
        (
            'resource "coder_agent" "a" {\n os = "linux"\n arch = "amd64"\n metadata {}\n}',
            r'main\.tf:4.*"key" is required',
        ),
        (
            'resource "null_resource" "a" {\n count = null_resource.b.id\n}\nresource "null_resource" "b" {}',
            r"main\.tf:2",
        ),
        ('resource "null_resource" {', r"main\.tf:1"),
        ('variable "v" {}\n', r'"v"'),
        ('resource "local_file" "f" {\n content = "x"\n filename = "/etc/f"\n}', "outside the workspace"),
        ('data "coder_parameter" "p" {\n name = "p"\n}', 'parameter "p" has no value and no default'),
    ],
)
def test_what_cannot_be_built_says_what_and_where(space: Space, template: str, words: str) -> None:
    try:
        problem = space.build(template).error or ""
    except EngineError as error:
        problem = str(error)
    assert re.search(words, problem, re.S), problem
    assert not space.workdir.exists() or not (space.workdir / "f").exists()


def test_many_errors_are_cut(space: Space) -> None:
    with pytest.raises(EngineError, match="and 4 more errors"):
        space.plan("\n".join(f'resource "random_id" "r{n}" {{}}' for n in range(9)))


def test_a_precondition_keeps_a_resource_from_being_made(space: Space) -> None:
    template = """
        resource "terraform_data" "a" {
          input = "no"
        }
        resource "terraform_data" "b" {
          input = "x"
          lifecycle {
            precondition {
              condition     = terraform_data.a.output == "yes"
              error_message = "It must be yes."
            }
          }
        }
    """
    result = space.build(template)
    assert result.error is not None
    assert "It must be yes." in result.error
    assert set(space.now.resources) == {"terraform_data.a"}


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(EngineError, match="CODER_ADMIN_ENGINE to one of: embedded"):
        engine_named("pulumi")


def test_supports_names_what_is_missing() -> None:
    wanted = {"null_resource", "aws_instance", "data.coder_workspace", "data.http"}
    assert engine_named("embedded").supports(wanted) == {"aws_instance", "data.http"}
