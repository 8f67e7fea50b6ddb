"""The messages that workspaces and their builds send (notifications reference 1.1, 1.2).

Prebuilds send none: nobody owns them yet, and what fails in a pool is told by the pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.utils import timezone

from coder_admin.catalog.models import TemplateVersion
from coder_admin.notifications.kinds import ActionTemplate, Digest, Group, Icon, Kind, register
from coder_admin.notifications.recipients import (
    OWNER,
    TEMPLATE_ADMIN,
    or_owners,
    organization_template_admins,
    owners_and_template_admins,
)
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import PREBUILDS_USER_ID
from rbac.model import Subject

from .choices import BuildReason
from .models import Workspace, WorkspaceBuild
from .notices import Happening, Notice

_kind = partial(Kind, group=Group.WORKSPACE, icon=Icon.WORKSPACE)

CREATED_BY = "provisionerdserver"
AUTOBUILD = "autobuild"
_REASONS = {
    BuildReason.INITIATOR: "initiated by user",
    BuildReason.AUTODELETE: "autodeleted due to dormancy",
}
_VIEW_WORKSPACE = ActionTemplate(
    "View workspace",
    "{{ base_url }}/@{{ labels.workspace_owner_username|urlencode:'' }}/{{ labels.workspace|urlencode:'' }}",
)
_VIEW_OWN = ActionTemplate(
    "View workspace",
    "{{ base_url }}/@{{ user_username|urlencode:'' }}/{{ labels.name|urlencode:'' }}",
)
# The build, where there is one: an automatic build can be refused before it begins.
_VIEW_OWN_BUILD = ActionTemplate(
    "{% if data.workspace_build_number %}View build{% else %}View workspace{% endif %}",
    _VIEW_OWN.url
    + "{% if data.workspace_build_number %}/builds/{{ data.workspace_build_number|urlencode:'' }}{% endif %}",
)

WORKSPACE_CREATED = _kind(
    id=UUID("281fdf73-c6d6-4cbb-8ff5-888baf8a2fff"),
    name="Workspace Created",
    title_template="Workspace '{{ labels.workspace }}' has been created",
    body_template=(
        "The workspace **{{ labels.workspace }}** has been created from the template "
        "**{{ labels.template }}** in the version **{{ labels.version }}**."
    ),
    actions=(
        ActionTemplate(
            "View workspace",
            "{{ base_url }}/@{{ user_username|urlencode:'' }}/{{ labels.workspace|urlencode:'' }}",
        ),
    ),
    enabled_by_default=False,
    summary="Sent to you when a workspace of yours was created.",
)

WORKSPACE_MANUALLY_UPDATED = _kind(
    id=UUID("d089fe7b-d5c5-4c0c-aaf5-689859f7d392"),
    name="Workspace Manually Updated",
    title_template="Workspace '{{ labels.workspace }}' has been manually updated",
    body_template=(
        "**{{ labels.initiator }}** moved the workspace **{{ labels.workspace }}** of "
        "{{ labels.workspace_owner_username }} to the version **{{ labels.version }}** of the template "
        "**{{ labels.template }}** in {{ labels.organization }}."
    ),
    actions=(
        _VIEW_WORKSPACE,
        ActionTemplate(
            "View template version",
            "{{ base_url }}/templates/{{ labels.organization|urlencode:'' }}"
            "/{{ labels.template|urlencode:'' }}/versions/{{ labels.version|urlencode:'' }}",
        ),
    ),
    enabled_by_default=False,
    summary="Sent to owners and template admins when somebody moved a workspace to another version.",
    audience=(OWNER, TEMPLATE_ADMIN),
)

WORKSPACE_UPDATED_AUTOMATICALLY = _kind(
    id=UUID("c34a0c09-0704-4cac-bd1c-0c0146811c2b"),
    name="Workspace Updated Automatically",
    title_template='Workspace "{{ labels.name }}" updated automatically',
    body_template=(
        "Your workspace **{{ labels.name }}** started on the newest version of its template, "
        "**{{ labels.template_version_name }}**."
        "{% if labels.template_version_message %}\n\n> {{ labels.template_version_message }}{% endif %}"
    ),
    actions=(_VIEW_OWN,),
    summary="Sent to you when a workspace of yours moved to a new version by itself.",
)

WORKSPACE_DORMANT = _kind(
    id=UUID("0ea69165-ec14-4314-91f1-69566ac3c5a0"),
    name="Workspace Marked as Dormant",
    title_template='Workspace "{{ labels.name }}" marked as dormant',
    body_template=(
        "Your workspace **{{ labels.name }}** was marked as dormant by **{{ labels.initiator }}**: "
        "{{ labels.reason }}. It is stopped and cannot be started before somebody wakes it."
        "{% if labels.timeTilDormant %} If nobody does, it is deleted in {{ labels.timeTilDormant }}."
        "{% endif %}"
    ),
    actions=(_VIEW_OWN,),
    summary="Sent to you when a workspace of yours was marked as dormant.",
)

WORKSPACE_MARKED_FOR_DELETION = _kind(
    id=UUID("51ce2fdf-c9ca-4be1-8d70-628674f9bc42"),
    name="Workspace Marked for Deletion",
    title_template='Workspace "{{ labels.name }}" marked for deletion',
    body_template=(
        "Your dormant workspace **{{ labels.name }}** is deleted in **{{ labels.timeTilDormant }}**: "
        "{{ labels.reason }}. Wake it to keep it."
    ),
    actions=(_VIEW_OWN,),
    summary="Sent to you when it was decided that a dormant workspace of yours will be deleted.",
)

WORKSPACE_DELETED = _kind(
    id=UUID("f517da0b-cdc9-410f-ab89-a86107c420ed"),
    name="Workspace Deleted",
    title_template='Workspace "{{ labels.name }}" deleted',
    body_template=(
        "Your workspace **{{ labels.name }}** was deleted by **{{ labels.initiator }}**: {{ labels.reason }}."
    ),
    actions=(
        ActionTemplate("View workspaces", "{{ base_url }}/workspaces?filter=owner:me"),
        ActionTemplate("View templates", "{{ base_url }}/templates"),
    ),
    summary="Sent to you when somebody else deleted a workspace of yours.",
)

AUTOBUILD_FAILED = _kind(
    id=UUID("381df2a9-c0c0-4749-420f-80a9280c66f9"),
    name="Workspace Autobuild Failed",
    title_template='Workspace "{{ labels.name }}" autobuild failed',
    body_template=(
        "The automatic build of your workspace **{{ labels.name }}** failed. It was begun by: "
        "**{{ labels.reason }}**."
    ),
    actions=(_VIEW_OWN_BUILD,),
    digest=Digest(
        title_template='{{ data.digest.count }} more autobuilds of "{{ labels.name }}" failed',
        body_template=(
            "{{ data.digest.count }} more automatic builds of your workspace **{{ labels.name }}** failed "
            "since the last message:\n\n"
            "{% for incident in data.digest.incidents %}- "
            "{% if incident.workspace_build_number %}"
            "[build {{ incident.workspace_build_number }}]({{ base_url }}/@{{ user_username }}"
            "/{{ labels.name }}/builds/{{ incident.workspace_build_number }})"
            "{% else %}could not begin{% endif %}: {{ incident.reason }}\n"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}"
        ),
        actions=(ActionTemplate("View builds", _VIEW_OWN.url + "/builds"),),
    ),
    summary="Sent to you when a build that nobody began by hand failed in a workspace of yours.",
)

MANUAL_BUILD_FAILED = _kind(
    id=UUID("2faeee0f-26cb-4e96-821c-85ccb9f71513"),
    name="Workspace Manual Build Failed",
    title_template='Workspace "{{ labels.name }}" manual build failed',
    body_template=(
        "A build of the workspace **{{ labels.name }}** of {{ labels.workspace_owner_username }}, begun by "
        "**{{ labels.initiator }}**, failed. Template **{{ labels.template_name }}**, version "
        "**{{ labels.template_version_name }}**."
    ),
    actions=(
        ActionTemplate(
            "View build",
            "{{ base_url }}/@{{ labels.workspace_owner_username|urlencode:'' }}"
            "/{{ labels.name|urlencode:'' }}/builds/{{ labels.workspace_build_number|urlencode:'' }}",
        ),
    ),
    digest=Digest(
        title_template="{{ data.digest.count }} more builds of {{ labels.template_name }} failed",
        body_template=(
            "{{ data.digest.count }} more builds of workspaces of the template "
            "**{{ labels.template_name }}** failed:\n\n"
            "{% for incident in data.digest.incidents %}"
            "- **{{ incident.name }}** of {{ incident.workspace_owner_username }}, build "
            "{{ incident.workspace_build_number }}, version {{ incident.template_version_name }}\n"
            "{% endfor %}"
            "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}"
        ),
        actions=(
            ActionTemplate(
                "View failed workspaces",
                "{{ base_url }}/workspaces?filter=status:failed",
            ),
        ),
    ),
    summary="Sent to template admins of the organization when a build that somebody began failed.",
    audience=(OWNER, TEMPLATE_ADMIN),
)

KINDS = (
    WORKSPACE_CREATED,
    WORKSPACE_MANUALLY_UPDATED,
    WORKSPACE_UPDATED_AUTOMATICALLY,
    WORKSPACE_DORMANT,
    WORKSPACE_MARKED_FOR_DELETION,
    WORKSPACE_DELETED,
    AUTOBUILD_FAILED,
    MANUAL_BUILD_FAILED,
)


def register_kinds() -> None:
    """Make the messages known."""
    for kind in KINDS:
        register(kind)


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
