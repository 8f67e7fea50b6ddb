"""The work of a build's job: plan and apply with the engine, then store the outcome.

`execute` runs on a worker's thread outside any transaction; `complete` and `fail` run inside the one
that ends the job. Agents' processes are started and stopped after the commit.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from django.db import DatabaseError
from django.db.models import QuerySet

from coder_admin.files.cache import file_cache
from coder_admin.foundation import events
from coder_admin.foundation.encryption import EncryptionError
from coder_admin.provisioning.context import JobContext
from coder_admin.provisioning.engines import engine_named, engine_of_state
from coder_admin.provisioning.engines.base import (
    Engine,
    EngineError,
    EngineRequest,
    Plan,
    ResourceResult,
)
from coder_admin.provisioning.engines.terraform.results import provider_of
from coder_admin.provisioning.handlers import JobCanceled, JobError, JobFailed
from coder_admin.provisioning.host import host_id
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.plans import daily_cost, read_plan, replacement_lines
from coder_admin.provisioning.services import Timing
from rbac.model import Subject
from rbac.subjects import SystemSubject, acting_as

from . import claims, messages, processes, quota
from .choices import PrebuildStage, Transition
from .engine_request import engine_request
from .models import WorkspaceBuild
from .outcomes import BuildOutcome, store_failure, store_success

log = structlog.get_logger(__name__)

PLAN_STAGE = "Planning"
APPLY_STAGE = "Applying"
QUOTA_STAGE = "Commit quota"
DEBUG_LINES = 1000
CLAIM_REASON = "prebuild_claimed"


class BuildFailed(JobFailed):
    """The apply failed; `state` says what exists all the same and must be kept."""

    def __init__(self, message: str, state: bytes) -> None:
        super().__init__(message)
        self.state = state


class BuildCanceled(JobCanceled):
    """The apply was interrupted; `state` says what exists and must be kept."""

    def __init__(self, state: bytes) -> None:
        super().__init__()
        self.state = state


@dataclass(frozen=True, slots=True)
class _Work:
    """What one build's job is about, read once."""

    build: WorkspaceBuild
    orphan: bool

    @property
    def destroys(self) -> bool:
        return self.build.transition == Transition.DELETE


#: What running a build reads; what is not named here is loaded when somebody asks after all.
_TO_RUN = (
    "build_number",
    "job_id",
    "transition",
    "prebuild_stage",
    "provisioner_state",
    "resource_replacements",
    "template_version__name",
    "template_version__job__file_id",
    "workspace__name",
    "workspace__organization_id",
    "workspace__owner",
    "workspace__template__name",
)

_TO_END = (
    "build_number",
    "job_id",
    "transition",
    "reason",
    "prebuild_stage",
    "template_version_id",
    "template_version_preset_id",
    "initiator__username",
    "workspace__name",
    "workspace__organization_id",
    "workspace__owner__username",
    "workspace__ttl_ms",
    "workspace__autostart_schedule",
    "workspace__latest_build_id",
    "workspace__template",
)


def _to_run(job: ProvisionerJob) -> WorkspaceBuild:
    """The build with what the engine is told of it."""
    rows = WorkspaceBuild.objects.select_related(
        "workspace__owner", "workspace__template", "template_version__job"
    )
    return _found(rows.only(*_TO_RUN), job)


def _to_end(job: ProvisionerJob) -> WorkspaceBuild:
    """The build as its end needs it, read anew: settings may have changed while the engine ran."""
    rows = WorkspaceBuild.objects.select_related("workspace__owner", "workspace__template", "initiator")
    build = _found(rows.only(*_TO_END), job)
    build.job = job
    return build


def _found(rows: QuerySet[WorkspaceBuild], job: ProvisionerJob) -> WorkspaceBuild:
    try:
        return rows.get(pk=job.input.get("workspace_build_id"))
    except WorkspaceBuild.DoesNotExist:
        raise JobFailed("The workspace build of this job no longer exists.") from None


