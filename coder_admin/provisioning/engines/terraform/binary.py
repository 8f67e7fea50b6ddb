"""Finding the command and knowing that it is new enough."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from coder_admin.provisioning.engines.base import EngineError

CANDIDATES: Final = ("terraform", "tofu")
OLDEST: Final = (1, 4)  # the first with terraform_data and a plugin cache that needs no lock file
PATIENCE: Final = 60.0  # seconds; a busy machine reads a file of 90 MB
SETTING: Final = "CODER_ADMIN_TERRAFORM_BINARY"


@dataclass(frozen=True)
class Binary:
    path: str
    version: str


def is_there(wanted: str) -> bool:
    """Whether there is a command at all; whether it is good enough is asked when it is needed."""
    return any(shutil.which(name) for name in ((wanted,) if wanted else CANDIDATES))


def find_binary(wanted: str) -> Binary:
    """The command that the setting names, else the first found on PATH.

    Raises EngineError when there is none, when it does not run, or when it is too old.
    """
    names = (wanted,) if wanted else CANDIDATES
    for name in names:
        if path := shutil.which(name):
            file = Path(path).resolve()
            return _asked(path, file.stat().st_mtime_ns)
    raise EngineError(_absence(wanted))


def _absence(wanted: str) -> str:
    if wanted:
        return (
            f'The Terraform engine is switched on, but "{wanted}" is no command of this machine. '
            f"Set {SETTING} to the path of terraform or tofu."
        )
    return (
        "The Terraform engine is switched on, but neither terraform nor tofu is on the PATH of this machine. "
        f"Install one, name it with {SETTING}, or set CODER_ADMIN_ENGINE=embedded."
    )


@lru_cache(maxsize=8)
def _asked(path: str, changed: int) -> Binary:
    """Asked once per file: ``changed`` is when it was last written, so that a new version is noticed."""
    try:
        answer = subprocess.run(
            [path, "version", "-json"],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"CHECKPOINT_DISABLE": "1", "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"},
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise EngineError(f'"{path}" cannot be run: {problem}. Check {SETTING}.') from None
    try:
        version = json.loads(answer.stdout)["terraform_version"]
        major, minor = re.findall(r"\d+", version)[:2]
    except (ValueError, KeyError, TypeError):
        said = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip()[:500]
        raise EngineError(
            f'"{path}" does not answer as terraform or tofu does (exit code {answer.returncode}): {said}. '
            f"Check {SETTING}."
        ) from None
    if (int(major), int(minor)) < OLDEST:
        raise EngineError(
            f'"{path}" is version {version}; the engine needs {".".join(map(str, OLDEST))} or newer.'
        )
    return Binary(path, version)
