"""Windows of counted events."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

from coder_admin.foundation.counters import count_hit, forget_hits, hits


def test_hits_add_up_until_forgotten() -> None:
    key = f"test-{uuid.uuid4()}"
    assert hits(key) == 0
    assert [count_hit(key, seconds=60) for _ in range(3)] == [1, 2, 3]
    assert hits(key) == 3
    forget_hits(key)
    assert count_hit(key, seconds=60) == 1


def test_window_that_is_over_begins_anew() -> None:
    key = f"test-{uuid.uuid4()}"
    count_hit(key, seconds=0)
    assert hits(key) == 0
    assert count_hit(key, seconds=60) == 1


def test_no_hit_is_lost_between_threads() -> None:
    key = f"test-{uuid.uuid4()}"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: count_hit(key, seconds=60), range(200)))
    assert hits(key) == 200
