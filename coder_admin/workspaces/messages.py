"""The messages that workspaces and their builds send (notifications reference 1.1, 1.2).

Prebuilds send none: nobody owns them yet, and what fails in a pool is told by the pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from coder_admin.catalog.models import TemplateVersion
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.recipients import (
    or_owners,
    organization_template_admins,
    owners_and_template_admins,
)
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import PREBUILDS_USER_ID
from rbac.model import Subject

from .choices import BuildReason
from .message_kinds import (
    AUTOBUILD_FAILED,
    MANUAL_BUILD_FAILED,
    WORKSPACE_CREATED,
    WORKSPACE_DELETED,
    WORKSPACE_DORMANT,
    WORKSPACE_MANUALLY_UPDATED,
    WORKSPACE_MARKED_FOR_DELETION,
    WORKSPACE_UPDATED_AUTOMATICALLY,
)
from .models import Workspace, WorkspaceBuild
from .notices import Happening, Notice

CREATED_BY = "provisionerdserver"
AUTOBUILD = "autobuild"
_REASONS = {
    BuildReason.INITIATOR: "initiated by user",
    BuildReason.AUTODELETE: "autodeleted due to dormancy",
}


def _targets(workspace: Workspace, *more: UUID) -> list[UUID]:
    return [workspace.id, workspace.owner_id, workspace.template_id, workspace.organization_id, *more]


def _tell_owner(
    kind: Kind,
    workspace: Workspace,
    labels: dict[str, str],
    *,
    created_by: str,
    data: Mapping[str, int] | None = None,
    about: Sequence[UUID] = (),
    topic: UUID | None = None,
) -> None:
    notify(
        kind.id,
        [workspace.owner_id],
        labels=labels,
        data=data,
        targets=_targets(workspace, *about),
        created_by=created_by,
        topic=topic,
    )


def workspace_created(workspace: Workspace, version_name: str) -> None:
    """Tell the owner of a new or claimed workspace."""
    labels = {"workspace": workspace.name, "template": workspace.template.name, "version": version_name}
    _tell_owner(WORKSPACE_CREATED, workspace, labels, created_by="api-workspaces-create")


def version_changed(build: WorkspaceBuild, actor: Subject, *, automatic: bool) -> None:
    """Tell of a build that moves its workspace to another version; any other build is no news."""
    workspace, version = build.workspace, build.template_version
    before = (
        WorkspaceBuild.objects.filter(workspace=workspace, build_number__lt=build.build_number)
        .order_by("-build_number")
        .values_list("template_version_id", flat=True)
        .first()
    )
    if before is None or before == version.id or workspace.owner_id == PREBUILDS_USER_ID:
        return
    if automatic:
        _updated_automatically(workspace, version)
        return
    notify(
        WORKSPACE_MANUALLY_UPDATED.id,
        owners_and_template_admins(but_not=[UUID(actor.id)]),
        labels={
            "organization": workspace.organization.name,
            "initiator": actor.username,
            "workspace": workspace.name,
            "template": workspace.template.name,
            "version": version.name,
            "workspace_owner_username": workspace.owner.username,
        },
        targets=_targets(workspace, version.id),
        created_by="api-workspaces-updated",
    )


def _updated_automatically(workspace: Workspace, version: TemplateVersion) -> None:
    labels = {
        "name": workspace.name,
        "template_version_name": version.name,
        "template_version_message": version.message[:500],
    }
    _tell_owner(WORKSPACE_UPDATED_AUTOMATICALLY, workspace, labels, created_by=AUTOBUILD, about=[version.id])


def workspace_deleted(build: WorkspaceBuild) -> None:
    """Tell the owner, unless they did it themselves."""
    workspace = build.workspace
    if PREBUILDS_USER_ID in (workspace.owner_id, build.initiator_id):
        return
    if build.initiator_id == workspace.owner_id and build.reason == BuildReason.INITIATOR:
        return
    labels = {
        "name": workspace.name,
        "reason": _REASONS.get(BuildReason(build.reason), build.reason),
        "initiator": build.initiator.username,
    }
    _tell_owner(WORKSPACE_DELETED, workspace, labels, created_by=CREATED_BY)


def build_failed(build: WorkspaceBuild) -> None:
    """Tell template admins of a build that somebody began, and the owner of any other."""
    workspace = build.workspace
    if PREBUILDS_USER_ID in (workspace.owner_id, build.initiator_id):
        return
    version = build.template_version
    if build.reason != BuildReason.INITIATOR:
        number = {"workspace_build_number": build.build_number}
        _autobuild_failed(workspace, build.reason, CREATED_BY, number, about=[build.id])
        return
    template = workspace.template
    notify(
        MANUAL_BUILD_FAILED.id,
        or_owners(organization_template_admins(workspace.organization_id)),
        labels={
            "name": workspace.name,
            "template_name": template.display_name or template.name,
            "template_version_name": version.name,
            "initiator": build.initiator.username,
            "workspace_owner_username": workspace.owner.username,
            "workspace_build_number": str(build.build_number),
        },
        data={"template": template.name},
        targets=_targets(workspace, version.id, build.id),
        created_by=CREATED_BY,
        topic=template.id,
    )


def _autobuild_failed(
    workspace: Workspace, reason: str, created_by: str, data: Mapping[str, int], about: Sequence[UUID] = ()
) -> None:
    """`data` tells one build from the next, which otherwise read the same on one day."""
    labels = {"name": workspace.name, "reason": reason[:500]}
    _tell_owner(
        AUTOBUILD_FAILED,
        workspace,
        labels,
        created_by=created_by,
        data=data,
        about=about,
        topic=workspace.id,
    )


def _refused(workspace: Workspace, why: str) -> None:
    """Tell the owner of an automatic build that could not begin, once for what came before it."""
    last = workspace.latest_build
    data = {"previous_build_number": last.build_number} if last is not None else {}
    _autobuild_failed(workspace, why, AUTOBUILD, data)


def happened(notice: Notice) -> None:
    """What happens to a workspace by itself, or sends it to sleep; told to its owner."""
    workspace = notice.workspace
    if workspace.owner_id == PREBUILDS_USER_ID:
        return
    match notice.what:
        case Happening.REFUSED:
            _refused(workspace, notice.why)
        case Happening.UPDATED if workspace.template.active_version is not None:
            _updated_automatically(workspace, workspace.template.active_version)
        case Happening.DORMANT if notice.actor.id != str(workspace.owner_id):
            _sleeps(WORKSPACE_DORMANT, notice)
        case Happening.DELETION:
            _sleeps(WORKSPACE_MARKED_FOR_DELETION, notice)


def _sleeps(kind: Kind, notice: Notice) -> None:
    workspace = notice.workspace
    left = workspace.deleting_at - timezone.now() if workspace.deleting_at else None
    labels = {
        "name": workspace.name,
        "reason": (notice.why or "requested by a person")[:500],
        "initiator": notice.actor.username,
        "dormancyHours": str(workspace.template.time_til_dormant_ms // 3_600_000),
        "timeTilDormant": in_words(left) if left is not None else "",
    }
    _tell_owner(kind, workspace, labels, created_by="lifecycle")


def in_words(length: timedelta) -> str:
    """A length of time in whole days, hours or minutes, rounded: `7 days`."""
    minutes = max(0, round(length.total_seconds() / 60))
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= size:
            count = round(minutes / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
