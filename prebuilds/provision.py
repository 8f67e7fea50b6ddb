"""The loop's own writes: creating, deleting and cancelling prebuilds (reference section 3.7).

Each function is one transaction that first confirms the lead, so that a process which lost it writes nothing.
"""

from __future__ import annotations

import base64
import secrets
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.foundation.errors import Conflict, Invalid, PreconditionFailed
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.services import job_cancel
from coder_admin.workspaces import builder
from coder_admin.workspaces.choices import AutomaticUpdates, PrebuildStage, Transition
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds import querying
from prebuilds.leader import Lead
from rbac import Subject


class Superseded(Exception):
    """The row is no longer what the snapshot said: claimed, gone, or of a version that was replaced."""


def prebuild_name() -> str:
    """`prebuild-` and 9 random bytes in lower-case base32: 24 characters that clouds accept as a name."""
    return "prebuild-" + base64.b32encode(secrets.token_bytes(9)).decode().rstrip("=").lower()


def create_prebuild(*, actor: Subject, lead: Lead | None, preset_id: UUID | str) -> WorkspaceBuild:
    """Insert a workspace of the prebuilds user and begin its first build; all or nothing.

    `lead` is None where a person asks for one prebuild: that is no pass and needs no leader. Raises
    Superseded when the preset's version is no longer active, and the builder's ServiceErrors: a
    refusal leaves no workspace, and so no evidence and no failure to count.
    """
    with transaction.atomic():
        if lead is not None:
            lead.confirm()
        preset = TemplateVersionPreset.objects.select_related("template_version").get(id=preset_id)
        template = _live_template(preset)
        now = timezone.now()
        workspace = Workspace.objects.create(
            created_at=now,
            updated_at=now,
            last_used_at=now,
            owner_id=PREBUILDS_USER_ID,
            organization_id=template.organization_id,
            template=template,
            name=prebuild_name(),
            automatic_updates=AutomaticUpdates.NEVER,
        )
        return builder.build(
            actor=actor,
            workspace=workspace,
            transition=Transition.START,
            version=preset.template_version,
            preset=preset,
            stage=PrebuildStage.CREATE,
            initiator_id=PREBUILDS_USER_ID,
        )


def _live_template(preset: TemplateVersionPreset) -> Template:
    template: Template | None = Template.objects.filter(
        active_version=preset.template_version_id, deleted=False, deprecation_message=""
    ).first()
    if template is None:
        raise Superseded("its version is no longer the active one")
    return template


def delete_prebuild(*, actor: Subject, lead: Lead, workspace_id: str, orphan: bool = False) -> WorkspaceBuild:
    """Begin the deletion of an unclaimed workspace.

    The build names no version, no preset and no parameters: it ends what the last build made, whatever the
    template has become since. Raises Superseded when the workspace was claimed or deleted meanwhile.
    """
    with transaction.atomic():
        lead.confirm()
        return _begin_deletion(actor, workspace_id, orphan=orphan)


def _begin_deletion(actor: Subject, workspace_id: UUID | str, *, orphan: bool) -> WorkspaceBuild:
    workspace = (
        querying.unclaimed()
        .select_for_update(of=("self",))
        .select_related("template")
        .filter(id=workspace_id)
        .first()
    )
    if workspace is None:
        raise Superseded("it was claimed or deleted")
    return builder.build(
        actor=actor,
        workspace=workspace,
        transition=Transition.DELETE,
        stage=PrebuildStage.CREATE,
        orphan=orphan,
        initiator_id=PREBUILDS_USER_ID,
    )


def cancel_pending(*, actor: Subject, lead: Lead, preset_id: str) -> int:
    """Cancel the preset's first builds that no worker took, and delete their workspaces as orphans.

    Nothing was provisioned, so no state is sent. One transaction for all of them: an error with one undoes
    the batch. A job that a worker takes at this moment is left alone. Returns how many were cancelled.
    """
    with transaction.atomic():
        lead.confirm()
        pending = list(
            querying.unclaimed()
            .filter(
                querying.pending_of_inactive_versions(), latest_build__template_version_preset=UUID(preset_id)
            )
            .order_by("created_at", "id")
            .values_list("id", "latest_build__job")
        )
        canceled = [workspace_id for workspace_id, job_id in pending if _cancel(actor, job_id)]
        for workspace_id in canceled:
            _begin_deletion(actor, workspace_id, orphan=True)
    return len(canceled)


def _cancel(actor: Subject, job_id: UUID) -> bool:
    try:
        job_cancel(actor=actor, job_id=job_id, expect_status="pending")
    except (PreconditionFailed, Conflict, Invalid):
        return False
    return True
