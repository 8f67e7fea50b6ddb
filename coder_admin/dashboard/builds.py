"""How long a job took or has been running. Pure."""

from __future__ import annotations

from datetime import datetime

from coder_admin.provisioning.models import ProvisionerJob


def took_seconds(job: ProvisionerJob, now: datetime) -> float | None:
    """Seconds from the start to the end, or until now; None while nobody has taken it."""
    if job.started_at is None:
        return None
    return max(0.0, ((job.completed_at or now) - job.started_at).total_seconds())
