"""Handing a prebuilt workspace to its new owner (reference section 5).

Runs inside the transaction that creates the workspace; the claim's build and its commit belong to the
caller. On PostgreSQL the workspace's own row is locked, so that a second claimer skips it and takes
another one at once; on both databases the UPDATE asks again who owns it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import F

from coder_admin.workspaces.choices import PrebuildStage
from coder_admin.workspaces.claims import ClaimRequest
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds.claim_sql import insert, take
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.wake import wake

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TTL = 10**9  # half a calendar of seconds: longer than anything runs


def claim(request: ClaimRequest) -> Workspace | None:
    """Re-own an eligible prebuild of the requested preset and return it, or None when there is none.

    Both outcomes are recorded, as a claim or a miss; a preset without prebuilds is neither.
    """
    preset = request.preset
    if preset.desired_instances is None:
        return None
    workspace = take(request, _oldest_good(request.now, preset.invalidate_after_secs))
    insert(_event(request, workspace))
    # A miss wakes the loop too: it says that the pool is smaller than the demand.
    wake(template_id=request.template_id)
    return workspace


def _oldest_good(now: datetime, ttl: int | None) -> datetime:
    """Prebuilds made before this instant are expired.

    Coder hands these out until its loop deletes them; here they count as gone.
    """
    return now - timedelta(seconds=ttl) if ttl and 0 < ttl < MAX_TTL else _EVER


def waiting_ended(build: WorkspaceBuild, now: datetime) -> None:
    """Store how long the claimer, or who found the pool empty, waited: until the build of that request
    succeeded. Inside the transaction that stores the success."""
    first = build.build_number == 1 and build.prebuild_stage == PrebuildStage.NONE
    if first and build.template_version_preset_id is None:
        return  # nobody asked a pool
    if not first and build.prebuild_stage != PrebuildStage.CLAIM:
        return
    PrebuildEvent.objects.filter(
        workspace=build.workspace_id,
        kind__in=(PrebuildEventKind.CLAIM, PrebuildEventKind.MISS),
        waited__isnull=True,
    ).update(waited=now - F("created_at"))


def _event(request: ClaimRequest, workspace: Workspace | None) -> PrebuildEvent:
    details = {"owner_id": str(request.owner_id)}
    if workspace is not None:
        age = (request.now - workspace.created_at).total_seconds()
        details["prebuild_age_seconds"] = f"{age:.3f}"
    return PrebuildEvent(
        created_at=request.now,
        kind=PrebuildEventKind.CLAIM if workspace else PrebuildEventKind.MISS,
        organization_id=request.organization_id,
        template_id=request.template_id,
        preset_id=request.preset_id,
        preset_name=request.preset.name,
        workspace_id=workspace.id if workspace else request.otherwise_id,
        details=details,
    )
