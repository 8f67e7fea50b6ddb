"""Counting of events in a window of time, in the shared cache: for limits, not for statistics."""

from __future__ import annotations

from django.core.cache import cache


def count_hit(key: str, *, seconds: int) -> int:
    """Count one event under `key` and return how many the window has seen; it ends `seconds` after its first
    event. `key` must be fit for a cache (no spaces, short)."""
    if cache.add(key, 1, seconds):
        return 1
    try:
        return int(cache.incr(key))
    except ValueError:  # the window ended between the two calls
        cache.set(key, 1, seconds)
        return 1


def hits(key: str) -> int:
    """How many events the running window of `key` has seen."""
    return int(cache.get(key, 0))


def forget_hits(key: str) -> None:
    """Begin anew."""
    cache.delete(key)
