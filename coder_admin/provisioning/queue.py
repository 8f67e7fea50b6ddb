"""The queue in the database: taking jobs, keeping them, giving them back.

A worker holds a job by a lease: the row names worker, attempt and the time until which nobody else may
touch it. Every write of a worker is conditional on all of it, so that a worker that was away too long (paused
machine, lost network) cannot write over the one that has the job now.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import F, Q, QuerySet

from . import tags as tag_rules
from .models import ProvisionerJob

ELSEWHERE_AFTER = timedelta(
    minutes=5
)  # a job whose last run left something on its machine waits so long for it
HEAD = 20  # rows looked at before the tags of the whole queue are asked for


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a job: valid while the row shows the same worker and attempt."""

    job_id: uuid.UUID
    worker_id: uuid.UUID
    attempt: int

    def rows(self) -> QuerySet[ProvisionerJob]:
        """The job's row, if the claim still holds."""
        return ProvisionerJob.objects.filter(
            id=self.job_id,
            worker_id=self.worker_id,
            attempt=self.attempt,
            started_at__isnull=False,
            completed_at__isnull=True,
        )


def waiting() -> QuerySet[ProvisionerJob]:
    """Jobs that nobody has, in the order in which they are taken: people before prebuilds, then by age."""
    return ProvisionerJob.objects.filter(
        started_at__isnull=True, completed_at__isnull=True, canceled_at__isnull=True, error=""
    ).order_by("priority", "created_at", "id")


@dataclass(frozen=True, slots=True)
class Taker:
    """A worker as the queue sees it. ``types``: of jobs it has handlers for; ``local_types``: those whose
    next attempt belongs on the machine of the last one (``host``); ``provisioners``: engines it can run."""

    worker_id: uuid.UUID
    tags: Mapping[str, str]
    host: uuid.UUID
    types: Collection[str]
    local_types: Collection[str] = ()
    provisioners: Collection[str] = ()

    def rows(self, now: datetime) -> QuerySet[ProvisionerJob]:
        """The waiting jobs that it may run, tags aside, in their order."""
        here = Q(host=None) | Q(host=self.host) | Q(updated_at__lte=now - ELSEWHERE_AFTER)
        return waiting().filter(
            here | ~Q(type__in=list(self.local_types)),
            type__in=list(self.types),
            provisioner__in=list(self.provisioners),
        )


def claim(taker: Taker, *, now: datetime, lease: timedelta) -> Claim | None:
    """Take the first waiting job that this worker may run; None when there is none.

    Two queries in the usual case. The UPDATE is conditional on the row still waiting, so of any number of
    workers that saw the same row exactly one gets it and the others go on to the next (SQLite and PostgreSQL
    alike, without a lock that anybody waits for longer than one UPDATE).
    """
    rows = taker.rows(now)
    head = list(rows.values_list("id", "attempt", "tags")[:HEAD])
    fitting = ((i, a) for i, a, t in head if tag_rules.matches(t, taker.tags))
    taken = _take_first(fitting, taker, now, lease)
    if taken is not None or len(head) < HEAD:
        return taken
    return _take_first(_matching(rows, taker.tags), taker, now, lease)


def _matching(rows: QuerySet[ProvisionerJob], worker_tags: Mapping[str, str]) -> list[tuple[uuid.UUID, int]]:
    """The first rows with tags of this worker, however many others wait before them."""
    sets = rows.order_by().values_list("tags", flat=True).distinct()
    wanted = [Q(tags=tags) for tags in sets if tag_rules.matches(tags, worker_tags)]
    if not wanted:
        return []
    return list(rows.filter(reduce(or_, wanted)).values_list("id", "attempt")[:HEAD])


def _take_first(
    candidates: Iterable[tuple[uuid.UUID, int]], taker: Taker, now: datetime, lease: timedelta
) -> Claim | None:
    for job_id, attempt in candidates:
        count = (
            waiting()
            .filter(id=job_id, attempt=attempt)
            .update(
                started_at=now,
                updated_at=now,
                worker_id=taker.worker_id,
                host=taker.host,
                attempt=attempt + 1,
                lease_expires_at=now + lease,
            )
        )
        if count:
            return Claim(job_id, taker.worker_id, attempt + 1)
    return None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a worker learns of its jobs when it looks after them."""

    held: frozenset[Claim]
    canceled: frozenset[uuid.UUID]


def look_after(claims: Collection[Claim], *, now: datetime, renew_until: datetime | None) -> Kept:
    """Which of the claims still hold and which jobs are to end; ``renew_until`` also extends their leases.

    A lease that ran out is not renewed once somebody else has the job: worker and attempt differ then.
    """
    if not claims:
        return Kept(frozenset(), frozenset())
    worker_id = next(iter(claims)).worker_id
    rows = ProvisionerJob.objects.filter(
        id__in=[c.job_id for c in claims],
        worker_id=worker_id,
        started_at__isnull=False,
        completed_at__isnull=True,
    )
    if renew_until is not None:
        rows.update(lease_expires_at=renew_until, updated_at=now)
    found = {(i, a): c for i, a, c in rows.values_list("id", "attempt", "canceled_at")}
    return Kept(
        held=frozenset(c for c in claims if (c.job_id, c.attempt) in found),
        canceled=frozenset(job_id for (job_id, _), canceled_at in found.items() if canceled_at is not None),
    )


def release(claim: Claim, *, now: datetime, count_attempt: bool) -> bool:
    """Give the job back to the queue; False when the claim no longer holds.

    count_attempt: False when the worker stops in order and the attempt was no failure of the job.
    """
    changes: dict[str, object] = {
        "started_at": None,
        "worker_id": None,
        "lease_expires_at": None,
        "updated_at": now,
    }
    if not count_attempt:
        changes["attempt"] = F("attempt") - 1
    return bool(claim.rows().filter(canceled_at__isnull=True).update(**changes))
