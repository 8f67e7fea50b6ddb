"""A template's folder on this machine, read as an upload of it would be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from coder_admin.files.archives import DEFAULT_LIMITS, ArchiveError, Limits

_LEFT_OUT = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__"})
_STATE_SUFFIXES = (".tfstate", ".tfstate.backup")


def read_folder(folder: Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Path -> content of all files, without version control, state and downloaded providers.

    Raises ArchiveError for a folder that is none, cannot be read, is too large, or links out of itself.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise ArchiveError(f"{folder} {what}: name the folder that holds the template's .tf files.")
    root = folder.resolve()
    files: dict[str, bytes] = {}
    size = 0
    try:
        for path in _walk(root):
            relative = path.relative_to(root).as_posix()
            target = path.resolve()
            if root not in target.parents:
                raise ArchiveError(
                    f'"{relative}" in {folder} is a link out of it: replace it by the file itself.'
                )
            if not target.is_file():
                raise ArchiveError(f'"{relative}" in {folder} is a device, pipe or lost link: leave it out.')
            size += target.stat().st_size
            if size > limits.unpacked or len(files) >= limits.entries:
                bound = f"{limits.unpacked} bytes or {limits.entries} files"
                raise ArchiveError(
                    f'{folder} holds more than {bound} (reached at "{relative}"): leave some out.'
                )
            files[relative] = target.read_bytes()
    except OSError as problem:
        raise ArchiveError(
            f"{folder} cannot be read: {problem.strerror or problem} ({problem.filename})."
        ) from None
    return files


def _walk(root: Path) -> Iterator[Path]:
    """Files below ``root`` in a settled order; links to folders are not followed."""

    def fail(problem: OSError) -> None:
        raise problem

    for directory, folders, names in os.walk(root, onerror=fail):
        here = Path(directory)
        folders[:] = sorted(name for name in folders if _wanted(here / name, root))
        for name in sorted(names):
            if not name.endswith(_STATE_SUFFIXES):
                yield here / name


def _wanted(folder: Path, root: Path) -> bool:
    if folder.name in _LEFT_OUT or folder.is_symlink():
        return False
    relative = folder.relative_to(root).parts
    return relative[0] != ".terraform" or len(relative) == 1 or relative[1] == "modules"
