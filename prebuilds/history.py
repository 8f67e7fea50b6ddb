"""What happened to one pool: claims and misses, and how its prebuilds fared by version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Q

from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.models import WorkspaceBuild
from prebuilds.models import PrebuildEvent, PrebuildEventKind

MAX_DEMANDS = 300
MAX_VERSIONS = 10


@dataclass(frozen=True, slots=True)
class DemandEvent:
    """Somebody wanted a workspace of the pool: it had one (a claim) or not (a miss). `waited` in seconds."""

    at: datetime
    is_miss: bool
    waited: float | None


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """Prebuilds of one pool that one template version made."""

    version_id: UUID
    version_name: str
    created: int
    failed: int
    claimed: int
    last_at: datetime


def demand_events(template_id: UUID, preset_name: str, since: datetime) -> list[DemandEvent]:
    """The newest claims and misses of a pool since an instant, oldest first. The caller has checked that the
    viewer may read the template."""
    rows = (
        PrebuildEvent.objects.filter(
            template=template_id,
            preset_name=preset_name,
            kind__in=(PrebuildEventKind.CLAIM, PrebuildEventKind.MISS),
            created_at__gte=since,
        )
        .order_by("-created_at")
        .values_list("created_at", "kind", "waited")[:MAX_DEMANDS]
    )
    return [
        DemandEvent(at, kind == PrebuildEventKind.MISS, waited.total_seconds() if waited else None)
        for at, kind, waited in reversed(rows)
    ]


def version_records(template_id: UUID, preset_name: str) -> list[VersionRecord]:
    """Created, failed and claimed prebuilds by version, the newest versions first. The caller has checked
    that the viewer may read the template."""
    version = "template_version"
    rows = (
        WorkspaceBuild.objects.filter(
            workspace__template=template_id,
            template_version_preset__name=preset_name,
            build_number=1,
            initiator=PREBUILDS_USER_ID,
        )
        .order_by()
        .values(version, f"{version}__name")
        .annotate(
            created=Count("id"),
            failed=Count("id", filter=Q(job__job_status=JobStatus.FAILED)),
            claimed=Count("id", filter=~Q(workspace__owner=PREBUILDS_USER_ID)),
            last_at=Max("created_at"),
        )
        .order_by("-last_at")
        .values_list(version, f"{version}__name", "created", "failed", "claimed", "last_at")[:MAX_VERSIONS]
    )
    return [VersionRecord(*row) for row in rows]
