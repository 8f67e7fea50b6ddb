"""The agent never outlives whoever started it, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from .conftest import COMMAND, agent_env
from .server import AgentServer, manifest, script, until
from .test_agent import Start

_PARENT = """
import json, subprocess, sys, threading, time
def start():
    # From a thread that ends at once, as the app does it.
    # Its output goes through a pipe that breaks with the parent.
    pipe = subprocess.PIPE
    command, env = map(json.loads, sys.argv[1:])
    agent = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
    print(agent.pid, flush=True)
    keep.append(agent)
keep = []
threading.Thread(target=start).start()
time.sleep(600)
"""

_TREE = """setsid sh -c 'echo $$ > detached; exec sleep 600' &
sh -c 'echo $$ > child; trap : TERM; while :; do sleep 1; done'"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def _pids(folder: Path) -> list[int]:
    until(lambda: all(_pid_file(folder / name) for name in ("detached", "child")), "the script's processes")
    return [int((folder / name).read_text()) for name in ("detached", "child")]


def _pid_file(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


def test_kill_9_of_the_parent_ends_agent_and_scripts(server: AgentServer, folder: Path) -> None:
    server.manifest = manifest(script(_TREE))
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, json.dumps(COMMAND), json.dumps(agent_env(server, folder))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    agent = int(parent.stdout.readline())
    pids = [agent, *_pids(folder)]
    assert all(_alive(pid) for pid in pids)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not any(_alive(pid) for pid in pids), "the end of the whole tree", timeout=6)


def test_the_end_of_its_starting_thread_is_not_the_end(server: AgentServer, folder: Path) -> None:
    server.manifest = manifest(script("echo up"))
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, json.dumps(COMMAND), json.dumps(agent_env(server, folder))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    agent = int(parent.stdout.readline())
    server.until(lambda: "ready" in server.states(), "ready although the thread that started it is over")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not _alive(agent), "the agent's end")


def test_a_closed_pipe_ends_it_at_once(server: AgentServer, folder: Path, start_agent: Start) -> None:
    server.manifest = manifest(script(_TREE))
    process = start_agent()
    pids = _pids(folder)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(5) == 1
    assert not any(_alive(pid) for pid in pids)


def test_sigterm_leaves_nothing(server: AgentServer, folder: Path, start_agent: Start) -> None:
    server.manifest = manifest(script(_TREE))
    process = start_agent()
    pids = _pids(folder)
    process.terminate()
    assert process.wait(15) == 0
    assert not any(_alive(pid) for pid in pids)


def test_the_next_agent_ends_what_a_killed_one_left(
    server: AgentServer, folder: Path, start_agent: Start
) -> None:
    server.manifest = manifest(script(_TREE))
    first = start_agent()
    pids = _pids(folder)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert all(_alive(pid) for pid in pids)
    server.manifest = manifest(script("echo clean"))
    start_agent()
    server.until(lambda: server.outputs("source-main")[-1:] == ["clean"], "the second agent")
    until(lambda: not any(_alive(pid) for pid in pids), "the end of the first one's processes")