class BuildHandler:
    """Registered for JobType.WORKSPACE_BUILD."""

    def execute(self, ctx: JobContext) -> BuildOutcome:
        """Plan and apply. Raises JobFailed, BuildFailed or BuildCanceled."""
        work = _Work(_to_run(ctx.job), bool(ctx.job.input.get("orphan")))
        if work.orphan:
            ctx.log(APPLY_STAGE, "Orphaned: the workspace's resources are forgotten, not deleted.", "warn")
            return BuildOutcome(state=b"")
        if work.destroys and not work.build.provisioner_state:
            ctx.log(APPLY_STAGE, "There is nothing to delete: no build of this workspace made anything.")
            return BuildOutcome(state=b"")
        with acting_as(SystemSubject.PROVISIONERD, reason="build a workspace for its job") as actor:
            try:
                return self._build(ctx, work, actor)
            except (EngineError, EncryptionError) as error:
                raise JobFailed(str(error)) from error

    def _build(self, ctx: JobContext, work: _Work, actor: Subject) -> BuildOutcome:
        file_id = work.build.template_version.job.file_id
        if file_id is None:
            raise JobFailed("The template version has no source files.")
        # A workspace goes on with the engine that made it, whatever new ones are made with.
        state = work.build.provisioner_state
        engine = engine_named(engine_of_state(state) or ctx.job.provisioner)
        with file_cache.acquire(file_id, subject=actor) as handle:
            _leave_other_machine(work.build, ctx)
            request = replace(
                engine_request(work.build, handle.file.filesystem(), actor),
                phase=partial(ctx.timing, source=engine.name),
                keep=partial(_keep_state, ctx),
            )
            plan = engine.plan(request, ctx.log, ctx.check_canceled)
            ctx.check_canceled()
            planned = read_plan(plan.document)
            if not work.destroys:
                _commit_quota(ctx, work.build, daily_cost(planned))
            if ctx.job.input.get("log_level") == "debug":
                _log_plan(ctx, plan)
            if work.build.prebuild_stage == PrebuildStage.CLAIM:
                # A replaced resource undoes what the pool prepared (reference section 2).
                for line in replacement_lines(planned.changes):
                    ctx.log(PLAN_STAGE, line, "warn")
            replaced = _remember_replacements(ctx, work.build, plan.replacements)
            ctx.flush()
            if work.build.transition != Transition.START:
                # While the tokens are still good, so that stop scripts run and are heard.
                processes.stop(work.build.workspace_id)
            return replace(self._apply(ctx, engine, request, plan), replacements=replaced)

    def _apply(self, ctx: JobContext, engine: Engine, request: EngineRequest, plan: Plan) -> BuildOutcome:
        result = engine.apply(request, plan, ctx.log, ctx.check_canceled)
        ctx.add_timings(
            Timing("apply", s.started_at, s.ended_at, provider_of(s.resource), s.action, s.resource)
            for s in result.steps
        )
        if result.canceled:
            _keep_state(ctx, result.state)
            try:
                ctx.check_canceled()  # a worker that stops: the job goes back to the queue
            except JobCanceled:
                raise BuildCanceled(result.state) from None
        if result.error:
            raise BuildFailed(result.error, result.state)
        _warn_of_namesakes(ctx, result.resources)
        return BuildOutcome(result.state, tuple(result.resources))

    def complete(self, job: ProvisionerJob, result: Any) -> None:
        """Store the outcome; after the commit start or stop agents, and tell a claimed one."""
        build = _to_end(job)
        store_success(build, result)
        if build.transition == Transition.START:
            if any(resource.agents for resource in result.resources):
                events.after_commit(partial(_start_agents, build))
            else:
                events.after_commit(partial(processes.stop, build.workspace_id))
        else:
            events.after_commit(partial(_end_agents, build))
        if build.prebuild_stage == PrebuildStage.CLAIM:
            events.publish(
                f"prebuild-claimed:{build.workspace_id}",
                {
                    "workspace_id": str(build.workspace_id),
                    "reason": CLAIM_REASON,
                    "owner_id": str(build.workspace.owner_id),
                    "build_id": str(build.id),
                },
            )
            if result.replacements:
                claims.replacements_found(build, result.replacements)

    def fail(self, job: ProvisionerJob, error: JobError) -> None:
        """Keep what state there is, so that the next build can go on from it or clean up."""
        state = error.state if isinstance(error, BuildFailed | BuildCanceled) else None
        build = _to_end(job)
        store_failure(build, state)
        if not isinstance(error, JobCanceled):
            messages.build_failed(build)


