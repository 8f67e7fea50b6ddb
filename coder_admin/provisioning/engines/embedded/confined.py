"""Files inside the workspace's folder, and nowhere else.

Scripts of the workspace own that folder and may put links into it at any time, so a path is walked one
folder at a time by descriptors that never follow a link; checking first and opening later would leave a gap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

from .resource import ResourceError
from .state import PRIVATE_FOLDER

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LARGEST: Final = 64 * 1024 * 1024


def parts_of(filename: str, workdir: Path) -> tuple[str, ...]:
    """The path below the workspace's folder; ResourceError when it leads out of it."""
    path = PurePosixPath(filename)
    if path.is_absolute():
        try:
            path = path.relative_to(str(workdir))
        except ValueError:
            raise _outside(filename) from None
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            if not parts:
                raise _outside(filename)
            parts.pop()
        elif part != ".":
            parts.append(part)
    if not parts or "\x00" in filename:
        raise ResourceError(f'"{filename}" names no file.')
    if parts[0] == PRIVATE_FOLDER:
        raise ResourceError(f'"{filename}" lies in {PRIVATE_FOLDER}, which belongs to the engine.')
    return tuple(parts)


def _outside(filename: str) -> ResourceError:
    return ResourceError(
        f'"{filename}" lies outside the workspace\'s folder. Files of the embedded engine stay inside it: '
        "use a relative path."
    )


def write(workdir: Path, filename: str, content: bytes, *, mode: int, folder_mode: int) -> None:
    """Create or replace the file, with the folders above it; a reader sees the old or the new content."""
    parts = parts_of(filename, workdir)
    workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _folder(workdir, parts[:-1], make=folder_mode) as folder:
            draft = f".{parts[-1][:200]}.draft"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
            os.replace(draft, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise ResourceError(f'"{filename}" cannot be written: {error.strerror}.') from None


def read(workdir: Path, filename: str) -> bytes | None:
    """The content; None when there is no such file."""
    parts = parts_of(filename, workdir)
    try:
        with _folder(workdir, parts[:-1]) as folder:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(parts[-1], flags, dir_fd=folder), "rb") as file:
                content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ResourceError(f'"{filename}" cannot be read: {error.strerror}.') from None
    if len(content) > LARGEST:
        raise ResourceError(f'"{filename}" is larger than {LARGEST // 1024 // 1024} MiB.')
    return content


def remove(workdir: Path, filename: str) -> None:
    """Remove the file if it is there; folders stay."""
    parts = parts_of(filename, workdir)
    try:
        with _folder(workdir, parts[:-1]) as folder:
            os.unlink(parts[-1], dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ResourceError(f'"{filename}" cannot be removed: {error.strerror}.') from None


@contextmanager
def _folder(workdir: Path, parts: tuple[str, ...], *, make: int | None = None) -> Iterator[int]:
    descriptor = os.open(workdir, _FOLDER)
    try:
        for part in parts:
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, make, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)
