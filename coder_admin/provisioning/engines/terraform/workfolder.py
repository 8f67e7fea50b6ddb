"""The folder in which Terraform runs: ``.coder-admin/terraform`` in the folder of the workspace.

``run`` holds the template's files and Terraform's own, made anew for each build; ``terraform.tfstate`` is
what Terraform writes while it applies, so that a killed build loses nothing; ``lock`` is held by whoever
works here, and inherited by the command: it is free when the last of its processes has ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coder_admin.provisioning.engines.base import CheckCanceled, EngineError
from coder_admin.provisioning.engines.embedded.state import PRIVATE_FOLDER
from coder_admin.terraform import FileSystem

OVERRIDE: Final = "zzzz_coder_admin_override.tf"  # overrides are merged by name, ours last
LEFT_OUT: Final = ("terraform.tfstate", "errored.tfstate")
BETWEEN_TRIES: Final = 0.1  # seconds


@dataclass(frozen=True)
class WorkFolder:
    root: Path

    @staticmethod
    def of(workdir: Path) -> WorkFolder:
        return WorkFolder(workdir.absolute() / PRIVATE_FOLDER / "terraform")

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def state(self) -> Path:
        return self.root / "terraform.tfstate"

    @property
    def plan(self) -> Path:
        return self.root / "plan"

    def lay_out(self, source: FileSystem, state: bytes | None) -> None:
        """The template's files and the state, and nothing of earlier builds."""
        for folder in (self.run, self.home):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        os.chmod(self.root, 0o700)
        self.plan.unlink(missing_ok=True)
        for path in source.walk(""):
            if path.split("/")[0] != ".terraform" and not path.startswith(LEFT_OUT):
                _write(self.run / path, source.read(path))
        # The state stays where we keep it, whatever backend or cloud the template names.
        where = json.dumps(str(self.state), ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
        backend = f'terraform {{\n  backend "local" {{\n    path = {where}\n  }}\n}}\n'
        _write(self.run / OVERRIDE, backend.encode())
        if state:
            _write(self.state, state)
        else:
            self.state.unlink(missing_ok=True)
        for name in ("terraform.tfstate.backup", ".terraform.tfstate.lock.info"):
            (self.root / name).unlink(missing_ok=True)

    def newest_state(self, known: bytes | None) -> bytes | None:
        """The state on disk where it goes on from the known one, else the known one.

        An apply that was killed had no time to hand over what it made. A state that has nothing to do with
        the known one (another lineage) or is not newer is none of our business.
        """
        best = known
        for path in (self.state, self.run / "errored.tfstate"):
            found = _read(path)
            if found and _follows(found, best):
                best = found
        return best

    def written_at(self) -> int:
        """When the state was last written, in nanoseconds; 0 when there is none."""
        try:
            return self.state.stat().st_mtime_ns
        except OSError:
            return 0

    def whole_state(self) -> bytes | None:
        """The state as it is now; None when Terraform is just writing it."""
        found = _read(self.state)
        return found if found and _serial(found) >= 0 else None

    def state_after(self, before: bytes | None) -> bytes:
        """What there is after an apply, whatever became of it."""
        found = [s for p in (self.state, self.run / "errored.tfstate") if (s := _read(p)) is not None]
        return max(found, key=_serial, default=before or b"")

    def clear(self) -> None:
        """Nothing is left to remember: the workspace has no resources any more."""
        shutil.rmtree(self.root, ignore_errors=True)

    def tidy(self) -> None:
        """After a build: the plan and the copies of the template go, they may hold secrets; state stays."""
        self.plan.unlink(missing_ok=True)
        for folder in (self.run, self.home):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: Path, check_canceled: CheckCanceled, *, patience: float, busy: str) -> Iterator[int]:
    """Hold the lock file; its descriptor. EngineError with ``busy`` after ``patience`` seconds."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise EngineError(f"The engine cannot write in its folder: {problem}.") from None
    try:
        end = time.monotonic() + patience
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            check_canceled()
            if time.monotonic() >= end:
                raise EngineError(busy)
            time.sleep(BETWEEN_TRIES)
        yield descriptor
    finally:
        os.close(descriptor)


def resources_in(state: bytes | None) -> bool:
    """Whether a raw state holds any managed resource; an unreadable one may."""
    if not state:
        return False
    with suppress(ValueError):
        document = json.loads(state)
        if isinstance(document, dict) and isinstance(document.get("resources"), list):
            return any(isinstance(r, dict) and r.get("mode") == "managed" for r in document["resources"])
    return True


def agent_ids(state: bytes | None) -> dict[str, str]:
    """Id of each ``coder_agent`` in a raw state by the agent's name."""
    found: dict[str, str] = {}
    for resource in _document(state).get("resources") or ():
        if resource.get("mode") == "managed" and resource.get("type") == "coder_agent":
            for instance in resource.get("instances") or ():
                found[str(resource.get("name"))] = str((instance.get("attributes") or {}).get("id") or "")
    return {name: agent_id for name, agent_id in found.items() if agent_id}


def check_state(state: bytes | None) -> None:
    """EngineError when the state is not one of Terraform's."""
    if not state:
        return
    document = _document(state)
    if isinstance(document.get("version"), int) and "lineage" in document and "format" not in document:
        return
    if "format" in document:
        raise EngineError(
            "The workspace's state was written by another engine. Build it with the engine that made it "
            "(setting CODER_ADMIN_ENGINE), or delete the workspace there first."
        )
    raise EngineError("The workspace's state is damaged: it is not a state of Terraform.")


def _follows(found: bytes, known: bytes | None) -> bool:
    if _serial(found) < 0:
        return False
    if not known:
        return resources_in(found)
    same = _document(found).get("lineage") == _document(known).get("lineage")
    return same and _serial(found) > _serial(known)


def _serial(state: bytes) -> int:
    serial = _document(state).get("serial")
    return serial if isinstance(serial, int) else -1


def _document(state: bytes | None) -> Mapping[str, Any]:
    with suppress(ValueError, RecursionError):
        document = json.loads(state or b"{}")
        if isinstance(document, dict):
            return document
    return {}


def _read(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _write(path: Path, data: bytes) -> None:
    """A file for us alone; scripts can be run, for archives do not tell what could."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.chmod(path, 0o700 if data.startswith(b"#!") else 0o600)
