"""Provisioner jobs, their logs and timings, and the workers that run them.

The job's row is the truth (design section 7); ``job_status`` is a generated column, derived exactly as in
reference/prebuilds.md section 1.3.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from rbac.model import RbacObject, ResourceType

from .choices import JobPriority, JobStatus, JobType, LogLevel, LogSource


class ProvisionerDaemon(models.Model):
    """A worker process, alive while ``last_seen_at`` is recent."""

    rbac_type = ResourceType.PROVISIONER_DAEMON

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=128)
    hostname = models.CharField(max_length=128, blank=True)
    host = models.UUIDField(null=True, blank=True)  # the machine, by its data folder (``host.host_id``)
    version = models.CharField(max_length=32, blank=True)
    api_version = models.CharField(max_length=16, blank=True)
    provisioners = models.JSONField(default=list)
    tags = models.JSONField(default=dict)
    concurrency = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


_STATUS = Case(
    When(Q(completed_at__isnull=False) & ~Q(error=""), then=Value(JobStatus.FAILED)),
    When(completed_at__isnull=False, canceled_at__isnull=False, then=Value(JobStatus.CANCELED)),
    When(completed_at__isnull=False, then=Value(JobStatus.SUCCEEDED)),
    When(~Q(error=""), then=Value(JobStatus.FAILED)),
    When(canceled_at__isnull=False, then=Value(JobStatus.CANCELING)),
    When(started_at__isnull=True, then=Value(JobStatus.PENDING)),
    default=Value(JobStatus.RUNNING),
)


class ProvisionerJob(models.Model):
    """One piece of work for a worker: an import or a build."""

    rbac_type = ResourceType.PROVISIONER_JOBS

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    initiator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    organization = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE, related_name="+")
    provisioner = models.CharField(max_length=16, default="embedded")
    type = models.CharField(max_length=32, choices=JobType)
    input = models.JSONField(default=dict)
    file = models.ForeignKey("files.File", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    tags = models.JSONField(default=dict)
    priority = models.PositiveSmallIntegerField(choices=JobPriority, default=JobPriority.HUMAN)
    worker = models.ForeignKey(
        ProvisionerDaemon, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    host = models.UUIDField(null=True, blank=True)  # the machine that ran it last, kept when it is over
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    error_code = models.CharField(max_length=64, blank=True, default="")
    logs_length = models.PositiveIntegerField(default=0)
    logs_overflowed = models.BooleanField(default=False)
    job_status = models.GeneratedField(
        expression=_STATUS, output_field=models.CharField(max_length=16, choices=JobStatus), db_persist=True
    )

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(condition=Q(type__in=JobType.values), name="job_type_known"),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True)
                | Q(started_at__isnull=False)
                | Q(canceled_at__isnull=False)
                | ~Q(error=""),
                name="job_completed_after_start_or_cancel",
            ),
        )
        indexes = (
            models.Index(
                fields=("priority", "created_at"),
                condition=Q(started_at__isnull=True, completed_at__isnull=True),
                name="job_queue",
            ),
            models.Index(
                fields=("lease_expires_at",),
                condition=Q(started_at__isnull=False, completed_at__isnull=True),
                name="job_running",
            ),
            models.Index(fields=("organization", "-created_at"), name="job_organization"),
            models.Index(fields=("job_status",), name="job_status"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    def rbac_object(self) -> RbacObject:
        """``provisioner_jobs`` in the organization."""
        return RbacObject(ResourceType.PROVISIONER_JOBS, id=str(self.id), org=str(self.organization_id))


class ProvisionerJobLog(models.Model):
    """A line of a job's log; the id is its sequence number."""

    rbac_type = ResourceType.PROVISIONER_JOBS

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(ProvisionerJob, on_delete=models.CASCADE, related_name="logs")
    created_at = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=32, choices=LogSource, default=LogSource.PROVISIONER)
    level = models.CharField(max_length=8, choices=LogLevel, default=LogLevel.INFO)
    stage = models.CharField(max_length=128)
    output = models.TextField()

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=("job", "id"), name="job_log_sequence"),)

    def __str__(self) -> str:
        return f"[{self.level}] {self.stage}: {self.output}"


class ProvisionerJobTiming(models.Model):
    """How long one stage, or one resource in a stage, took."""

    rbac_type = ResourceType.PROVISIONER_JOBS

    job = models.ForeignKey(ProvisionerJob, on_delete=models.CASCADE, related_name="timings")
    stage = models.CharField(max_length=16)
    source = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=32, blank=True)
    resource = models.CharField(max_length=256, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ("started_at",)

    def __str__(self) -> str:
        return f"{self.stage} {self.resource}"
