"""Provisioner jobs and workers for pages."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from coder_admin.catalog.models import TemplateVersion
from coder_admin.foundation.errors import NotFound
from coder_admin.foundation.search import parse_terms
from coder_admin.provisioning import selectors as provisioning
from coder_admin.provisioning.choices import JobStatus, JobType
from coder_admin.provisioning.models import ProvisionerDaemon, ProvisionerJob, ProvisionerJobLog
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed

from .live import readable_jobs

KEYS = frozenset({"status", "type", "initiator"})
MAX_DAEMONS = 50


@dataclass(frozen=True)
class JobRow:
    """One job of the list: what it is for, where it stands in the queue (0: not waiting), and why nothing
    can take it ("": it waits its turn)."""

    job: ProvisionerJob
    subject: str
    url: str
    position: int
    queue: int
    reason: str


@dataclass(frozen=True)
class DaemonRow:
    """One worker with its state."""

    row: ProvisionerDaemon
    status: str

    def __getattr__(self, name: str) -> object:
        return getattr(self.row, name)


def may_see_jobs(viewer: Subject) -> bool:
    """Whether the viewer may read the jobs of some organization; others are not told of the page."""
    return allowed(viewer, Action.READ, RbacObject(ResourceType.PROVISIONER_JOBS, any_org=True))


def job_list(viewer: Subject, organization: str) -> QuerySet[ProvisionerJob]:
    """Jobs that the viewer may read, newest first."""
    rows = provisioning.jobs(viewer)
    if organization:
        rows = rows.filter(organization__name=organization)
    return rows.select_related("initiator", "worker", "organization").order_by("-created_at", "-id")


def matching(rows: QuerySet[ProvisionerJob], text: str) -> QuerySet[ProvisionerJob]:
    """The jobs that a filter text asks for. Raises Invalid."""
    terms = parse_terms(text, keys=KEYS, default="initiator")
    if status := terms.first("status"):
        rows = rows.filter(job_status=status)
    if kind := terms.first("type"):
        rows = rows.filter(type=kind)
    if initiator := terms.first("initiator"):
        rows = rows.filter(initiator__username__icontains=initiator)
    return rows


def queue_counts(viewer: Subject, organization: str) -> tuple[int, int]:
    """How many jobs wait and how many run."""
    counted = job_list(viewer, organization).aggregate(
        waiting=Count("pk", filter=Q(job_status=JobStatus.PENDING)),
        running=Count("pk", filter=Q(job_status__in=(JobStatus.RUNNING, JobStatus.CANCELING))),
    )
    return counted["waiting"], counted["running"]


def job_rows(jobs: Sequence[ProvisionerJob]) -> list[JobRow]:
    """A page of jobs with purposes and places: a constant number of queries."""
    with_subjects = {
        row.pk: row
        for row in ProvisionerJob.objects.filter(pk__in=[job.pk for job in jobs]).select_related(
            "workspace_build__workspace__owner",
            "workspace_build__workspace__template",
            "template_version__template__organization",
            "dry_run__template_version__template__organization",
        )
    }
    positions = provisioning.job_queue_positions([job for job in jobs if job.job_status == JobStatus.PENDING])
    rows = []
    for job in jobs:
        subject, url = _subject(with_subjects.get(job.pk, job))
        place = positions.get(job.pk)
        rows.append(
            JobRow(
                job,
                subject,
                url,
                position=place.position if place else 0,
                queue=place.size if place else 0,
                reason=place.reason if place else "",
            )
        )
    return rows


def _subject(job: ProvisionerJob) -> tuple[str, str]:
    download = reverse("dashboard:job-download", args=(job.pk,))
    build = getattr(job, "workspace_build", None) if job.type == JobType.WORKSPACE_BUILD else None
    if build is not None:
        workspace = build.workspace
        url = reverse("dashboard:build", args=(workspace.owner.username, workspace.name, build.build_number))
        return f"{workspace.owner.username}/{workspace.name}: {build.transition}", url
    tried = getattr(job, "dry_run", None)
    if tried is not None:
        return f"{_version_label(tried.template_version)}: dry run", download
    version = getattr(job, "template_version", None)
    if version is not None and version.template is not None:
        template = version.template
        url = reverse("dashboard:version", args=(template.organization.name, template.name, version.name))
        return _version_label(version), url
    return version.name if version is not None else "", download


def _version_label(version: TemplateVersion) -> str:
    return f"{version.template.label}: {version.name}" if version.template is not None else version.name


def job_of(viewer: Subject, job_id: uuid.UUID) -> ProvisionerJob:
    """A job whose workspace or template version the viewer may read. Raises NotFound."""
    if job_id not in readable_jobs(viewer, {job_id}):
        raise NotFound
    return ProvisionerJob.objects.get(pk=job_id)


def job_lines(job: ProvisionerJob) -> QuerySet[ProvisionerJobLog]:
    """The lines of a job that was read before."""
    return ProvisionerJobLog.objects.filter(job=job).order_by("id")


def daemons(viewer: Subject, now: datetime) -> list[DaemonRow]:
    """Workers and whether they are there, for those who may read them in some organization."""
    if not allowed(viewer, Action.READ, RbacObject(ResourceType.PROVISIONER_DAEMON, any_org=True)):
        return []
    busy = set(
        ProvisionerJob.objects.filter(worker__isnull=False, completed_at=None).values_list(
            "worker", flat=True
        )
    )
    alive = set(provisioning.alive_daemons(now=now).values_list("pk", flat=True))
    rows = ProvisionerDaemon.objects.order_by("-last_seen_at")[:MAX_DAEMONS]
    return [
        DaemonRow(row, "offline" if row.pk not in alive else "busy" if row.pk in busy else "idle")
        for row in rows
    ]
