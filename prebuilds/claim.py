"""Handing a prebuilt workspace to its new owner (reference section 5).

Runs inside the transaction that creates the workspace; the claim's build and its commit belong to the
caller. On PostgreSQL the workspace's own row is locked, so that a second claimer skips it and takes
another one at once; on both databases the UPDATE asks again who owns it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.choices import PrebuildStage
from coder_admin.workspaces.claims import ClaimRequest
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds import querying
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.wake import wake

_ATTEMPTS = 5


def claim(request: ClaimRequest) -> Workspace | None:
    """Re-own an eligible prebuild of the requested preset and return it, or None when there is none.

    Both outcomes are recorded, as a claim or a miss; a preset without prebuilds is neither.
    """
    preset = TemplateVersionPreset.objects.filter(
        id=request.preset_id, desired_instances__isnull=False
    ).first()
    if preset is None:
        return None
    workspace = _take(preset, request)
    _record(preset, request, workspace)
    # A miss wakes the loop too: it says that the pool is smaller than the demand.
    wake(template_id=request.template_id)
    return workspace


def eligible(preset: TemplateVersionPreset, request: ClaimRequest) -> querying.PrebuildRows:
    """Ready, running, on the active version of a live template, and neither expired nor invalidated.

    Coder hands out expired ones until its loop deletes them; here they count as gone.
    """
    found = querying.with_current_preset(querying.running()).filter(
        querying.ready(),
        current_preset=preset.id,
        template_id=request.template_id,
        template__deleted=False,
        latest_build__template_version=F("template__active_version"),
    )
    if preset.last_invalidated_at is not None:
        found = found.filter(created_at__gte=preset.last_invalidated_at)
    if preset.invalidate_after_secs:
        found = found.filter(created_at__gte=request.now - timedelta(seconds=preset.invalidate_after_secs))
    # The oldest first, so that it is used before it expires.
    return found.order_by("created_at", "id")


def _take(preset: TemplateVersionPreset, request: ClaimRequest) -> Workspace | None:
    for _ in range(_ATTEMPTS):
        candidate = eligible(preset, request).select_for_update(skip_locked=True, of=("self",)).first()
        if candidate is None:
            return None
        if _re_own(candidate, request):
            return Workspace.objects.get(id=candidate.id)
    return None


def _re_own(candidate: Workspace, request: ClaimRequest) -> bool:
    """Give the row to its new owner, everything that a new workspace would have set afresh."""
    return bool(
        Workspace.objects.filter(
            id=candidate.id, owner_id=PREBUILDS_USER_ID, latest_build_id=candidate.latest_build_id
        ).update(
            owner_id=request.owner_id,
            name=request.name,
            updated_at=request.now,
            last_used_at=request.now,  # else it would look dormant at once
            autostart_schedule=request.autostart_schedule,
            next_start_at=request.next_start_at,
            ttl_ms=request.ttl_ms,
            automatic_updates=request.automatic_updates,
            dormant_at=None,
            deleting_at=None,
        )
    )


def waiting_ended(build: WorkspaceBuild, now: datetime) -> None:
    """Store how long the claimer, or who found the pool empty, waited: until the build of that request
    succeeded. Inside the transaction that stores the success."""
    first = build.build_number == 1 and build.prebuild_stage == PrebuildStage.NONE
    if not first and build.prebuild_stage != PrebuildStage.CLAIM:
        return
    PrebuildEvent.objects.filter(
        workspace=build.workspace_id,
        kind__in=(PrebuildEventKind.CLAIM, PrebuildEventKind.MISS),
        waited__isnull=True,
    ).update(waited=now - F("created_at"))


def _record(preset: TemplateVersionPreset, request: ClaimRequest, workspace: Workspace | None) -> None:
    details = {"owner_id": str(request.owner_id)}
    if workspace is not None:
        age = (request.now - workspace.created_at).total_seconds()
        details["prebuild_age_seconds"] = f"{age:.3f}"
    PrebuildEvent.objects.create(
        created_at=request.now,
        kind=PrebuildEventKind.CLAIM if workspace else PrebuildEventKind.MISS,
        organization_id=request.organization_id,
        template_id=request.template_id,
        preset=preset,
        preset_name=preset.name,
        workspace_id=workspace.id if workspace else request.otherwise_id,
        details=details,
    )
