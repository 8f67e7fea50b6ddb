"""Handing a prebuilt workspace to its new owner (reference section 5).

Runs inside the transaction that creates the workspace; the claim's build and its commit belong to the
caller. On PostgreSQL the workspace's own row is locked, so that a second claimer skips it and takes
another one at once; on both databases the UPDATE asks again who owns it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, partial

from django.db import connection
from django.db.models import F, UUIDField

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.choices import PrebuildStage
from coder_admin.workspaces.claims import ClaimRequest
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceBuild,
    WorkspaceResource,
)
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.wake import wake

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TTL = 10**9  # half a calendar of seconds: longer than anything runs


def claim(request: ClaimRequest) -> Workspace | None:
    """Re-own an eligible prebuild of the requested preset and return it, or None when there is none.

    Both outcomes are recorded, as a claim or a miss; a preset without prebuilds is neither.
    """
    rows = TemplateVersionPreset.objects.filter(id=request.preset_id, desired_instances__isnull=False)
    preset = rows.values_list("name", "invalidate_after_secs", "last_invalidated_at").order_by()[:1]
    for name, ttl, invalidated_at in preset:
        workspace = _take(request, _oldest_good(request.now, ttl, invalidated_at))
        _record(name, request, workspace)
        # A miss wakes the loop too: it says that the pool is smaller than the demand.
        wake(template_id=request.template_id)
        return workspace
    return None


def _oldest_good(now: datetime, ttl: int | None, invalidated_at: datetime | None) -> datetime:
    """Prebuilds made before this instant are expired or invalidated.

    Coder hands these out until its loop deletes them; here they count as gone.
    """
    instants = [_EVER]
    if ttl and 0 < ttl < MAX_TTL:
        instants.append(now - timedelta(seconds=ttl))
    if invalidated_at is not None:
        instants.append(invalidated_at)
    return max(instants)


def _take(request: ClaimRequest, oldest_good: datetime) -> Workspace | None:
    """Pick and re-own in one statement, with everything that a new workspace would have set afresh."""
    uuid_of = partial(UUIDField().get_db_prep_value, connection=connection)
    values = (
        uuid_of(request.owner_id),
        request.name,
        request.now,
        request.now,  # last used: else it would look dormant at once
        request.autostart_schedule,
        request.next_start_at,
        request.ttl_ms,
        request.automatic_updates,
        uuid_of(PREBUILDS_USER_ID),
        uuid_of(PREBUILDS_USER_ID),
        uuid_of(request.template_id),
        oldest_good,
        uuid_of(request.template_id),
        uuid_of(request.preset_id),
    )
    found = list(Workspace.objects.raw(_statement(connection.vendor), values))
    return found[0] if found else None


@cache
def _statement(vendor: str) -> str:
    """The claim as SQL (section 5.2): to put it together anew from a queryset would take most of its time.

    Ready, running, on the active version of a live template, made by the preset, and not too old; the oldest
    first, so that it is used before it expires. The row of the workspace itself is locked, and on a view or a
    join nothing would be skipped.
    """
    tables = {
        "workspace": Workspace,
        "build": WorkspaceBuild,
        "job": ProvisionerJob,
        "template": Template,
        "agent": WorkspaceAgent,
        "resource": WorkspaceResource,
    }
    names = {name: model._meta.db_table for name, model in tables.items()}
    lock = "FOR UPDATE OF w SKIP LOCKED" if vendor == "postgresql" else ""
    return _CLAIM.format(lock=lock, agents=_AGENTS.format(**names), **names)


_AGENTS = """
    SELECT 1 FROM {agent} a JOIN {resource} r ON r.id = a.resource_id
    WHERE r.workspace_build_id = b.id AND NOT a.deleted AND a.parent_id IS NULL"""

_CLAIM = """
UPDATE {workspace} SET owner_id = %s, name = %s, updated_at = %s, last_used_at = %s, autostart_schedule = %s,
  next_start_at = %s, ttl_ms = %s, automatic_updates = %s, dormant_at = NULL, deleting_at = NULL
WHERE owner_id = %s AND id = (
  SELECT w.id FROM {workspace} w
  JOIN {build} b ON b.id = w.latest_build_id
  JOIN {job} j ON j.id = b.job_id
  WHERE w.owner_id = %s AND NOT w.deleted AND w.template_id = %s AND w.created_at >= %s
    AND b.transition = 'start' AND j.job_status = 'succeeded'
    AND b.template_version_id = (
      SELECT t.active_version_id FROM {template} t WHERE t.id = %s AND NOT t.deleted)
    AND COALESCE(b.template_version_preset_id, (
      SELECT n.template_version_preset_id FROM {build} n
      WHERE n.workspace_id = w.id AND n.transition = 'start' AND n.template_version_preset_id IS NOT NULL
      ORDER BY n.build_number DESC LIMIT 1)) = %s
    AND EXISTS ({agents})
    AND NOT EXISTS ({agents} AND a.lifecycle_state <> 'ready')
  ORDER BY w.created_at, w.id LIMIT 1 {lock}
) RETURNING *
"""


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


def _record(preset_name: str, request: ClaimRequest, workspace: Workspace | None) -> None:
    details = {"owner_id": str(request.owner_id)}
    if workspace is not None:
        age = (request.now - workspace.created_at).total_seconds()
        details["prebuild_age_seconds"] = f"{age:.3f}"
    PrebuildEvent.objects.create(
        created_at=request.now,
        kind=PrebuildEventKind.CLAIM if workspace else PrebuildEventKind.MISS,
        organization_id=request.organization_id,
        template_id=request.template_id,
        preset_id=request.preset_id,
        preset_name=preset_name,
        workspace_id=workspace.id if workspace else request.otherwise_id,
        details=details,
    )
