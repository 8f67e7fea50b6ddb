"""Opened archives, held while somebody uses them (reference dynamic-parameters 1.6).

One fetch per file serves all who wait for it; errors are never kept; each acquirer is checked for
himself after the fetch; the last close forgets the archive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from uuid import UUID

from prometheus_client import Counter, Gauge

from coder_admin.foundation.errors import NotFound
from coder_admin.terraform import MemoryFileSystem
from rbac.django import may
from rbac.model import Action, RbacObject, Subject

from .archives import ArchiveError, read_archive
from .models import File

_BYTES = Gauge(
    "coderd_file_cache_open_files_size_bytes_current", "Bytes of the stored archives that are open."
)
_BYTES_TOTAL = Counter(
    "coderd_file_cache_open_files_size_bytes_total", "Bytes of all archives opened so far."
)
_FILES = Gauge("coderd_file_cache_open_files_current", "Archives that are open.")
_FILES_TOTAL = Counter("coderd_file_cache_open_files_total", "Archives opened so far.")
_REFS = Gauge("coderd_file_cache_open_file_refs_current", "References to open archives.")
_REFS_TOTAL = Counter("coderd_file_cache_open_file_refs_total", "References taken so far.", ["hit"])


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An archive in memory. ``size`` counts the stored bytes, not the unpacked ones."""

    id: UUID
    hash: str
    size: int
    files: Mapping[str, bytes]
    rbac_object: RbacObject

    def filesystem(self) -> MemoryFileSystem:
        return MemoryFileSystem(self.files)


Fetch = Callable[[UUID], OpenFile]


def fetch_from_database(file_id: UUID) -> OpenFile:
    """Read and unpack a stored archive. Raises NotFound, ArchiveError."""
    file = File.objects.filter(pk=file_id).first()
    if file is None:
        raise NotFound(f"The file {file_id} does not exist (any more).")
    data = bytes(file.data)
    return OpenFile(file.id, file.hash, file.size, read_archive(data, file.mimetype), file.rbac_object())


class Handle:
    """A reference to an open archive; closing it is idempotent."""

    def __init__(self, file: OpenFile, release: Callable[[], None]) -> None:
        self.file = file
        self._release: Callable[[], None] | None = release
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Entry:
    def __init__(self) -> None:
        self.fetched: Future[OpenFile] = Future()
        self.references = 0
        self.counted = 0


class FileCache:
    """Shared by all forms and imports of one process; threads may use it freely."""

    def __init__(self, fetch: Fetch = fetch_from_database) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._entries: dict[UUID, _Entry] = {}

    @property
    def open_files(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def references(self) -> int:
        with self._lock:
            return sum(entry.references for entry in self._entries.values())

    def acquire(self, file_id: UUID, *, subject: Subject) -> Handle:
        """An open archive that ``subject`` may read. Raises NotFound, ArchiveError; the caller closes it."""
        with self._lock:
            entry = self._entries.get(file_id)
            mine = entry is None
            if entry is None:
                entry = self._entries[file_id] = _Entry()
            entry.references += 1
        _REFS.inc()
        _REFS_TOTAL.labels(hit="false" if mine else "true").inc()
        if mine:
            self._fill(file_id, entry)
        try:
            file = entry.fetched.result()
            if not may(subject, Action.READ, file.rbac_object):
                raise NotFound
        except BaseException:
            self._release(file_id, entry)
            raise
        return Handle(file, lambda: self._release(file_id, entry))

    def _fill(self, file_id: UUID, entry: _Entry) -> None:
        """Fetch outside the lock, so that other files are not held up; a failure is never kept."""
        try:
            file = self._fetch(file_id)
        except BaseException as problem:
            with self._lock:
                if self._entries.get(file_id) is entry:
                    del self._entries[file_id]
            entry.fetched.set_exception(problem)
            return
        with self._lock:
            entry.counted = file.size
        _FILES.inc()
        _FILES_TOTAL.inc()
        _BYTES.inc(file.size)
        _BYTES_TOTAL.inc(file.size)
        entry.fetched.set_result(file)

    def _release(self, file_id: UUID, entry: _Entry) -> None:
        _REFS.dec()
        with self._lock:
            entry.references -= 1
            last = entry.references == 0 and self._entries.get(file_id) is entry
            if last:
                del self._entries[file_id]
        if last:
            _FILES.dec()
            _BYTES.dec(entry.counted)


#: The process's cache.
file_cache = FileCache()

__all__ = ["ArchiveError", "FileCache", "Handle", "OpenFile", "file_cache"]
