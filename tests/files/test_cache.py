"""The cache of opened archives: one fetch for all, rights for each, errors never kept (reference 1.6)."""

import threading
import uuid
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from coder_admin.files.cache import FileCache, OpenFile
from coder_admin.foundation.errors import NotFound
from rbac.model import RbacObject, ResourceType, Subject
from rbac.subjects import SystemSubject, acting_as

OWNER = str(uuid.uuid4())


def opened(file_id: uuid.UUID) -> OpenFile:
    return OpenFile(
        file_id, "hash", 7, {"main.tf": b""}, RbacObject(ResourceType.FILE, id=str(file_id), owner=OWNER)
    )


@pytest.fixture
def reader() -> Subject:
    with acting_as(SystemSubject.FILE_READER, reason="a test reads an archive") as subject:
        return subject


class Fetch:
    """Counts fetches and lets a test hold them back."""

    def __init__(self, answer: Callable[[uuid.UUID], OpenFile] = opened) -> None:
        self.answer = answer
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, file_id: uuid.UUID) -> OpenFile:
        self.count += 1
        assert self.gate.wait(10)
        return self.answer(file_id)


def gauge(name: str) -> float:
    return REGISTRY.get_sample_value(f"coderd_file_cache_{name}") or 0


def test_waiters_share_one_fetch_and_the_last_close_forgets(reader: Subject) -> None:
    fetch, file_id = Fetch(), uuid.uuid4()
    cache = FileCache(fetch)
    before = (
        gauge("open_files_current"),
        gauge("open_file_refs_current"),
        gauge("open_files_size_bytes_current"),
    )
    fetch.gate.clear()
    handles = []
    threads = [
        threading.Thread(target=lambda: handles.append(cache.acquire(file_id, subject=reader)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    fetch.gate.set()
    for thread in threads:
        thread.join(10)
    assert fetch.count == 1
    assert len({id(handle.file) for handle in handles}) == 1
    assert (cache.open_files, cache.references) == (1, 8)
    assert gauge("open_files_size_bytes_current") == before[2] + 7
    for handle in handles:
        handle.close()
        handle.close()
    assert (cache.open_files, cache.references) == (0, 0)
    now = gauge("open_files_current"), gauge("open_file_refs_current"), gauge("open_files_size_bytes_current")
    assert now == before
    cache.acquire(file_id, subject=reader).close()
    assert fetch.count == 2


def test_failure_reaches_every_waiter_and_is_not_kept(reader: Subject) -> None:
    def fail(file_id: uuid.UUID) -> OpenFile:
        raise ConnectionError("database is away")

    fetch, file_id, errors = Fetch(fail), uuid.uuid4(), []
    cache = FileCache(fetch)
    fetch.gate.clear()

    def acquire() -> None:
        try:
            cache.acquire(file_id, subject=reader)
        except ConnectionError as problem:
            errors.append(problem)

    threads = [threading.Thread(target=acquire) for _ in range(4)]
    for thread in threads:
        thread.start()
    fetch.gate.set()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 4
    assert (cache.open_files, cache.references) == (0, 0)
    fetch.answer = opened
    with cache.acquire(file_id, subject=reader) as handle:
        assert handle.file.size == 7


def test_refused_acquirer_leaves_the_others_alone(reader: Subject) -> None:
    cache, file_id = FileCache(Fetch()), uuid.uuid4()
    handle = cache.acquire(file_id, subject=reader)
    with pytest.raises(NotFound):
        cache.acquire(file_id, subject=Subject(id=str(uuid.uuid4())))
    assert (cache.open_files, cache.references) == (1, 1)
    handle.close()
    with pytest.raises(NotFound):
        cache.acquire(file_id, subject=Subject(id=str(uuid.uuid4())))
    assert (cache.open_files, cache.references) == (0, 0)


def test_slow_fetch_does_not_hold_up_other_files(reader: Subject) -> None:
    slow, quick = uuid.uuid4(), uuid.uuid4()
    gate = threading.Event()

    def fetch(file_id: uuid.UUID) -> OpenFile:
        if file_id == slow:
            assert gate.wait(10)
        return opened(file_id)

    cache = FileCache(fetch)
    thread = threading.Thread(target=lambda: cache.acquire(slow, subject=reader).close())
    thread.start()
    cache.acquire(quick, subject=reader).close()
    gate.set()
    thread.join(10)
    assert cache.open_files == 0
