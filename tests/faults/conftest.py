"""Worker processes for the tests of this folder, and what is left on the machine when they are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from channels.layers import channel_layers
from django.conf import settings

from coder_admin.foundation import events
from coder_admin.workspaces.models import Workspace
from tests.brokers import broker_at
from tests.provisioning.conftest import eventually
from tests.provisioning.test_killed_workers import environment


class Nursery:
    """Starts workers, and kills them without warning."""

    def __init__(self, **env: str) -> None:
        self.pids: list[int] = []
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            env={**environment(), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def spawn(self) -> int:
        """A worker that has begun; its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._count += 1
        self._process.stdin.write(f"spawn worker-{self._count}\n")
        self._process.stdin.flush()
        self.pids.append(int(self._process.stdout.readline()))
        return self.pids[-1]

    def kill(self, pid: int) -> None:
        self.pids.remove(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        for pid in list(self.pids):
            self.kill(pid)
        self._process.kill()
        self._process.communicate(timeout=10)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()
    eventually(lambda: not agent_processes(), within=20, what="the end of all agents")


def channel_layer_at(address: str) -> dict[str, Any]:
    """The setting CHANNEL_LAYERS with Redis at that address."""
    hosts = [{"address": address, "socket_timeout": 1}]
    return {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": hosts}}}


@pytest.fixture
def nobody_listens(settings: Any) -> Iterator[None]:
    """Redis, that is the channel layer and the broker, answers at no port."""
    address = "redis://127.0.0.1:1/0"
    settings.CHANNEL_LAYERS = channel_layer_at(address)
    channel_layers.backends.clear()
    events.bind_loop(None)
    with broker_at(address):
        yield
    channel_layers.backends.clear()


def agent_processes() -> list[Path]:
    """The folder of each agent process that runs now for a workspace of this test; others may have run
    in this process's data folder before."""
    own = workspace_ids()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        folder = next((v[16:] for v in variables if v.startswith(b"CODER_AGENT_DIR=")), b"")
        if folder.startswith(os.fsencode(settings.DATA_DIR)) and b"coder_admin.agent" in command:
            path = Path(os.fsdecode(folder))
            if path.parts[-3] in own:
                found.append(path)
    return found


def workspace_ids() -> set[str]:
    """Those of all workspaces that this test made, deleted ones too."""
    return {str(pk) for pk in Workspace.objects.values_list("pk", flat=True)}
