"""Scripts of templates get the limits and the user that the settings name."""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from coder_admin.provisioning.agents import AgentSpec, AgentSupervisor
from coder_admin.provisioning.confinement import Confinement, ConfinementError, from_settings
from coder_admin.settings.environment import Environment
from tests.provisioning.conftest import eventually

PROGRAM = """
    import json, os, resource, sys
    names = ("DATA", "NOFILE", "CORE", "NPROC")
    limits = {n: resource.getrlimit(getattr(resource, f"RLIMIT_{n}"))[1] for n in names}
    leader = os.getsid(0) == os.getpid()
    facts = {"uid": os.geteuid(), "groups": os.getgroups(), "limits": limits, "leader": leader,
             "env": sorted(os.environ), "home": os.environ["HOME"]}
    open("facts.tmp", "w").write(json.dumps(facts))
    os.rename("facts.tmp", "facts")
    sys.stdin.read()
"""
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access("/usr/bin/python3", os.X_OK),
    reason="another user's processes need root and a Python that everybody may run",
)


def facts_of_an_agent(data: Path, confinement: Confinement) -> dict[str, Any]:
    folder = data / "workspaces" / "w" / "agents" / "main"
    supervisor = AgentSupervisor(
        command=(confinement.python, "-c", textwrap.dedent(PROGRAM)), confinement=confinement
    )
    try:
        supervisor.sync("w", [AgentSpec("main", "t1", "http://127.0.0.1:1", folder)])
        path: Path = eventually(lambda: (p := folder / "facts").exists() and p)
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    finally:
        assert supervisor.stop_all(grace=0.5)


def test_limits_hold_for_the_agent_and_all_it_starts(tmp_path: Path) -> None:
    facts = facts_of_an_agent(tmp_path, Confinement("", {"memory": 512, "files": 100, "processes": 7}))
    assert facts["limits"]["DATA"] == 512 * 1024 * 1024
    assert facts["limits"]["NOFILE"] == 100
    assert facts["limits"]["CORE"] == 0
    assert facts["limits"]["NPROC"] != 7, "counted over all processes of the server's own user"
    assert facts["leader"], "a session and process group of its own"
    assert not {"DJANGO_SETTINGS_MODULE", "CODER_ADMIN_DATA"} & set(facts["env"])


def test_a_program_that_takes_too_much_memory_fails_alone() -> None:
    command = Confinement("", {"memory": 256}).wrap((sys.executable, "-c", "bytearray(10**9)"))
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "MemoryError" in answer.stderr


@as_root
def test_scripts_run_as_another_user_who_sees_nothing_of_ours(tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"
    database.write_text("secret")
    database.chmod(0o644)
    for folder in [tmp_path, *tmp_path.parents][:3]:  # pytest's own folders are closed
        folder.chmod(folder.stat().st_mode | 0o011)
    confinement = Confinement("nobody", {"processes": 50}, "/usr/bin/python3")
    confinement.check(tmp_path)
    facts = facts_of_an_agent(tmp_path, confinement)
    entry = pwd.getpwnam("nobody")
    assert facts["uid"] == entry.pw_uid
    assert set(facts["groups"]) <= {entry.pw_gid}
    assert facts["limits"]["NPROC"] == 50
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    folder = tmp_path / "workspaces" / "w" / "agents" / "main"
    assert folder.stat().st_uid == entry.pw_uid
    assert stat.S_IMODE((tmp_path / "workspaces" / "w").stat().st_mode) == 0o711


@pytest.mark.parametrize(
    ("confinement", "words"),
    [
        (Confinement("no-such-user-here"), "no such user"),
        (Confinement("", {"colour": 1}), "knows no colour"),
        pytest.param(
            Confinement("nobody", {}, "/root/no-python"), "CODER_ADMIN_SCRIPT_PYTHON", marks=as_root
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(
    confinement: Confinement, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfinementError, match=words):
        confinement.check(tmp_path)


def test_the_settings_have_limits_by_default(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_settings().limits["memory"] > 0
    monkeypatch.setenv("X_LIMITS", "memory=1, files=2")
    assert Environment().counts("X_LIMITS") == {"memory": 1, "files": 2}
    monkeypatch.setenv("X_LIMITS", "memory=lots")
    with pytest.raises(ImproperlyConfigured, match="name=number"):
        Environment().counts("X_LIMITS")
