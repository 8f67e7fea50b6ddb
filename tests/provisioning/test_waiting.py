"""Why a job waits: each reason once, and none while a worker could take it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.provisioning.tags import UNTAGGED, normalise
from coder_admin.provisioning.waiting import WaitingJob, WorkerFacts, fits, matched, reason

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
HERE, THERE = uuid.uuid4(), uuid.uuid4()


def worker(
    *, alive: bool = True, engines: tuple[str, ...] = ("embedded",), host: uuid.UUID = HERE, **tags: str
) -> WorkerFacts:
    return WorkerFacts(normalise(tags), engines, host, NOW, alive)


def job(engine: str = "embedded", **tags: str) -> WaitingJob:
    return WaitingJob(normalise(tags), engine)


@pytest.mark.parametrize(
    ("waiting", "workers", "words"),
    [
        (job(), [], "No provisioner is running. Start one with: manage.py provisioner"),
        (job(), [worker(alive=False)], "No provisioner is running."),
        (job(region="eu"), [worker(), worker(region="us")], "No provisioner has tags region=eu."),
        (job(region="eu", gpu="1"), [worker()], "manage.py provisioner --tags gpu=1,region=eu"),
        (job(), [worker(region="eu")], "No provisioner without tags is running"),
        (job("terraform"), [worker()], "can run the engine terraform"),
    ],
)
def test_the_reason(waiting: WaitingJob, workers: list[WorkerFacts], words: str) -> None:
    assert words in reason(waiting, workers, now=NOW)


def test_what_another_machine_began_waits_for_it_for_a_while() -> None:
    bound = WaitingJob(UNTAGGED, "embedded", THERE, NOW + timedelta(minutes=4))
    assert "others take the job over in 4 min" in reason(bound, [worker()], now=NOW)
    assert reason(bound, [worker(), worker(host=THERE)], now=NOW) == ""
    assert reason(bound, [worker()], now=NOW + timedelta(minutes=4)) == ""


def test_who_could_take_it_counts_the_absent_too() -> None:
    workers = [worker(), worker(alive=False), worker(region="eu")]
    found = matched(job(), workers)
    assert (found.count, found.available, found.most_recently_seen) == (2, 1, NOW)


TAGS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]), max_size=2)
WORKERS = st.builds(
    lambda tags, alive, engine: WorkerFacts(normalise(tags), (engine,), HERE, NOW, alive),
    TAGS,
    st.booleans(),
    st.sampled_from(["embedded", "terraform"]),
)


@given(TAGS, st.sampled_from(["embedded", "terraform"]), st.lists(WORKERS, max_size=4))
def test_there_is_a_reason_exactly_when_no_living_worker_fits(
    tags: dict[str, str], engine: str, workers: list[WorkerFacts]
) -> None:
    waiting = WaitingJob(normalise(tags), engine)
    could = any(worker.alive and fits(waiting, worker) for worker in workers)
    assert (reason(waiting, workers, now=NOW) == "") == could
    assert (matched(waiting, workers).available > 0) == could
