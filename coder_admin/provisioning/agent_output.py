"""What an agent prints, kept in its folder within bounds."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LIMIT = 512 * 1024  # bytes; then the file becomes ``<name>.1`` and a new one begins


class OutputFile:
    """Appends to a file that never grows over the limit. Trouble with the disk is nobody's trouble here."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._descriptor = -1
        self._size = 0

    def write(self, data: bytes) -> None:
        with suppress(OSError):
            if self._descriptor < 0:
                self._open()
            if self._size + len(data) > self._limit and self._size:
                self._rotate()
            data = data[-self._limit :]
            self._size += os.write(self._descriptor, data)

    def close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        # O_NOFOLLOW: scripts own the folder and could point the name elsewhere.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._open()
