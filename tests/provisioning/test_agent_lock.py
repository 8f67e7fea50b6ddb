"""Several workers of one machine: an agent runs once, and whoever must end it can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from coder_admin.provisioning.agent_lock import AgentLock
from coder_admin.provisioning.agents import AgentSupervisor, end_elsewhere
from tests.provisioning.conftest import eventually
from tests.provisioning.test_agents import POLITE, STUBBORN, alive, output, spec


@pytest.fixture
def here() -> Iterator[AgentSupervisor]:
    supervisor = AgentSupervisor(command=(sys.executable, "-c", textwrap.dedent(POLITE)))
    yield supervisor
    supervisor.stop_all(grace=0.2)


class Other:
    """A worker in a process of its own that runs the agent of a folder, until told to end."""

    def __init__(self, folder: Path, program: str = POLITE, token: str = "t1") -> None:
        code = f"""
            import sys
            from pathlib import Path
            from coder_admin.provisioning import agent_process
            from coder_admin.provisioning.agents import AgentSpec, AgentSupervisor
            agent_process.FIRST_PAUSE = 0.01
            supervisor = AgentSupervisor(command=(sys.executable, "-c", {textwrap.dedent(program)!r}))
            supervisor.sync("w", [AgentSpec("main", {token!r}, "http://127.0.0.1:1", Path({str(folder)!r}))])
            for line in sys.stdin:
                print(supervisor.running(), flush=True)
        """
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        )

    def running(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    made = Other(tmp_path / "main")
    yield made
    made.close()


def test_an_agent_that_another_worker_runs_is_left_to_it(
    other: Other, here: AgentSupervisor, tmp_path: Path
) -> None:
    eventually(lambda: "serving t1" in output(tmp_path))
    for patience in (0.0, 5.0):
        here.sync("w", [spec(tmp_path)], patience=patience)
        assert here.running() == {}
        assert here.workspaces() == set()
    assert output(tmp_path).count("serving") == 1


def test_another_worker_s_agent_is_ended_in_order_and_not_started_again(other: Other, tmp_path: Path) -> None:
    eventually(lambda: "serving t1" in output(tmp_path))
    assert end_elsewhere([tmp_path / "main"], grace=10)
    assert (tmp_path / "main" / "stopped").exists()
    assert other.running() == "{}"
    lock = AgentLock(tmp_path / "main")
    assert lock.take()
    lock.release()
    assert end_elsewhere([tmp_path / "main"], grace=10), "nobody is there any more"


def test_an_agent_of_another_worker_that_will_not_end_is_killed(tmp_path: Path) -> None:
    other = Other(tmp_path / "main", STUBBORN)
    try:
        eventually(lambda: output(tmp_path).endswith("\n"))
        script = int(output(tmp_path))
        assert end_elsewhere([tmp_path / "main"], grace=0.2)
        eventually(lambda: not alive(script))
        assert other.running() == "{}"
    finally:
        other.close()


def test_a_killed_worker_s_agent_is_taken_over_once_it_has_ended(
    other: Other, here: AgentSupervisor, tmp_path: Path
) -> None:
    eventually(lambda: "serving t1" in output(tmp_path))
    other.process.send_signal(signal.SIGKILL)
    other.process.wait()
    here.sync("w", [spec(tmp_path, "t2")], patience=10)
    eventually(here.running, what="the agent here")
    assert (tmp_path / "main" / "parent-died").exists(), "the first agent had ended before"


def test_a_new_agent_waits_for_the_old_one_of_another_worker(
    other: Other, here: AgentSupervisor, tmp_path: Path
) -> None:
    eventually(lambda: "serving t1" in output(tmp_path))
    here.sync("w", [spec(tmp_path, "t2")], patience=10)
    assert here.running() == {}
    assert end_elsewhere([tmp_path / "main"], grace=10)
    eventually(lambda: "serving t2" in output(tmp_path))


def test_a_lock_of_a_removed_folder_is_no_lock(tmp_path: Path) -> None:
    first, second = AgentLock(tmp_path / "a" / "main"), AgentLock(tmp_path / "a" / "main")
    assert first.take()
    assert not second.take()
    for path in (tmp_path / "a").iterdir():
        path.unlink()
    assert second.take()
    first.release()
    second.release()
