from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .server import TOKEN, AgentServer

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "coder_admin.agent"]


def agent_env(server: AgentServer, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CODER_AGENT_TOKEN": TOKEN,
        "CODER_AGENT_URL": server.url,
        "CODER_AGENT_DIR": str(folder),
    }


@pytest.fixture
def server() -> Iterator[AgentServer]:
    server = AgentServer()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def start_agent(server: AgentServer, folder: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            COMMAND, env=agent_env(server, folder), stdin=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail("the agent did not end when its parent closed the pipe")
