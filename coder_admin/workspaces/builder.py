"""The builder: every transition of a workspace begins here (notifications-agents-provisioning 4.2).

`build` runs inside the caller's transaction: it checks, resolves parameters, and inserts the build and its
job together. Workers hear of the job after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotAcceptable, NotFound, Validation
from coder_admin.parameters.resolving import matching_preset, resolve
from coder_admin.provisioning.choices import ACTIVE_STATUSES, JobStatus, JobType, LogLevel, LogSource
from coder_admin.provisioning.engines import engine_of_state
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.selectors import can_be_taken
from coder_admin.provisioning.services import job_complete_without_worker, job_create, log_append
from rbac import allowed
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType, Subject

from .build_audit import remembered_request
from .choices import AutomaticUpdates, BuildReason, PrebuildStage, Transition
from .models import Workspace, WorkspaceBuild, WorkspaceBuildParameter
from .news import announce_workspace
from .outcomes import BuildOutcome, store_success

NUMBER_ATTEMPTS = 3
ACTIVE_BUILD = "A workspace build is already active."


@dataclass(frozen=True, slots=True)
class _Request:
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


@dataclass(frozen=True, slots=True)
class _Inputs:
    values: Mapping[str, str]
    tags: Mapping[str, str]
    state: bytes | None
    number: int
    daily_cost: int  # of the last build: what exists goes on costing until this build has changed it
    warnings: tuple[str, ...] = ()  # what was decided about the parameters that its owner should know


def build(
    *,
    actor: Subject,
    workspace: Workspace,
    transition: str,
    reason: str = BuildReason.INITIATOR,
    version: TemplateVersion | None = None,
    preset: TemplateVersionPreset | None = None,
    parameters: Mapping[str, str] | None = None,
    stage: str = PrebuildStage.NONE,
    orphan: bool = False,
    state: bytes | None = None,
    log_level: str = "",
    initiator_id: uuid.UUID | str | None = None,
) -> WorkspaceBuild:
    """Begin one transition of a workspace and return its build; call it inside a transaction.

    Without `version` a start uses the last build's version (a first build the template's active one).
    A delete never looks at version, preset or parameters: it ends what the last build made. Raises the
    ServiceErrors of section 4.2 in their order.
    """
    kind = _transition(transition)
    # The row as it is now: the caller's may be older than a claim or a change of owner.
    locked = _lock(workspace)
    changes = bool(parameters) or preset is not None or _other_version(locked, version)
    _check_permission(actor, locked, kind, changes=changes)
    _check_orphan_and_state(actor, locked, kind, orphan=orphan, state=state)
    _check_log_level(actor, log_level)
    request = _Request(
        actor=actor,
        workspace=locked,
        transition=kind,
        version=_version(locked, kind, version),
        preset=preset if kind is not Transition.DELETE else None,
        stage=PrebuildStage(stage),
        reason=BuildReason(reason),
        initiator_id=uuid.UUID(str(initiator_id or actor.id)),
        orphan=orphan,
        log_level=log_level,
    )
    _check_version(request)
    _check_no_active_build(locked.latest_build)
    result = _insert(request, parameters or {}, state)
    workspace.latest_build = result
    announce_workspace(workspace, "build")
    if orphan and not can_be_taken(result.job):
        _complete_at_once(request, result)
    return result


def _transition(text: str) -> Transition:
    if text not in Transition.values:
        raise Invalid(
            f'"{text[:16]}" is not a transition.',
            validations=[Validation("transition", "Use start, stop or delete.")],
        )
    return Transition(text)


def check_may_begin(actor: Subject, workspace: Workspace, transition: str) -> None:
    """The first two checks alone, for callers that find a mistake of their own in the request."""
    _check_permission(actor, workspace, _transition(transition), changes=False)


def _other_version(workspace: Workspace, version: TemplateVersion | None) -> bool:
    """Whether the build would move the workspace to another version; one that its owner keeps up to date by
    itself is not moved by who starts it."""
    last = workspace.latest_build
    return (
        version is not None
        and workspace.automatic_updates != AutomaticUpdates.ALWAYS
        and (last is None or last.template_version_id != version.pk)
    )


def _check_permission(actor: Subject, workspace: Workspace, transition: Transition, *, changes: bool) -> None:
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


def _check_orphan_and_state(
    actor: Subject, workspace: Workspace, transition: Transition, *, orphan: bool, state: bytes | None
) -> None:
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


def _check_log_level(actor: Subject, log_level: str) -> None:
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


def _lock(workspace: Workspace) -> Workspace:
    """The row as it is now, held until the transaction ends: builds of one workspace come one by one."""
    rows = Workspace.objects.select_for_update(of=("self",)).select_related(
        "latest_build__job", "latest_build__template_version", "template", "owner"
    )
    locked = rows.filter(pk=workspace.pk, deleted=False).first()
    if locked is None:
        raise NotFound
    return locked


def _version(workspace: Workspace, transition: Transition, wanted: TemplateVersion | None) -> TemplateVersion:
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


def _check_version(request: _Request) -> None:
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


def _check_awake(request: _Request) -> None:
    if request.transition is Transition.START and request.workspace.dormant_at is not None:
        raise Conflict(
            "The workspace is dormant.",
            detail="Wake it first: PUT /dormant with dormant false, then start it.",
        )


def _check_no_active_build(last: WorkspaceBuild | None) -> None:
    if last is not None and last.job.job_status in ACTIVE_STATUSES:
        raise Conflict(ACTIVE_BUILD, detail="Wait until it has ended, or cancel it.")


def _insert(request: _Request, parameters: Mapping[str, str], state: bytes | None) -> WorkspaceBuild:
    """Insert job, build and parameters. A number taken by somebody else is tried again on a fresh reading."""
    for attempt in range(NUMBER_ATTEMPTS):
        last = (
            WorkspaceBuild.objects.select_related("job")
            .filter(workspace=request.workspace)
            .order_by("-build_number")
            .first()
        )
        if attempt:
            _check_no_active_build(last)
        inputs = _inputs(request, parameters, state, last)
        _check_awake(request)
        try:
            with transaction.atomic():
                return _insert_rows(_with_preset(request, inputs.values, last), inputs)
        except IntegrityError:
            continue
    raise Conflict(
        "Another build of this workspace was begun at the same moment.",
        detail="Look at its state and try again.",
    )


def _with_preset(request: _Request, values: Mapping[str, str], last: WorkspaceBuild | None) -> _Request:
    """Without a chosen preset, the one that the final values amount to (dynamic-parameters 7.3). That of the
    last build goes on while it fits: presets with equal values are pools of their own."""
    if request.preset is not None:
        return request
    before = last.template_version_preset_id if last is not None else None
    return replace(request, preset=matching_preset(request.version, values, before=before))


def _inputs(
    request: _Request, parameters: Mapping[str, str], state: bytes | None, last: WorkspaceBuild | None
) -> _Inputs:
    previous = dict(last.parameters.values_list("name", "value")) if last is not None else {}
    values, tags = dict(previous), dict[str, str](last.job.tags if last is not None else {})
    warnings: tuple[str, ...] = ()
    if request.transition is not Transition.DELETE:
        resolved = resolve(
            version=request.version,
            owner_id=request.workspace.owner_id,
            transition=request.transition.value,
            first_build=last is None,
            previous=previous,
            request=parameters,
            preset=_preset_values(request.preset),
        )
        values, tags = dict(resolved.values), dict(resolved.tags)
        warnings = tuple(
            f'Parameter "{name}": {note.summary}. {note.detail}' for name, note in resolved.warnings
        )
    carried = None
    if not request.orphan and last is not None and last.provisioner_state is not None:
        carried = bytes(last.provisioner_state)
    return _Inputs(
        values,
        tags,
        state if state is not None else carried,
        number=last.build_number + 1 if last else 1,
        daily_cost=last.daily_cost if last else 0,
        warnings=warnings,
    )


def _preset_values(preset: TemplateVersionPreset | None) -> dict[str, str]:
    return dict(preset.parameters.values_list("name", "value")) if preset is not None else {}


def _insert_rows(request: _Request, inputs: _Inputs) -> WorkspaceBuild:
    workspace, build_id, now = request.workspace, uuid.uuid4(), timezone.now()
    job_input: dict[str, Any] = {"workspace_build_id": str(build_id)}
    if request.orphan:
        job_input["orphan"] = True
    if request.log_level:
        job_input["log_level"] = request.log_level
    job_input |= remembered_request()
    job = job_create(
        actor=request.actor,
        organization_id=workspace.organization_id,
        initiator_id=request.initiator_id,
        type=JobType.WORKSPACE_BUILD,
        input=job_input,
        file_id=TemplateVersion.objects.values_list("job__file_id", flat=True).get(pk=request.version.pk),
        tags=dict(inputs.tags),
        # A workspace goes on with the engine that made it, whatever new ones are made with.
        provisioner=engine_of_state(inputs.state),
    )
    source, level = LogSource.PROVISIONER_DAEMON, LogLevel.WARN
    if inputs.warnings:
        log_append(
            job_id=job.id, lines=[Line(now, "Parameters", text, level, source) for text in inputs.warnings]
        )
    result = WorkspaceBuild.objects.create(
        id=build_id,
        created_at=now,
        updated_at=now,
        workspace=workspace,
        template_version=request.version,
        template_version_preset=request.preset,
        build_number=inputs.number,
        transition=request.transition,
        reason=request.reason,
        prebuild_stage=request.stage,
        initiator_id=request.initiator_id,
        job=job,
        provisioner_state=inputs.state,
        daily_cost=inputs.daily_cost,
    )
    WorkspaceBuildParameter.objects.bulk_create(
        WorkspaceBuildParameter(workspace_build=result, name=name, value=value)
        for name, value in sorted(inputs.values.items())
    )
    changes: dict[str, Any] = {"latest_build": result, "updated_at": now}
    if _is_use(request):
        changes["last_used_at"] = now
    Workspace.objects.filter(pk=workspace.pk).update(**changes)
    workspace.latest_build = result
    return result


def _is_use(request: _Request) -> bool:
    """Whether the build counts as somebody's use of the workspace: a start that a person asked for."""
    return (
        request.transition is Transition.START
        and request.stage is not PrebuildStage.CREATE
        and request.reason is not BuildReason.AUTOSTART
    )


def _complete_at_once(request: _Request, result: WorkspaceBuild) -> None:
    """Nothing is to be destroyed and no worker lives that could say so: the server says it itself."""
    result.job = job_complete_without_worker(actor=request.actor, job_id=result.job_id)
    store_success(result, BuildOutcome(state=b""))
