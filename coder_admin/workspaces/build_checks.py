"""The builder's checks, in their order, with their answers (notifications-agents-provisioning 4.2)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.conf import settings

from coder_admin.catalog.models import TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotAcceptable, NotFound, Validation
from coder_admin.provisioning.choices import ACTIVE_STATUSES, JobStatus
from rbac import allowed
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType, Subject

from .choices import AutomaticUpdates, BuildReason, PrebuildStage, Transition
from .models import Workspace, WorkspaceBuild

ACTIVE_BUILD = "A workspace build is already active."


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One call of `build`, passed from check to check."""

    actor: Subject
    workspace: Workspace
    transition: Transition
    version: TemplateVersion
    preset: TemplateVersionPreset | None
    stage: PrebuildStage
    reason: BuildReason
    initiator_id: uuid.UUID
    orphan: bool
    log_level: str


def known_transition(text: str) -> Transition:
    """Start, stop or delete. Raises Invalid."""
    if text not in Transition.values:
        raise Invalid(
            f'"{text[:16]}" is not a transition.',
            validations=[Validation("transition", "Use start, stop or delete.")],
        )
    return Transition(text)


def check_may_begin(actor: Subject, workspace: Workspace, transition: str) -> None:
    """The first two checks alone, for callers that find a mistake of their own in the request."""
    check_permission(actor, workspace, known_transition(transition), changes=False)


def other_version(workspace: Workspace, version: TemplateVersion | None) -> bool:
    """Whether the build would move the workspace to another version; one that its owner keeps up to date by
    itself is not moved by who starts it."""
    last = workspace.latest_build
    return (
        version is not None
        and workspace.automatic_updates != AutomaticUpdates.ALWAYS
        and (last is None or last.template_version_id != version.pk)
    )


def check_permission(actor: Subject, workspace: Workspace, transition: Transition, *, changes: bool) -> None:
    """Delete asks `delete`; start and stop ask their own action, never as a prebuild.

    A build that changes something (version, preset, parameters) asks `update` too. Coder's E2 always did,
    which left people with whom a workspace is shared unable to start it; E3 asks the transition's action.
    """
    obj = workspace.rbac_object()
    if transition is Transition.DELETE:
        if may(actor, Action.DELETE, obj):
            return
    else:
        # Nobody may start a dormant workspace: who may change it gets the reason, further below.
        asleep = transition is Transition.START and workspace.dormant_at is not None
        action = Action.START if transition is Transition.START else Action.STOP
        if asleep and allowed(actor, Action.UPDATE, obj):
            return
        if allowed(actor, action, obj) and (not changes or allowed(actor, Action.UPDATE, obj)):
            return
    if allowed(actor, Action.READ, obj):
        raise Forbidden(f"You do not have permission to {transition} this workspace.")
    raise NotFound


def check_orphan_and_state(
    actor: Subject, workspace: Workspace, transition: Transition, *, orphan: bool, state: bytes | None
) -> None:
    """Forgetting resources, or saying which exist, is for who manages the template."""
    if not orphan and state is None:
        return
    if not may(actor, Action.UPDATE, workspace.template):
        raise Forbidden("Only template managers may provide custom state")
    if orphan and transition is not Transition.DELETE:
        raise Invalid(
            "Orphan is only permitted when deleting a workspace.",
            validations=[Validation("orphan", "Leave it out, or use the transition delete.")],
        )
    if orphan and state is not None:
        raise Invalid(
            "Custom state cannot be given together with orphan.",
            validations=[Validation("state", "An orphaned delete sends no state. Give one of the two.")],
        )


def check_log_level(actor: Subject, log_level: str) -> None:
    """Debug shows what a template keeps secret: only where the deployment allows it."""
    if not log_level:
        return
    if log_level != "debug":
        raise Invalid(
            f'"{log_level}" is not a log level.',
            validations=[Validation("log_level", "Use debug or leave it out.")],
        )
    if not settings.ENABLE_TERRAFORM_DEBUG_MODE or not allowed(
        actor, Action.READ, RbacObject(ResourceType.DEPLOYMENT_CONFIG)
    ):
        raise Invalid(
            "Log level debug is not available.",
            validations=[
                Validation(
                    "log_level",
                    "The deployment must allow it, and you must be allowed to read its configuration.",
                )
            ],
        )


def version_of(
    workspace: Workspace, transition: Transition, wanted: TemplateVersion | None
) -> TemplateVersion:
    """The version that the build takes. Raises Invalid for one of another template."""
    last = workspace.latest_build
    if transition is Transition.DELETE and last is not None:
        return last.template_version
    version = wanted or (last.template_version if last is not None else workspace.template.active_version)
    if version is None or version.template_id != workspace.template_id:
        raise Invalid(
            "The template version does not exist or belongs to another template.",
            validations=[
                Validation("template_version_id", "Choose a version of the workspace's own template.")
            ],
        )
    return version


def check_version(request: BuildRequest) -> None:
    """An import that runs is worth waiting for, a failed one is not; starts may need the active version."""
    if request.transition is Transition.DELETE:
        return
    version = TemplateVersion.objects.select_related("job", "template").get(pk=request.version.pk)
    status = JobStatus(version.job.job_status)
    if status in ACTIVE_STATUSES:
        raise NotAcceptable(
            f"The import of template version {version.name} has not finished.",
            detail="Try again in a moment.",
        )
    if status is not JobStatus.SUCCEEDED:
        raise Invalid(
            f"Template version {version.name} cannot be used: its import {_ended(status)}.",
            detail=version.job.error,
            validations=[Validation("template_version_id", "Choose a version whose import succeeded.")],
        )
    template = request.workspace.template
    if (
        request.transition is Transition.START
        and template.require_active_version
        and version.pk != template.active_version_id
        and not may(request.actor, Action.UPDATE, template)
    ):
        raise Forbidden(
            "This template requires its active version.",
            detail="Update the workspace to the active version and start it again.",
        )


def _ended(status: JobStatus) -> str:
    return "was canceled" if status is JobStatus.CANCELED else "failed"


def check_awake(request: BuildRequest) -> None:
    """A dormant workspace is woken before it is started."""
    if request.transition is Transition.START and request.workspace.dormant_at is not None:
        raise Conflict(
            "The workspace is dormant.",
            detail="Wake it first: PUT /dormant with dormant false, then start it.",
        )


def check_no_active_build(last: WorkspaceBuild | None) -> None:
    """One build at a time."""
    if last is not None and last.job.job_status in ACTIVE_STATUSES:
        raise Conflict(ACTIVE_BUILD, detail="Wait until it has ended, or cancel it.")
