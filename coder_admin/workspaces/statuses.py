"""What a workspace is doing, from its latest build: one table (notifications-agents-provisioning 4.2)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from coder_admin.provisioning.choices import JobStatus

from .choices import Transition


class WorkspaceStatus(models.TextChoices):
    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELING = "canceling"
    CANCELED = "canceled"
    DELETING = "deleting"
    DELETED = "deleted"


_WHILE_RUNNING = {
    Transition.START: WorkspaceStatus.STARTING,
    Transition.STOP: WorkspaceStatus.STOPPING,
    Transition.DELETE: WorkspaceStatus.DELETING,
}
_WHEN_SUCCEEDED = {
    Transition.START: WorkspaceStatus.RUNNING,
    Transition.STOP: WorkspaceStatus.STOPPED,
    Transition.DELETE: WorkspaceStatus.DELETED,
}
_WHATEVER_TRANSITION = {
    JobStatus.PENDING: WorkspaceStatus.PENDING,
    JobStatus.CANCELING: WorkspaceStatus.CANCELING,
    JobStatus.CANCELED: WorkspaceStatus.CANCELED,
    JobStatus.FAILED: WorkspaceStatus.FAILED,
}


def workspace_status(transition: str, job_status: str) -> WorkspaceStatus:
    """The status that a build with this transition gives its workspace while its job is in this state."""
    job = JobStatus(job_status)
    if job in _WHATEVER_TRANSITION:
        return _WHATEVER_TRANSITION[job]
    table = _WHILE_RUNNING if job is JobStatus.RUNNING else _WHEN_SUCCEEDED
    return table[Transition(transition)]


def status_q(status: WorkspaceStatus, build: str = "latest_build") -> Q:
    """The workspaces of that status, as a filter; `build` is the path from the row to the build."""
    wanted = Q(pk__in=[])
    for job in JobStatus:
        for transition in Transition:
            if workspace_status(transition, job) is status:
                wanted |= Q(**{f"{build}__job__job_status": job, f"{build}__transition": transition})
    return wanted
