"""Writes of workspaces: create (or claim), start, stop, delete, update, rename, cancel.

Each function is one transaction and one audited fact; what happens to the machine itself is the build's.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.audit.services import record
from coder_admin.catalog.models import TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import (
    Conflict,
    Forbidden,
    Invalid,
    PreconditionFailed,
    Validation,
)
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.services import job_cancel
from rbac.django import require
from rbac.model import Action, Subject

from . import messages
from .build_checks import check_may_begin
from .builder import build
from .choices import AutomaticUpdates, BuildReason, PrebuildStage, Transition
from .creation import WorkspaceSettings, chosen_preset, workspace_create
from .models import Workspace, WorkspaceBuild
from .names import checked_name, name_taken
from .news import announce_workspace

__all__ = [
    "WorkspaceSettings",
    "build_begin",
    "build_cancel",
    "workspace_create",
    "workspace_delete",
    "workspace_rename",
    "workspace_start",
    "workspace_stop",
    "workspace_update",
]


@transaction.atomic
def workspace_start(
    *,
    actor: Subject,
    workspace: Workspace,
    version: TemplateVersion | None = None,
    preset: TemplateVersionPreset | None = None,
    parameters: Mapping[str, str] | None = None,
    reason: str = BuildReason.INITIATOR,
) -> WorkspaceBuild:
    """Start it, by default on the version of its last build; `automatic_updates` takes the active one."""
    automatic = version is None and workspace.automatic_updates == AutomaticUpdates.ALWAYS
    if automatic:
        version = workspace.template.active_version
    begun = build(
        actor=actor,
        workspace=workspace,
        transition=Transition.START,
        version=version,
        preset=preset,
        parameters=parameters,
        reason=reason,
    )
    messages.version_changed(begun, actor, automatic=automatic)
    return begun


@transaction.atomic
def workspace_update(
    *, actor: Subject, workspace: Workspace, parameters: Mapping[str, str] | None = None
) -> WorkspaceBuild:
    """Start it on the template's active version."""
    version = workspace.template.active_version
    if version is None:
        raise Invalid(f"Template {workspace.template.name} has no active version.")
    begun = build(
        actor=actor, workspace=workspace, transition=Transition.START, version=version, parameters=parameters
    )
    messages.version_changed(begun, actor, automatic=False)
    return begun


@transaction.atomic
def workspace_stop(
    *, actor: Subject, workspace: Workspace, reason: str = BuildReason.INITIATOR
) -> WorkspaceBuild:
    """Stop it: what the template makes for a stopped workspace stays."""
    return build(actor=actor, workspace=workspace, transition=Transition.STOP, reason=reason)


@transaction.atomic
def workspace_delete(
    *,
    actor: Subject,
    workspace: Workspace,
    orphan: bool = False,
    stage: str = PrebuildStage.NONE,
    reason: str = BuildReason.INITIATOR,
) -> WorkspaceBuild:
    """Delete it with all its resources; `orphan` forgets the resources instead."""
    return build(
        actor=actor,
        workspace=workspace,
        transition=Transition.DELETE,
        orphan=orphan,
        stage=stage,
        reason=reason,
    )


@transaction.atomic
def build_begin(
    *,
    actor: Subject,
    workspace: Workspace,
    transition: str,
    version_id: uuid.UUID | None = None,
    preset_id: uuid.UUID | None = None,
    parameters: Mapping[str, str] | None = None,
    orphan: bool = False,
    state: bytes | None = None,
    log_level: str = "",
    reason: str = BuildReason.INITIATOR,
) -> WorkspaceBuild:
    """Any transition as the API asks for it. Unknown ids are answered by the builder's own refusals.

    A delete names no version, preset or parameters: what the request says of them is not looked at.
    """
    if transition == Transition.DELETE:
        version_id = preset_id = parameters = None
    version = TemplateVersion.objects.filter(pk=version_id).first() if version_id is not None else None
    if version_id is not None and version is None:
        # Who may not build hears that first, as in the builder's own order.
        check_may_begin(actor, workspace, transition)
        raise Invalid(
            "The template version does not exist.",
            validations=[Validation("template_version_id", "Choose a version of the workspace's template.")],
        )
    automatic = (
        version is None
        and transition == Transition.START
        and workspace.automatic_updates == AutomaticUpdates.ALWAYS
    )
    if automatic:
        version = workspace.template.active_version
    preset = None
    if preset_id is not None and transition == Transition.START:
        last = workspace.latest_build
        of_version = version or (
            last.template_version if last is not None else workspace.template.active_version
        )
        preset = chosen_preset(of_version, preset_id, {}) if of_version is not None else None
    begun = build(
        actor=actor,
        workspace=workspace,
        transition=transition,
        version=version,
        preset=preset,
        parameters=parameters,
        orphan=orphan,
        state=state,
        log_level=log_level,
        reason=reason,
    )
    messages.version_changed(begun, actor, automatic=automatic)
    return begun


def workspace_rename(*, actor: Subject, workspace: Workspace, name: str) -> Workspace:
    """Give it another name. A prebuild keeps its own: the claim names it."""
    require(actor, Action.UPDATE, workspace)
    if workspace.owner_id == PREBUILDS_USER_ID:
        raise Conflict(
            "A prebuilt workspace cannot be renamed.", detail="It gets its name when it is claimed."
        )
    checked_name(name)
    old = workspace.name
    try:
        with transaction.atomic():
            Workspace.objects.filter(pk=workspace.pk).update(name=name, updated_at=timezone.now())
            workspace.name = name
            record(
                actor=actor,
                action="write",
                resource_type="workspace",
                resource_id=workspace.id,
                resource_target=name,
                organization_id=workspace.organization_id,
                diff={"name": {"old": old, "new": name, "secret": False}},
            )
            announce_workspace(workspace, "renamed")
    except IntegrityError as error:
        raise name_taken(name) from error
    return workspace


def build_cancel(*, actor: Subject, build_: WorkspaceBuild, expect_status: str = "") -> None:
    """Ask the build's job to end (reference 4.1, "Cancel"): a pending one ends at once."""
    if expect_status not in ("", "pending", "running"):
        raise Invalid(
            f'"{expect_status}" cannot be expected.',
            validations=[Validation("expect_status", "Use pending or running.")],
        )
    workspace = build_.workspace
    require(actor, Action.READ, workspace)
    require(actor, Action.UPDATE, workspace, message="You may not cancel builds of this workspace.")
    free = workspace.template.allow_user_cancel_workspace_jobs or actor.has_role("owner") or actor.is_system
    if not free and expect_status != "pending":
        raise Forbidden(
            "This template does not let people cancel builds.",
            detail="A build that is still pending may be canceled with expect_status=pending.",
        )
    with transaction.atomic():
        status = WorkspaceBuild.objects.values_list("job__job_status", flat=True).get(pk=build_.pk)
        if expect_status and status != expect_status:
            raise PreconditionFailed(f"The build is {status}, not {expect_status}.")
        if status in (JobStatus.CANCELING, JobStatus.CANCELED):
            raise Invalid("The build was canceled already.")
        if status not in (JobStatus.PENDING, JobStatus.RUNNING):
            raise Invalid("The build has ended already.", detail=f"Its state is {status}.")
        job_cancel(actor=actor, job_id=build_.job_id, expect_status=expect_status)
        record(
            actor=actor,
            action="write",
            resource_type="workspace_build",
            resource_id=build_.id,
            resource_target=workspace.name,
            organization_id=workspace.organization_id,
            additional_fields={"canceled": True, "build_number": str(build_.build_number)},
        )
        announce_workspace(workspace, "build")
