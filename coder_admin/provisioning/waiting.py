"""Why a waiting job is not taken, and who could take it. Pure: facts in, sentences out."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from . import tags as tag_rules

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """``bound_until``: until then only workers of ``host`` may take it; None = it is bound to none."""

    tags: Tags
    provisioner: str
    host: uuid.UUID | None = None
    bound_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    tags: Tags
    provisioners: Collection[str]
    host: uuid.UUID | None
    last_seen_at: datetime | None
    alive: bool


@dataclass(frozen=True, slots=True)
class MatchedWorkers:
    """``count``: workers with the job's tags and engine; ``available``: those of them that are alive."""

    count: int = 0
    available: int = 0
    most_recently_seen: datetime | None = None


def fits(job: WaitingJob, worker: WorkerFacts) -> bool:
    """Whether the worker may run the job at all: tags and engine."""
    return job.provisioner in worker.provisioners and tag_rules.matches(job.tags, worker.tags)


def matched(job: WaitingJob, workers: Iterable[WorkerFacts]) -> MatchedWorkers:
    """Who could take the job, whether alive or not."""
    fitting = [worker for worker in workers if fits(job, worker)]
    seen = [worker.last_seen_at for worker in fitting if worker.last_seen_at is not None]
    return MatchedWorkers(len(fitting), sum(w.alive for w in fitting), max(seen, default=None))


def reason(job: WaitingJob, workers: Sequence[WorkerFacts], *, now: datetime) -> str:
    """Why nothing can take the job now and what to do, for a person; "" while it simply waits its turn."""
    alive = [worker for worker in workers if worker.alive]
    plain = dict(job.tags) == tag_rules.UNTAGGED
    option = "" if plain else f" --tags {_option(job.tags)}"
    start = f"Start one with: manage.py provisioner{option}"
    if not alive:
        return f"No provisioner is running. {start}"
    tagged = [worker for worker in alive if tag_rules.matches(job.tags, worker.tags)]
    if not tagged and plain:
        return f"No provisioner without tags is running, and tagged ones leave untagged jobs alone. {start}"
    if not tagged:
        return f"No provisioner has tags {tag_rules.to_text(job.tags)}. {start}"
    fitting = [worker for worker in tagged if job.provisioner in worker.provisioners]
    if not fitting:
        return (
            f"No provisioner with fitting tags can run the engine {job.provisioner}. "
            f"Start one with CODER_ADMIN_ENGINE={job.provisioner}."
        )
    bound = job.bound_until is not None and now < job.bound_until
    if bound and not any(worker.host == job.host for worker in fitting):
        minutes = max(1, round((job.bound_until - now).total_seconds() / 60)) if job.bound_until else 1
        return (
            "The machine that began this job has no provisioner now. What it made is known there; "
            f"others take the job over in {minutes} min."
        )
    return ""


def _option(tags: Tags) -> str:
    """The tags as the command takes them."""
    shown = {k: v for k, v in tags.items() if tag_rules.UNTAGGED.get(k) != v}
    return ",".join(f"{name}={value}" for name, value in sorted(shown.items()))
