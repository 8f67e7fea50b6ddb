"""The builder: every transition of a workspace begins here (notifications-agents-provisioning 4.2).

`build` runs inside the caller's transaction: it checks, resolves parameters, and inserts the build and its
job together. Workers hear of the job after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.catalog.models import TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import Conflict, NotFound
from coder_admin.parameters.resolving import matching_preset, resolve
from coder_admin.provisioning.choices import JobType, LogLevel, LogSource
from coder_admin.provisioning.engines import engine_of_state
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.selectors import can_be_taken
from coder_admin.provisioning.services import job_complete_without_worker, job_create, log_append
from rbac.model import Subject

from .build_audit import remembered_request
from .build_checks import (
    BuildRequest,
    check_awake,
    check_log_level,
    check_no_active_build,
    check_orphan_and_state,
    check_permission,
    check_version,
    known_transition,
    other_version,
    version_of,
)
from .choices import BuildReason, PrebuildStage, Transition
from .models import Workspace, WorkspaceBuild, WorkspaceBuildParameter
from .news import announce_workspace
from .outcomes import BuildOutcome, store_success

NUMBER_ATTEMPTS = 3


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
    kind = known_transition(transition)
    # The row as it is now: the caller's may be older than a claim or a change of owner.
    locked = _lock(workspace)
    changes = bool(parameters) or preset is not None or other_version(locked, version)
    check_permission(actor, locked, kind, changes=changes)
    check_orphan_and_state(actor, locked, kind, orphan=orphan, state=state)
    check_log_level(actor, log_level)
    request = BuildRequest(
        actor=actor,
        workspace=locked,
        transition=kind,
        version=version_of(locked, kind, version),
        preset=preset if kind is not Transition.DELETE else None,
        stage=PrebuildStage(stage),
        reason=BuildReason(reason),
        initiator_id=uuid.UUID(str(initiator_id or actor.id)),
        orphan=orphan,
        log_level=log_level,
    )
    check_version(request)
    check_no_active_build(locked.latest_build)
    result = _insert(request, parameters or {}, state)
    workspace.latest_build = result
    announce_workspace(workspace, "build")
    if orphan and not can_be_taken(result.job):
        _complete_at_once(request, result)
    return result


def _lock(workspace: Workspace) -> Workspace:
    """The row as it is now, held until the transaction ends: builds of one workspace come one by one."""
    rows = Workspace.objects.select_for_update(of=("self",)).select_related(
        "latest_build__job", "latest_build__template_version", "template", "owner"
    )
    locked = rows.filter(pk=workspace.pk, deleted=False).first()
    if locked is None:
        raise NotFound
    return locked


def _insert(request: BuildRequest, parameters: Mapping[str, str], state: bytes | None) -> WorkspaceBuild:
    """Insert job, build and parameters. A number taken by somebody else is tried again on a fresh reading."""
    for attempt in range(NUMBER_ATTEMPTS):
        last = (
            WorkspaceBuild.objects.select_related("job")
            .filter(workspace=request.workspace)
            .order_by("-build_number")
            .first()
        )
        if attempt:
            check_no_active_build(last)
        inputs = _inputs(request, parameters, state, last)
        check_awake(request)
        try:
            with transaction.atomic():
                return _insert_rows(_with_preset(request, inputs.values, last), inputs)
        except IntegrityError:
            continue
    raise Conflict(
        "Another build of this workspace was begun at the same moment.",
        detail="Look at its state and try again.",
    )


def _with_preset(
    request: BuildRequest, values: Mapping[str, str], last: WorkspaceBuild | None
) -> BuildRequest:
    """Without a chosen preset, the one that the final values amount to (dynamic-parameters 7.3). That of the
    last build goes on while it fits: presets with equal values are pools of their own."""
    if request.preset is not None:
        return request
    before = last.template_version_preset_id if last is not None else None
    return replace(request, preset=matching_preset(request.version, values, before=before))


def _inputs(
    request: BuildRequest, parameters: Mapping[str, str], state: bytes | None, last: WorkspaceBuild | None
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


def _insert_rows(request: BuildRequest, inputs: _Inputs) -> WorkspaceBuild:
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


def _is_use(request: BuildRequest) -> bool:
    """Whether the build counts as somebody's use of the workspace: a start that a person asked for."""
    return (
        request.transition is Transition.START
        and request.stage is not PrebuildStage.CREATE
        and request.reason is not BuildReason.AUTOSTART
    )


def _complete_at_once(request: BuildRequest, result: WorkspaceBuild) -> None:
    """Nothing is to be destroyed and no worker lives that could say so: the server says it itself."""
    result.job = job_complete_without_worker(actor=request.actor, job_id=result.job_id)
    store_success(result, BuildOutcome(state=b""))
