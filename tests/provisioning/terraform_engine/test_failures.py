"""What goes wrong around a real Terraform: cancels, kills, limits, missing parts, broken templates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coder_admin.provisioning.engines import EngineError, available, engine_named, engine_of_state
from coder_admin.provisioning.engines.embedded.state import dump, new_state
from coder_admin.provisioning.engines.terraform.binary import find_binary
from coder_admin.provisioning.engines.terraform.configuration import Configuration
from coder_admin.provisioning.engines.terraform.engine import TerraformEngine
from tests.provisioning.embedded.conftest import Space

from .conftest import executable

DEADLINE = 60.0  # seconds for anything that is waited for
SLOW = """
    resource "terraform_data" "first" {}
    resource "terraform_data" "slow" {
      depends_on = [terraform_data.first]
      provisioner "local-exec" { command = "touch started; %s" }
    }
    resource "terraform_data" "last" { depends_on = [terraform_data.slow] }
"""


class Canceled(Exception):
    pass


def started(space: Space) -> Path:
    return space.workdir / ".coder-admin" / "terraform" / "run" / "started"


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def cancel_when_started(space: Space) -> None:
    def check() -> None:
        if started(space).exists():
            raise Canceled

    space.check_canceled = check


def in_state(state: bytes | None) -> list[str]:
    return sorted(r["name"] for r in json.loads(state or b"{}").get("resources", []) if r["instances"])


def engine(configuration: Configuration, **changed: object) -> TerraformEngine:
    return TerraformEngine(replace(configuration, **changed))  # type: ignore[arg-type]


def test_a_cancel_interrupts_and_the_state_is_kept(space: Space) -> None:
    cancel_when_started(space)
    result = space.build(SLOW % "sleep 1")
    assert (result.canceled, result.error) == (True, "The build was canceled.")
    assert in_state(result.state) == ["first", "slow"]
    space.check_canceled = lambda: None
    assert in_state(space.ok(SLOW % "true").state) == ["first", "last", "slow"]


STUBBORN = """#!/bin/sh
if [ "$1" = apply ]; then
  trap '' INT TERM
  sleep 300 & echo $! > started
  wait
else
  exec "%s" "$@"
fi
"""


def test_what_does_not_end_after_the_grace_is_killed_with_all_it_started(
    space: Space, configuration: Configuration, terraform: str, tmp_path: Path
) -> None:
    """The command here is the real one, but for an apply that does not listen."""
    path = executable(tmp_path / "bin" / "terraform", STUBBORN % terraform)
    space.engine = engine(configuration, binary=str(path), grace=0.5)
    seen: list[int] = []

    def check() -> None:
        if started(space).exists() and (text := started(space).read_text()):
            seen.append(int(text))
            raise Canceled

    space.check_canceled = check
    result = space.build('resource "terraform_data" "a" {}')
    assert result.canceled
    assert "did not end within 0.5 seconds and was killed" in (result.error or "")
    until(lambda: not running(seen[0]))


def running(pid: int) -> bool:
    """Whether the process still does anything: one that nobody has waited for does not."""
    status = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return bool(status.stdout.strip()) and not status.stdout.startswith("Z")


def test_a_build_that_takes_too_long_is_ended(space: Space, configuration: Configuration) -> None:
    source = """
        data "terraform_remote_state" "slow" {
          backend = "local"
          config  = { path = "FIFO" }
        }
    """
    fifo = space.workdir.parent / "fifo"
    os.mkfifo(fifo)  # nobody ever writes into it: reading it takes for ever
    space.engine = engine(configuration, timeout=3.0, grace=0.5)
    with pytest.raises(EngineError, match=r"longer than 3 seconds.*CODER_ADMIN_TERRAFORM_TIMEOUT_SECONDS"):
        space.plan(source.replace("FIFO", str(fifo)))


def test_a_cancel_ends_a_plan_too(space: Space) -> None:
    def check() -> None:
        raise Canceled

    with pytest.raises(Canceled):
        space.engine.plan(space.request('resource "terraform_data" "a" {}'), space.log, check)


WORKER = """
import sys
from pathlib import Path
from coder_admin.provisioning.engines import EngineRequest
from coder_admin.provisioning.engines.terraform.configuration import Configuration
from coder_admin.provisioning.engines.terraform.engine import TerraformEngine
from coder_admin.terraform import MemoryFileSystem

