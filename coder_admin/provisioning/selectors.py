"""Reads of this room: jobs, logs, daemons, and where a job stands in the queue.

Jobs and daemons belong to no person: who may read them is a matter of the organization (``provisioner_jobs``,
``provisioner_daemon``). Logs of builds and imports are read by those rooms, which authorise them as parts
of their own object and pass the job in.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone

from coder_admin.foundation.errors import Invalid, NotFound
from rbac import Action, RbacObject, ResourceType, Subject
from rbac.django import may
from rbac.filters import FieldMap, visible_q

from . import handlers, queue
from . import tags as tag_rules
from .choices import JobStatus, JobType
from .daemons import STALE_AFTER
from .models import ProvisionerDaemon, ProvisionerJob, ProvisionerJobLog
from .waiting import MatchedWorkers, WaitingJob, WorkerFacts, fits, matched, reason

JOB_FIELDS = FieldMap(type=ResourceType.PROVISIONER_JOBS, org="organization_id")
MAX_LOG_LINES = 10_000  # of one answer; the rest is asked for by id

MAX_WORKERS = 1_000  # looked at when it is told why a job waits

Tags = Mapping[str, str]
Describer = Callable[[Sequence[ProvisionerJob]], Mapping[uuid.UUID, Mapping[str, Any]]]

_describers: dict[str, Describer] = {}


def register_describer(job_type: JobType, describer: Describer) -> None:
    """The room above says what jobs of this type are for: names and ids of template and workspace, by job."""
    _describers[job_type.value] = describer


def describe(jobs: Iterable[ProvisionerJob]) -> dict[uuid.UUID, Mapping[str, Any]]:
    """What each job is for, as far as the rooms above tell; one call for each type of job."""
    by_type: dict[str, list[ProvisionerJob]] = {}
    for job in jobs:
        by_type.setdefault(job.type, []).append(job)
    found: dict[uuid.UUID, Mapping[str, Any]] = {}
    for job_type, group in by_type.items():
        if job_type in _describers:
            found.update(_describers[job_type](group))
    return found


def jobs(viewer: Subject, organization_id: uuid.UUID | None = None) -> QuerySet[ProvisionerJob]:
    """Jobs that the viewer may read, newest first."""
    rows = ProvisionerJob.objects.filter(visible_q(viewer, Action.READ, JOB_FIELDS))
    if organization_id is not None:
        rows = rows.filter(organization_id=organization_id)
    return rows.select_related("worker").order_by("-created_at", "-id")


def require_jobs_readable(viewer: Subject, organization_id: uuid.UUID) -> None:
    """NotFound for whoever may not read the organization's jobs: the list itself does not exist for them."""
    if not may(viewer, Action.READ, RbacObject(ResourceType.PROVISIONER_JOBS, org=str(organization_id))):
        raise NotFound()


@dataclass(frozen=True)
class JobFilter:
    """What a list of jobs may be narrowed by; empty means all."""

    ids: Collection[uuid.UUID] = ()
    statuses: Collection[str] = ()
    tags: Tags | None = None
    initiator: uuid.UUID | None = None

    def apply(self, rows: QuerySet[ProvisionerJob]) -> QuerySet[ProvisionerJob]:
        if self.ids:
            rows = rows.filter(id__in=self.ids)
        if self.statuses:
            rows = rows.filter(job_status__in=self.statuses)
        if self.initiator:
            rows = rows.filter(initiator_id=self.initiator)
        for n, (name, value) in enumerate((self.tags or {}).items()):
            # By transform, not by keyword: a tag may be called like a lookup ("contains").
            found = Cast(KeyTextTransform(name, "tags"), TextField())
            rows = rows.alias(**{f"tag_{n}": found}).filter(**{f"tag_{n}": value})
        return rows


