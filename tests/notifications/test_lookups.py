"""Questions to a name server that hangs: nobody waits for them, and they do not pile up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from coder_admin.notifications import lookups
from tests.notifications.kit import until


def threads() -> int:
    return sum(thread.name == "name-lookup" for thread in threading.enumerate())


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Room for two questions, and an event for which they wait."""
    until(lambda: threads() == 0, "the questions of earlier tests")
    monkeypatch.setattr(lookups, "MOST_THREADS", 2)
    answers = threading.Event()
    yield answers
    answers.set()
    until(lambda: threads() == 0, "threads that end")


def test_an_answer_and_an_error_reach_who_asked() -> None:
    assert lookups.within(5, lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        lookups.within(5, lambda: 1 // 0)


def test_nobody_waits_longer_and_the_threads_stay_few(hanging: threading.Event) -> None:
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(TimeoutError):
            lookups.within(0.02, hanging.wait)
    assert time.monotonic() - began < 5
    assert threads() == 2
    assert len(lookups._waiting) <= 1, "nobody waits for the others any more"


def test_what_waited_in_line_is_answered_and_what_was_given_up_never_asked(hanging: threading.Event) -> None:
    first = [lookups.submit(hanging.wait) for _ in range(2)]
    given_up, wanted = lookups.submit(lambda: asked.append("given up")), lookups.submit(lambda: 7)
    asked: list[str] = []
    given_up.cancel()
    hanging.set()
    assert wanted.result(5) == 7
    assert [one.result(5) for one in first] == [True, True]
    assert asked == []
