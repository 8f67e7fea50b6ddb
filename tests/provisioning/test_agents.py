"""The supervisor with real processes: small programs that play agents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from coder_admin.provisioning import agent_process
from coder_admin.provisioning.agent_output import OutputFile
from coder_admin.provisioning.agent_process import environment
from coder_admin.provisioning.agents import AgentSpec, AgentSupervisor
from tests.provisioning.conftest import eventually

Make = Callable[[str], AgentSupervisor]

POLITE = """
    import signal, sys, os
    def end(*_):
        open(os.path.join(os.environ["CODER_AGENT_DIR"], "stopped"), "w").close()
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("serving", os.environ["CODER_AGENT_TOKEN"], flush=True)
    sys.stdin.read()
    open(os.path.join(os.environ["CODER_AGENT_DIR"], "parent-died"), "w").close()
"""
# Ignores the polite request and has a child in a session of its own, as scripts are.
STUBBORN = """
    import ctypes, signal, subprocess, sys, time
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(600)
"""
DYING = """
    import os
    with open("lives", "a") as file:
        file.write("x")
    os._exit(7)
"""


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[AgentSupervisor] = []

    def start(program: str) -> AgentSupervisor:
        made.append(AgentSupervisor(command=(sys.executable, "-c", textwrap.dedent(program))))
        return made[-1]

    yield start
    for supervisor in made:
        supervisor.stop_all(grace=0.2)


def spec(folder: Path, token: str = "t1", name: str = "main") -> AgentSpec:
    return AgentSpec(name, token, "http://127.0.0.1:1", folder / name)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def output(folder: Path, name: str = "main") -> str:
    path = folder / name / agent_process.OUTPUT_NAME
    return path.read_text() if path.exists() else ""


def serves(folder: Path, name: str) -> bool:
    return "serving" in output(folder, name)


def test_the_same_token_leaves_the_process_alone_and_another_replaces_it(make: Make, tmp_path: Path) -> None:
    supervisor = make(POLITE)
    supervisor.sync("w", [spec(tmp_path)])
    eventually(lambda: "serving t1" in output(tmp_path))
    first = supervisor.running("w")
    supervisor.sync("w", [spec(tmp_path)])
    assert supervisor.running() == first == {"w/main": first["w/main"]}
    supervisor.sync("w", [spec(tmp_path, "t2")])
    eventually(lambda: "serving t2" in output(tmp_path))
    eventually(lambda: not alive(first["w/main"]))
    assert supervisor.stop("w")
    assert supervisor.running() == {}
    assert (tmp_path / "main" / "stopped").exists()


def test_several_agents_end_together_and_only_those_of_the_workspace(make: Make, tmp_path: Path) -> None:
    supervisor = make(POLITE)
    supervisor.sync("a", [spec(tmp_path, "t1", "one"), spec(tmp_path, "t2", "two")])
    supervisor.sync("b", [spec(tmp_path, "t3", "three")])
    for name in ("one", "two", "three"):
        eventually(partial(serves, tmp_path, name))
    pids = supervisor.running("a")
    assert set(pids) == {"a/one", "a/two"}
    assert supervisor.stop("a")
    assert not any(alive(pid) for pid in pids.values())
    assert set(supervisor.running()) == {"b/three"}


def test_an_agent_that_will_not_end_is_killed_with_all_it_started(make: Make, tmp_path: Path) -> None:
    supervisor = make(STUBBORN)
    supervisor.sync("w", [spec(tmp_path)])
    eventually(lambda: output(tmp_path).endswith("\n"))
    script = int(output(tmp_path))
    pid = supervisor.running()["w/main"]
    assert alive(script)
    assert supervisor.stop("w", grace=0.2)
    eventually(lambda: not alive(script) and not alive(pid))


def test_scripts_of_a_killed_agent_end_with_its_workspace(make: Make, tmp_path: Path) -> None:
    program = """
        import os, subprocess, sys
        env = {**os.environ, "CODER_SCRIPT_DATA_DIR": os.environ["CODER_AGENT_DIR"]}
        child = subprocess.Popen(["sleep", "600"], start_new_session=True, env=env)
        print(child.pid, flush=True)
        sys.stdin.read()
    """
    supervisor = make(program)
    supervisor.sync("w", [spec(tmp_path)])
    eventually(lambda: output(tmp_path).endswith("\n"))
    script = int(output(tmp_path))
    os.kill(supervisor.running()["w/main"], signal.SIGKILL)
    eventually(lambda: not supervisor.running())
    assert alive(script)
    assert supervisor.stop("w")
    eventually(lambda: not alive(script))


def test_an_agent_that_dies_is_started_again_with_growing_pauses(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_process, "FIRST_PAUSE", 0.01)
    supervisor = make(DYING)
    supervisor.sync("w", [spec(tmp_path)])
    lives = tmp_path / "main" / "lives"
    eventually(lambda: lives.exists() and len(lives.read_text()) >= 3)
    assert supervisor.stop("w")
    count = len(lives.read_text())
    supervisor.sync("other", [])
    assert len(lives.read_text()) == count


def test_an_agent_outlives_the_thread_but_not_the_process_that_started_it(tmp_path: Path) -> None:
    program = f"""
        import sys, threading, time
        from pathlib import Path
        from coder_admin.provisioning.agents import AgentSpec, AgentSupervisor
        supervisor = AgentSupervisor(command=(sys.executable, "-c", {textwrap.dedent(POLITE)!r}))
        spec = AgentSpec("main", "t1", "http://127.0.0.1:1", Path({str(tmp_path / "main")!r}))
        starter = threading.Thread(target=supervisor.sync, args=("w", [spec]))
        starter.start()
        starter.join()
        while not supervisor.running():
            time.sleep(0.01)
        print(supervisor.running()["w/main"], flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        eventually(lambda: output(tmp_path) == "serving t1\n")
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        eventually(lambda: not alive(pid), what="the agent's end")
        assert (tmp_path / "main" / "parent-died").exists()
    finally:
        parent.kill()
        parent.communicate()


def test_the_environment_holds_nothing_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODER_ADMIN_SECRET_KEY", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    env = environment(AgentSpec("main", "t", "http://x", tmp_path, {"A": "1", "CODER_AGENT_TOKEN": "forged"}))
    assert not any("secret" in value for value in env.values())
    assert (env["A"], env["CODER_AGENT_TOKEN"], env["HOME"]) == ("1", "t", str(tmp_path))


def test_nothing_starts_after_the_end(make: Make, tmp_path: Path) -> None:
    supervisor = make(POLITE)
    assert supervisor.stop_all()
    supervisor.sync("w", [spec(tmp_path)])
    assert supervisor.running() == {}
    assert not (tmp_path / "main").exists()


def test_output_is_kept_within_its_bound(tmp_path: Path) -> None:
    file = OutputFile(tmp_path / "log", limit=1_000)
    for n in range(300):
        file.write(f"line {n}\n".encode())
    file.close()
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 2_000
    assert (tmp_path / "log").read_text().endswith("line 299\n")


def test_output_never_follows_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("")
    (tmp_path / "log").symlink_to(target)
    OutputFile(tmp_path / "log").write(b"x")
    assert os.stat(target).st_size == 0
