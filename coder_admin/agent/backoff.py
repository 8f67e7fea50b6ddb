"""Waiting times between attempts: 100 ms, doubling, to 10 s."""

from __future__ import annotations

import os

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0


class Backoff:
    """Gives the next delay in seconds, shortened by up to a fifth so that a fleet does not march in step."""

    def __init__(self) -> None:
        self._delay = FIRST_DELAY

    def next(self) -> float:
        delay = self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        return delay * (1 - 0.2 * os.urandom(1)[0] / 255)

    def reset(self) -> None:
        self._delay = FIRST_DELAY