def job_filter(query: Mapping[str, str]) -> JobFilter:
    """The filter that a query string asks for: ids, status, tags, initiator. Raises Invalid."""
    try:
        ids = [uuid.UUID(part) for part in _parts(query.get("ids", ""))]
        initiator = uuid.UUID(query["initiator"]) if query.get("initiator") else None
    except ValueError:
        raise Invalid('Query params "ids" and "initiator" must hold UUIDs.') from None
    statuses = _parts(query.get("status", ""))
    unknown = sorted(set(statuses) - set(JobStatus.values))
    if unknown:
        raise Invalid(f'Query param "status" knows no {", ".join(unknown)}.')
    try:
        tags = tag_rules.parse(query.get("tags", ""))
    except tag_rules.TagError as error:
        raise Invalid('Query param "tags" cannot be read.', detail=str(error)) from None
    return JobFilter(ids, statuses, tags, initiator)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass(frozen=True)
class QueuePosition:
    """Where a job stands: 1 is next; (0, 0) for one that does not wait.

    ``reason``: why nothing can take it, "" while it waits its turn. ``matched``: who could; None for a job
    that does not wait.
    """

    position: int
    size: int
    reason: str = ""
    matched: MatchedWorkers | None = None


def job_queue_positions(jobs: Collection[ProvisionerJob]) -> dict[uuid.UUID, QueuePosition]:
    """Where each job stands among the waiting ones that the same daemons could take.

    Three queries whatever the number of jobs. Without any living daemon for a job, those with the same tags
    are what it waits with.
    """
    found = {job.id: QueuePosition(0, 0) for job in jobs}
    wanted = {job.id: job for job in jobs if job.job_status == JobStatus.PENDING}
    if not wanted:
        return found
    now = timezone.now()
    workers = worker_facts(now=now)
    line = [
        (job_id, (tag_key(tags), provisioner))
        for job_id, tags, provisioner in queue.waiting().values_list("id", "tags", "provisioner")
    ]
    takers = {
        key: frozenset(
            n
            for n, worker in enumerate(workers)
            if worker.alive and fits(WaitingJob(dict(key[0]), key[1]), worker)
        )
        for key in {key for _, key in line}
    }
    for key in {(tag_key(job.tags), job.provisioner) for job in wanted.values()}:
        rivals = [
            job_id
            for job_id, other in line
            if other == key or takers.get(key, frozenset()) & takers.get(other, frozenset())
        ]
        for position, job_id in enumerate(rivals, start=1):
            job = wanted.get(job_id)
            if job is not None and (tag_key(job.tags), job.provisioner) == key:
                facts = _waiting(job)
                found[job_id] = QueuePosition(
                    position, len(rivals), reason(facts, workers, now=now), matched(facts, workers)
                )
    return found


def _waiting(job: ProvisionerJob) -> WaitingJob:
    bound = job.updated_at + queue.ELSEWHERE_AFTER if job.host and job.type in handlers.local() else None
    return WaitingJob(job.tags, job.provisioner, job.host, bound)


def matched_workers(job: ProvisionerJob) -> MatchedWorkers:
    """Who could take the job, or could have, whatever has become of it."""
    return matched(_waiting(job), worker_facts(now=timezone.now()))


def worker_facts(*, now: datetime) -> list[WorkerFacts]:
    """The workers of the last week."""
    since = now - STALE_AFTER
    rows = ProvisionerDaemon.objects.order_by("-created_at").values_list(
        "tags", "provisioners", "host", "last_seen_at"
    )
    return [
        WorkerFacts(tags, provisioners, host, seen, seen is not None and seen > since)
        for tags, provisioners, host, seen in rows[:MAX_WORKERS]
    ]


def tag_key(tags: Tags) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tags.items()))


def waiting_reason(job: ProvisionerJob) -> str:
    """Why nothing takes a waiting job, for a person; "" while it simply waits its turn, or does not wait."""
    return job_queue_positions([job])[job.id].reason


def alive_daemons(*, now: datetime | None = None) -> QuerySet[ProvisionerDaemon]:
    """Workers seen within the stale interval."""
    return ProvisionerDaemon.objects.filter(last_seen_at__gt=(now or timezone.now()) - STALE_AFTER)


