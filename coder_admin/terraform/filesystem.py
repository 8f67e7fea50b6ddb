"""Where a module's files come from.

The language reads files only through a `FileSystem`; paths are POSIX and relative to the root of the
module archive, and nothing outside that root can be named. That is the whole confinement of untrusted
templates: the file functions and the module loader have no other way to a file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

MAX_FILE_BYTES = 16 * 1024 * 1024


class OutsideModuleError(FileNotFoundError):
    """A path leads out of the module archive."""


class FileTooLargeError(OSError):
    """A file is larger than the language reads (16 MiB)."""


def normalize(path: str) -> str:
    """The path without `.`, `..` and doubled slashes; `""` for the root.

    Raises OutsideModuleError for an absolute path and for one that climbs above the root.
    """
    if "\0" in path:
        raise OutsideModuleError(f"the path {path!r} holds a NUL character")
    if path.startswith("/"):
        raise OutsideModuleError(f"the path {path!r} is absolute; only files of the module can be read")
    clean = posixpath.normpath(path) if path else "."
    if clean == ".." or clean.startswith("../"):
        raise OutsideModuleError(f"the path {path!r} leads out of the module")
    return "" if clean == "." else clean


class FileSystem(Protocol):
    """Read access to the files of one module archive."""

    def read(self, path: str) -> bytes:
        """The file's content; FileNotFoundError, IsADirectoryError, FileTooLargeError."""

    def list(self, directory: str) -> list[str]:
        """Sorted names of the files directly in the directory; empty when there is no such directory."""

    def exists(self, path: str) -> bool:
        """Whether it is a file."""

    def is_dir(self, path: str) -> bool:
        """Whether it is a directory (the root always is)."""

    def walk(self, directory: str) -> Iterator[str]:
        """Paths, relative to `directory`, of all files below it, sorted."""


class MemoryFileSystem:
    """Files held in memory, such as those of an unpacked archive."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self._files = {
            normalize(path): data if isinstance(data, bytes) else data.encode()
            for path, data in files.items()
        }
        self._directories: dict[str, list[str]] = {"": []}
        for path in sorted(self._files):
            directory, name = posixpath.split(path)
            self._directories.setdefault(directory, []).append(name)
            while directory:
                directory = posixpath.dirname(directory)
                self._directories.setdefault(directory, [])

    def read(self, path: str) -> bytes:
        clean = normalize(path)
        try:
            return self._files[clean]
        except KeyError:
            if clean in self._directories:
                raise IsADirectoryError(path) from None
            raise FileNotFoundError(path) from None

    def list(self, directory: str) -> list[str]:
        return list(self._directories.get(normalize(directory), ()))

    def exists(self, path: str) -> bool:
        return normalize(path) in self._files

    def is_dir(self, path: str) -> bool:
        return normalize(path) in self._directories

    def walk(self, directory: str) -> Iterator[str]:
        clean = normalize(directory)
        prefix = f"{clean}/" if clean else ""
        for path in sorted(self._files):
            if path.startswith(prefix):
                yield path[len(prefix) :]


class DirectoryFileSystem:
    """A folder on disk. Symbolic links that lead out of it are as if they were not there."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def _resolve(self, path: str) -> Path:
        target = (self._root / normalize(path)).resolve()
        if target != self._root and self._root not in target.parents:
            raise OutsideModuleError(f"the path {path!r} leads out of the module")
        return target

    def read(self, path: str) -> bytes:
        target = self._resolve(path)
        if target.is_dir():
            raise IsADirectoryError(path)
        if not target.is_file():  # also devices and pipes, which would block
            raise FileNotFoundError(path)
        with target.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise FileTooLargeError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return data

    def list(self, directory: str) -> list[str]:
        try:
            target = self._resolve(directory)
            names = sorted(entry.name for entry in target.iterdir())
        except OSError:
            return []
        base = normalize(directory)
        return [name for name in names if self.exists(posixpath.join(base, name))]

    def exists(self, path: str) -> bool:
        try:
            return self._resolve(path).is_file()
        except OSError:
            return False

    def is_dir(self, path: str) -> bool:
        try:
            return self._resolve(path).is_dir()
        except OSError:
            return False

    def walk(self, directory: str) -> Iterator[str]:
        base = self._resolve(directory)
        for entry in sorted(base.rglob("*")):
            relative = entry.relative_to(base).as_posix()
            if self.exists(posixpath.join(normalize(directory), relative)):
                yield relative
