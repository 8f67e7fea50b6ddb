"""Jobs and workers as the API shows them (reference: "Lists")."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from . import selectors
from . import tags as tag_rules
from .models import ProvisionerDaemon, ProvisionerJob
from .selectors import DaemonView, QueuePosition
from .waiting import MatchedWorkers

NOT_WAITING = QueuePosition(0, 0)
_INPUT_FIELDS = ("template_version_id", "workspace_build_id", "error")


def job_json(
    job: ProvisionerJob,
    *,
    position: QueuePosition = NOT_WAITING,
    metadata: Mapping[str, Any] | None = None,
    available: Sequence[str] = (),
) -> dict[str, Any]:
    """One job; builds and versions embed it."""
    return {
        "id": str(job.id),
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "completed_at": _time(job.completed_at),
        "canceled_at": _time(job.canceled_at),
        "error": job.error,
        "error_code": job.error_code,
        "status": job.job_status,
        "worker_id": str(job.worker_id) if job.worker_id else None,
        "worker_name": job.worker.name if job.worker else "",
        "file_id": str(job.file_id) if job.file_id else None,
        "tags": job.tags,
        "queue_position": position.position,
        "queue_size": position.size,
        "waiting_reason": position.reason,
        "organization_id": str(job.organization_id),
        "initiator_id": str(job.initiator_id),
        "input": {name: job.input[name] for name in _INPUT_FIELDS if job.input.get(name)},
        "type": job.type,
        "available_workers": list(available),
        "metadata": dict(metadata or {}),
        "logs_overflowed": job.logs_overflowed,
    }


def matched_json(position: QueuePosition) -> dict[str, Any] | None:
    """Who could take a waiting job; None for one that does not wait. Builds and versions show it."""
    return None if position.matched is None else workers_json(position.matched)


def workers_json(workers: MatchedWorkers) -> dict[str, Any]:
    """How many workers could take a job, and how many of them are there."""
    return {
        "count": workers.count,
        "available": workers.available,
        "most_recently_seen": _time(workers.most_recently_seen),
    }


def jobs_json(jobs: Sequence[ProvisionerJob]) -> list[dict[str, Any]]:
    """A page of jobs with positions, purposes and workers: a constant number of queries."""
    positions = selectors.job_queue_positions(jobs)
    purposes = selectors.describe(jobs)
    alive = list(selectors.alive_daemons()) if jobs else []
    return [
        job_json(
            job,
            position=positions[job.id],
            metadata=purposes.get(job.id),
            available=[
                str(d.id)
                for d in alive
                if job.provisioner in d.provisioners and tag_rules.matches(job.tags, d.tags)
            ],
        )
        for job in jobs
    ]


def daemon_json(view: DaemonView, organization_id: uuid.UUID) -> dict[str, Any]:
    daemon: ProvisionerDaemon = view.daemon
    return {
        "id": str(daemon.id),
        "organization_id": str(organization_id),
        "key_id": "00000000-0000-0000-0000-000000000001",  # Coder's id of the built-in key
        "key_name": "built-in",
        "created_at": _time(daemon.created_at),
        "last_seen_at": _time(daemon.last_seen_at),
        "name": daemon.name,
        "version": daemon.version,
        "api_version": daemon.api_version,
        "provisioners": daemon.provisioners,
        "tags": daemon.tags,
        "status": view.status,
        "current_job": _short(view.current_job),
        "previous_job": _short(view.previous_job),
    }


def _short(job: ProvisionerJob | None) -> dict[str, Any] | None:
    return None if job is None else {"id": str(job.id), "status": job.job_status}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