def can_be_taken(job: ProvisionerJob) -> bool:
    """Whether a living worker could take the job: one with its tags and its engine."""
    facts = WaitingJob(job.tags, job.provisioner)
    return any(worker.alive and fits(facts, worker) for worker in worker_facts(now=timezone.now()))


@dataclass(frozen=True)
class DaemonView:
    """A worker with what it does now and did last."""

    daemon: ProvisionerDaemon
    status: str  # offline, idle or busy
    current_job: ProvisionerJob | None
    previous_job: ProvisionerJob | None


def daemons(viewer: Subject, organization_id: uuid.UUID) -> list[DaemonView]:
    """The workers, for those who may read the organization's; NotFound for others. Three queries."""
    if not may(viewer, Action.READ, RbacObject(ResourceType.PROVISIONER_DAEMON, org=str(organization_id))):
        raise NotFound()
    rows = list(ProvisionerDaemon.objects.order_by("-last_seen_at", "name")[:100])
    ids = [daemon.id for daemon in rows]
    current = {
        job.worker_id: job
        for job in ProvisionerJob.objects.filter(
            worker_id__in=ids, organization_id=organization_id, started_at__isnull=False, completed_at=None
        )
    }
    busy = Counter(
        ProvisionerJob.objects.filter(
            worker_id__in=ids, started_at__isnull=False, completed_at=None
        ).values_list("worker_id", flat=True)
    )
    since = timezone.now() - STALE_AFTER
    previous = _last_jobs(ids, organization_id)
    views = []
    for daemon in rows:
        offline = daemon.last_seen_at is None or daemon.last_seen_at <= since
        status = "offline" if offline else "busy" if busy[daemon.id] else "idle"
        views.append(DaemonView(daemon, status, current.get(daemon.id), previous.get(daemon.id)))
    return views


def _last_jobs(worker_ids: Collection[uuid.UUID], organization_id: uuid.UUID) -> dict[Any, ProvisionerJob]:
    """The job that each worker completed last, in this organization."""
    newest = (
        ProvisionerJob.objects.filter(
            worker=OuterRef("pk"), organization_id=organization_id, completed_at__isnull=False
        )
        .order_by("-completed_at")
        .values("id")[:1]
    )
    ids = ProvisionerDaemon.objects.filter(id__in=worker_ids).annotate(last=Subquery(newest)).values("last")
    return {job.worker_id: job for job in ProvisionerJob.objects.filter(id__in=ids)}


def job_logs(
    job: ProvisionerJob | uuid.UUID, *, after: int = 0, before: int = 0, limit: int = MAX_LOG_LINES
) -> list[ProvisionerJobLog]:
    """Lines with ``after < id`` and, when given, ``id < before``, in order. The caller has authorised."""
    job_id = job.id if isinstance(job, ProvisionerJob) else job
    rows = ProvisionerJobLog.objects.filter(job_id=job_id, id__gt=after)
    if before:
        rows = rows.filter(id__lt=before)
    return list(rows.order_by("id")[: min(limit, MAX_LOG_LINES)])


def is_over(job_id: uuid.UUID) -> bool:
    """Whether the job has ended, or is gone: no more lines will come."""
    return not ProvisionerJob.objects.filter(id=job_id, completed_at__isnull=True).exists()


def log_bounds(query: Mapping[str, str]) -> tuple[int, int]:
    """``(after, before)`` of a query string; Invalid when one is not an integer."""
    bounds = []
    for name in ("after", "before"):
        text = query.get(name) or "0"
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise Invalid(f'Query param "{name}" must be an integer.')
        bounds.append(max(0, int(text)))
    return bounds[0], bounds[1]


def log_json(line: ProvisionerJobLog) -> dict[str, Any]:
    """One line as the API and the websockets show it."""
    return {
        "id": line.id,
        "created_at": line.created_at.isoformat().replace("+00:00", "Z"),
        "log_source": line.source,
        "log_level": line.level,
        "stage": line.stage,
        "output": line.output,
    }
