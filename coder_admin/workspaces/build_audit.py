"""Builds in the audit trail: one entry when a build ends, whoever ends it (reference 6). The user is the
initiator, the request id the job's, the status 200 or 500; address and program are those of the request that
began it.
"""

from __future__ import annotations

from typing import Any

from coder_admin.audit.context import RequestContext, current, request_context
from coder_admin.audit.services import record
from rbac.model import PREBUILDS_USER_ID, Subject

from .models import WorkspaceBuild

_KEY = "audit"


def remembered_request() -> dict[str, Any]:
    """What a job's input keeps of the request that begins it; nothing in background work."""
    context = current()
    return {_KEY: {"ip": context.ip, "user_agent": context.user_agent}} if context.ip else {}


def record_build_end(build: WorkspaceBuild, *, succeeded: bool) -> None:
    """Store the entry, in the transaction that ends the build."""
    workspace, initiator = build.workspace, build.initiator
    kept = build.job.input.get(_KEY) or {}
    came_from = RequestContext(ip=kept.get("ip"), user_agent=kept.get("user_agent", ""))
    actor = Subject(
        id=str(initiator.id), username=initiator.username, is_system=str(initiator.id) == PREBUILDS_USER_ID
    )
    with request_context(came_from):
        record(
            actor=actor,
            action=build.transition,
            resource_type="workspace_build",
            resource_id=build.id,
            resource_target=workspace.name,
            resource_icon=workspace.template.icon,
            organization_id=workspace.organization_id,
            status_code=200 if succeeded else 500,
            request_id=build.job_id,
            additional_fields={
                "workspace_name": workspace.name,
                "build_number": str(build.build_number),
                "build_reason": build.reason,
                "workspace_owner": workspace.owner.username,
                "workspace_id": str(workspace.id),
            },
        )