def _commit_quota(ctx: JobContext, build: WorkspaceBuild, cost: int) -> None:
    """Book the planned cost before anything is made; JobFailed when the owner's quota does not suffice."""
    if not cost:
        return
    decision = quota.commit(build, cost)
    if decision.allowance == quota.UNLIMITED:
        return
    ctx.log(QUOTA_STAGE, f"Build cost       {decision.cost} credits a day")
    ctx.log(QUOTA_STAGE, f"Allowance        {decision.allowance}")
    ctx.log(QUOTA_STAGE, f"Credits consumed {decision.consumed}")
    if not decision.permitted:
        ctx.log(QUOTA_STAGE, "This build would exceed the owner's quota, so it fails here.", "error")
        raise JobFailed(quota.ERROR, code=quota.ERROR_CODE)


def _keep_state(ctx: JobContext, state: bytes) -> None:
    """Store what exists so far."""
    _keep(ctx, provisioner_state=state)


def _keep(ctx: JobContext, **values: Any) -> None:
    """Store what the next attempt may need, as long as the job is ours. Only a help: that it fails fails
    nothing."""
    try:
        WorkspaceBuild.objects.filter(job__in=ctx.claim.rows().values("pk")).update(**values)
    except DatabaseError as error:
        log.warning("not kept yet", job=str(ctx.claim.job_id), what=list(values), error=str(error))


def _warn_of_namesakes(ctx: JobContext, resources: Iterable[ResourceResult]) -> None:
    """Agents are told apart by their names: of two with one name only the first runs."""
    names = Counter(agent.name for resource in resources for agent in resource.agents)
    for name in sorted(name for name, count in names.items() if count > 1):
        ctx.log(
            APPLY_STAGE,
            f'{names[name]} agents are called "{name}"; only one of them runs. Give each coder_agent block a '
            "name of its own instead of count or for_each.",
            "warn",
        )


def _remember_replacements(
    ctx: JobContext, build: WorkspaceBuild, planned: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """What this build replaces, whichever of its attempts does it: when a worker dies after the replacement,
    the next attempt's plan shows none."""
    before: Mapping[str, list[str]] = build.resource_replacements
    found = {
        address: list(dict.fromkeys([*before.get(address, ()), *planned.get(address, ())]))
        for address in {**before, **planned}
    }
    if found != before:
        _keep(ctx, resource_replacements=found)
    return found


def _leave_other_machine(build: WorkspaceBuild, ctx: JobContext) -> None:
    """Forget what this machine knows of a workspace that another one built since.

    A build of ours that was killed may have left files and a state here; the build that another machine
    did in its place is what counts.
    """
    folder = processes.workspace_folder(build.workspace_id)
    if not folder.exists():
        return
    last = (
        WorkspaceBuild.objects.filter(
            workspace_id=build.workspace_id,
            build_number__lt=build.build_number,
            job__completed_at__isnull=False,
            job__host__isnull=False,
        )
        .order_by("-build_number")
        .values_list("job__host", flat=True)
        .first()
    )
    if last is None or last == host_id():
        return
    ctx.log(PLAN_STAGE, "Another machine built this workspace since; what lies here is removed.", "warn")
    processes.stop(build.workspace_id)
    shutil.rmtree(folder, ignore_errors=True)


def _log_plan(ctx: JobContext, plan: Plan) -> None:
    """Every change of the plan, for debug output. Names only: values may be secret."""
    for change in plan.document.get("resource_changes", [])[:DEBUG_LINES]:
        actions = ", ".join(change["change"]["actions"])
        ctx.log(PLAN_STAGE, f"{change['address']}: {actions}", "debug")


def _start_agents(build: WorkspaceBuild) -> None:
    processes.start(build, restart=build.prebuild_stage != PrebuildStage.CLAIM)


def _end_agents(build: WorkspaceBuild) -> None:
    processes.stop(build.workspace_id)
    if build.transition == Transition.DELETE:
        shutil.rmtree(processes.workspace_folder(build.workspace_id), ignore_errors=True)