quiet = lambda *args, **more: None
request = EngineRequest(MemoryFileSystem({"main.tf": sys.argv[3].encode()}), Path(sys.argv[2]))
engine = TerraformEngine(Configuration(Path(sys.argv[2] + "-plugins"), binary=sys.argv[1]))
engine.apply(request, engine.plan(request, quiet), quiet, lambda: None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_worker_leaves_no_terraform_and_the_next_build_takes_over(
    space: Space, terraform: str
) -> None:
    space.workdir.mkdir()
    command = [sys.executable, "-c", WORKER, terraform, str(space.workdir), SLOW % "sleep 2"]
    with subprocess.Popen(command) as worker:
        until(started(space).exists)
        worker.send_signal(signal.SIGKILL)
    result = space.ok(SLOW % "true")
    assert "what it had made is taken over" in space.text()
    assert in_state(result.state) == ["first", "last", "slow"]
    assert "create terraform_data.first" not in space.steps(result)
    assert space.steps(result)[-1] == "create terraform_data.last"


def test_two_builds_of_a_workspace_do_not_meet(space: Space, configuration: Configuration) -> None:
    other = Space(space.workdir, engine=engine(configuration, grace=-9.5))
    errors: list[str | None] = []
    thread = threading.Thread(target=lambda: errors.append(space.build(SLOW % "sleep 3").error))
    thread.start()
    try:
        until(started(space).exists)
        with pytest.raises(EngineError, match="Another Terraform still works on this workspace"):
            other.plan("")
    finally:
        thread.join()
    assert errors == [None]


def test_a_failed_apply_keeps_what_was_made(space: Space) -> None:
    result = space.build(SLOW % "echo oh dear; exit 3")
    assert not result.canceled
    assert "local-exec provisioner error" in (result.error or "")
    assert in_state(result.state) == ["first", "slow"]
    assert any("oh dear" in text for _, text, _ in space.logs)
    assert [level for _, text, level in space.logs if "provisioner error" in text] == ["error"]


def test_a_broken_template_says_where(space: Space) -> None:
    with pytest.raises(EngineError, match=r"^main\.tf:1: Unsupported argument\nAn argument named \"inptu\""):
        space.plan('resource "terraform_data" "a" { inptu = 1 }')
    with pytest.raises(EngineError, match=r"(?s)could not be initialized\. Error: .*main\.tf line 1"):
        space.plan('resource "terraform_data" {')


def test_a_missing_provider_says_what_to_do(space: Space) -> None:
    source = 'terraform {\n required_providers {\n  absent = {\n   source = "example/absent"\n  }\n }\n}\n'
    with pytest.raises(EngineError, match=r"(?s)example/absent.*CODER_ADMIN_TERRAFORM_CLI_CONFIG"):
        space.plan(source)
    assert any(level == "error" and "example/absent" in text for _, text, level in space.logs)


def test_a_missing_command_says_what_to_do(
    space: Space, configuration: Configuration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    space.engine = engine(configuration, binary="no-such-terraform")
    with pytest.raises(EngineError, match=r'"no-such-terraform" is no command.*CODER_ADMIN_TERRAFORM_BINARY'):
        space.plan("")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"neither terraform nor tofu.*CODER_ADMIN_ENGINE=embedded"):
        find_binary("")
    for name, text, said in (
        ("old", 'echo \'{"terraform_version": "1.3.9"}\'', r"version 1\.3\.9; the engine needs 1\.4"),
        ("other", "echo not me >&2; exit 4", r"exit code 4\): not me"),
        ("empty", "true", "does not answer as terraform"),
    ):
        path = executable(tmp_path / name, f"#!/bin/sh\n{text}\n")
        with pytest.raises(EngineError, match=said):
            find_binary(str(path))


def test_a_missing_cli_configuration_is_named(space: Space, configuration: Configuration) -> None:
    space.engine = engine(configuration, cli_config=Path("/nowhere/cli.tfrc"))
    with pytest.raises(EngineError, match=r"/nowhere/cli\.tfrc does not exist.*CLI_CONFIG"):
        space.plan("")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (b'{"format": "coder-admin/embedded", "version": 1}', "written by another engine"),
        (b"nonsense", "damaged"),
        (b"[]", "damaged"),
    ],
)
def test_a_state_of_something_else_is_refused(space: Space, state: bytes, said: str) -> None:
    space.state = state
    with pytest.raises(EngineError, match=said):
        space.plan("")


def test_values_that_no_environment_holds_are_named(space: Space) -> None:
    with pytest.raises(EngineError, match='parameter "size" holds a NUL'):
        space.plan("", parameters={"size": "a\0b"})
    with pytest.raises(EngineError, match="too large"):
        space.plan("", parameters={"size": "x" * 200_000})
    with pytest.raises(EngineError, match="no name of a Terraform variable"):
        space.plan("", variables={"a b": "x"})


def test_the_setting_selects_the_engine() -> None:
    found = engine_named("terraform")
    assert found.name == "terraform"
    assert found.supports({"aws_instance", "data.http"}) == set()


def test_what_is_made_is_handed_over_while_the_apply_runs(space: Space) -> None:
    """The machine may be lost with everything on it: the database knows what there is."""
    kept: list[bytes] = []
    request = replace(space.request(SLOW % "sleep 2.5"), keep=kept.append)
    plan = space.engine.plan(request, space.log)
    space.engine.apply(request, plan, space.log, space.check_canceled)
    assert kept
    assert in_state(kept[0]) == ["first"]


def test_the_embedded_engine_can_be_switched_off(settings: Any) -> None:
    settings.EMBEDDED_ENGINE = False
    with pytest.raises(EngineError, match="CODER_ADMIN_EMBEDDED_ENGINE"):
        engine_named("embedded")
    settings.TERRAFORM_BINARY = "no-such-command"
    assert available() == ["embedded"], "what the setting names fails with its reason, it does not wait"
    settings.PROVISIONER_ENGINE = "terraform"
    assert available() == ["terraform"]


def test_a_state_says_which_engine_wrote_it(space: Space) -> None:
    result = space.ok('resource "terraform_data" "a" {}')
    assert engine_of_state(result.state) == "terraform"
    assert engine_of_state(dump(new_state())) == "embedded"
    for unclear in (None, b"", b"{}", b"[]", b"x"):
        assert engine_of_state(unclear) == ""
