"""What is to be done now and then: held-back bursts, reports, old messages. Rooms above add their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.utils import timezone

from . import digests, outbox

log = structlog.get_logger(__name__)

Task = Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Chore:
    """`task(now)` runs each `every` seconds in every notifier; it settles itself who does the work."""

    name: str
    every: float
    task: Task


_chores: dict[str, Chore] = {}


def register(name: str, every: float, task: Task) -> None:
    """Have `task` run by every notifier from now on."""
    _chores[name] = Chore(name, every, task)


register("digests", 5.0, digests.tell_due)
register("old bursts", 3600.0, digests.forget_old)
register("old messages", 3600.0, outbox.clean_up)
register("unconfirmed messages", 60.0, outbox.give_up)


class Round:
    """Runs the chores that are due; each notifier has one."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def run_due(self) -> float:
        """Run what is due and return how many seconds there are until the next."""
        for chore in list(_chores.values()):
            if time.monotonic() < self._next.get(chore.name, 0.0):
                continue
            self._next[chore.name] = time.monotonic() + chore.every
            try:
                chore.task(timezone.now())
            except Exception:  # one that fails must not keep the others from running
                log.exception("chore failed, tried again later", chore=chore.name)
        return max(0.1, min(self._next.values()) - time.monotonic())
