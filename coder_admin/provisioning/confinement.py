"""What the scripts of templates may use of this machine: as which user they run, and how much they may take.

They are somebody else's code. The limits are those of the kernel, for each process (memory, open files, size
of a file) or for the user (processes).
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from coder_admin.foundation.errors import Invalid

SCRIPT: Final = Path(__file__).with_name("confine.py")
PACKAGES: Final = str(Path(__file__).resolve().parents[2])  # where ``coder_admin`` is imported from
MIB: Final = 1024 * 1024
# Setting's name: the kernel's name and unit, and whether it only means something for a user of its own.
NAMES: Final[Mapping[str, tuple[str, int, bool]]] = {
    "memory": ("data", MIB, False),
    "files": ("nofile", 1, False),
    "file_size": ("fsize", MIB, False),
    "processes": ("nproc", 1, True),
}
OPEN_TO_PASS: Final = 0o711  # others may pass through the folder, and see nothing of it
PATIENCE: Final = 30.0  # seconds for the probe


class ConfinementError(Invalid):
    """The settings ask for what this machine cannot do; the message says what to change."""


@dataclass(frozen=True)
class Confinement:
    """``user``: name of a system user, "" = the server's own. ``limits``: by the names of ``NAMES``; memory
    and file_size in MiB, 0 = none. ``python``: the interpreter of agents, which that user must be able to
    run; any from 3.11 on will do, for the agent needs its standard library only."""

    user: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    python: str = sys.executable

    def wrap(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """The command that sets the limits and then becomes ``command``."""
        return (self.python, "-I", "-S", str(SCRIPT), self._kernel_limits(), *command)

    def _kernel_limits(self) -> str:
        parts = ["core=0"]
        for name, value in sorted(self.limits.items()):
            kernel, unit, of_user = NAMES[name]
            # The number of processes is counted over all of a user's: with the server's own it would end
            # the server first.
            if value and (self.user or not of_user):
                parts.append(f"{kernel}={value * unit}")
        return ",".join(parts)

    def popen_options(self) -> dict[str, Any]:
        """For ``subprocess.Popen``: the user with its own group only, and files for that user alone."""
        if not self.user:
            return {"umask": 0o077}
        entry = self.entry()
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "umask": 0o077}

    def entry(self) -> pwd.struct_passwd:
        """The user's entry; ConfinementError when there is none."""
        try:
            return pwd.getpwnam(self.user)
        except KeyError:
            raise ConfinementError(
                f'CODER_ADMIN_SCRIPT_USER names "{self.user}", but this system has no such user.'
            ) from None

    def make_folder(self, folder: Path, root: Path | None = None) -> None:
        """The agent's folder, owned by the user; ``root`` and what lies between can be passed through."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.user:
            return
        entry = self.entry()
        os.chown(folder, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
        for parent in folder.parents:
            with suppress(OSError):
                os.chmod(parent, OPEN_TO_PASS)
            if root is None or parent == root:
                return

    def check(self, data: Path) -> None:
        """ConfinementError when scripts cannot be run so. Closes what else lies in the data folder.

        The folder is opened for passing through, so everything in it must say itself that it is private: a
        database file that others may read would hold nothing back.
        """
        unknown = sorted(set(self.limits) - set(NAMES))
        if unknown:
            raise ConfinementError(
                f"CODER_ADMIN_SCRIPT_LIMITS knows no {', '.join(unknown)}; there are: {', '.join(NAMES)}."
            )
        if not self.user:
            return
        entry = self.entry()
        if os.geteuid() != 0 and entry.pw_uid != os.geteuid():
            raise ConfinementError(
                f'To run scripts as "{self.user}" (CODER_ADMIN_SCRIPT_USER) the worker itself must be root.'
            )
        for path in data.iterdir():
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode & 0o700)
        _probe(self)


def _probe(confinement: Confinement) -> None:
    """Whether the user can run the agent's program at all."""
    try:
        answer = subprocess.run(
            confinement.wrap((confinement.python, "-c", "import coder_admin.agent.agent")),
            env={"PYTHONPATH": PACKAGES, "PATH": os.environ.get("PATH", "")},
            cwd="/",
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            **confinement.popen_options(),
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise ConfinementError(
            f'"{confinement.user}" (CODER_ADMIN_SCRIPT_USER) cannot run {confinement.python}: {problem}. '
            "Name an interpreter that everybody may run (/usr/bin/python3) with CODER_ADMIN_SCRIPT_PYTHON."
        ) from None
    if answer.returncode:
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ConfinementError(
            f'"{confinement.user}" (CODER_ADMIN_SCRIPT_USER) cannot run the agent: {"".join(said)} '
            f"It must be able to read {PACKAGES} and to run {confinement.python}."
        )


def from_settings() -> Confinement:
    """The confinement of the running deployment."""
    return Confinement(
        settings.SCRIPT_USER, dict(settings.SCRIPT_LIMITS), settings.SCRIPT_PYTHON or sys.executable
    )
