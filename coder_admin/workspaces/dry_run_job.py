"""The work of a dry run's job: the plan of a first start, of which only the planned resources are kept."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from coder_admin.catalog.models import TemplateVersion
from coder_admin.files.cache import file_cache
from coder_admin.parameters.owners import OwnerNotFoundError, load_owner
from coder_admin.parameters.variables import texts_for_engine
from coder_admin.provisioning.context import JobContext
from coder_admin.provisioning.engines import engine_named
from coder_admin.provisioning.engines.base import (
    AgentResult,
    EngineError,
    EngineRequest,
    ResourceResult,
    WorkspaceMetadata,
)
from coder_admin.provisioning.engines.terraform.results import planned_resources
from coder_admin.provisioning.handlers import JobError, JobFailed
from coder_admin.provisioning.limits import clean
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.plans import read_plan
from coder_admin.terraform import FileSystem
from rbac.model import Subject
from rbac.subjects import SystemSubject, acting_as

from .choices import Transition
from .engine_request import owner_facts
from .models import DryRun

PLAN_STAGE = "Planning"
MAX_RESOURCES = 5_000  # kept of one plan

Planned = list[dict[str, Any]]


class DryRunHandler:
    """Registered for JobType.TEMPLATE_VERSION_DRY_RUN."""

    def execute(self, ctx: JobContext) -> Planned:
        """Plan and nothing more. Raises JobFailed."""
        version = _version_of(ctx.job)
        if ctx.job.file_id is None:
            raise JobFailed("The template version has no source files.")
        with acting_as(SystemSubject.PROVISIONERD, reason="plan a workspace for its dry run") as actor:
            try:
                engine = engine_named(ctx.job.provisioner)
                with (
                    file_cache.acquire(ctx.job.file_id, subject=actor) as handle,
                    _folder_of(ctx) as folder,
                ):
                    source = handle.file.filesystem()
                    request = EngineRequest(
                        source=source,
                        workdir=folder,
                        variables=_variables(version, ctx.job, source),
                        parameters=_values(ctx.job, "rich_parameter_values"),
                        metadata=_metadata(version, ctx.job, actor),
                        phase=partial(ctx.timing, source=engine.name),
                    )
                    plan = engine.plan(request, ctx.log, ctx.check_canceled)
            except EngineError as error:
                raise JobFailed(str(error)) from error
        ctx.check_canceled()
        found = planned_resources(read_plan(plan.document))
        if len(found) > MAX_RESOURCES:
            ctx.log(PLAN_STAGE, f"The first {MAX_RESOURCES} of {len(found)} resources are kept.", "warn")
        ctx.log(PLAN_STAGE, "A dry run: nothing is made.")
        return [resource_facts(ctx.job, one) for one in found[:MAX_RESOURCES]]

    def complete(self, job: ProvisionerJob, result: Planned) -> None:
        """Store what was planned, in the transaction that ends the job."""
        DryRun.objects.filter(pk=job.pk).update(resources=result)

    def fail(self, job: ProvisionerJob, error: JobError) -> None:
        """The job's error says it all; there is nothing to clean up."""


def resource_facts(job: ProvisionerJob, resource: ResourceResult) -> dict[str, Any]:
    """A planned resource as the API shows those of a build, as far as a plan knows. Ids are made up, the
    same at each look. What scripts and environments of agents hold is left out: it may be secret."""
    return {
        "id": _id(job, resource.address),
        "created_at": job.created_at.isoformat().replace("+00:00", "Z"),
        "job_id": str(job.id),
        "workspace_transition": Transition.START.value,
        "address": clean(resource.address),
        "type": clean(resource.type),
        "name": clean(resource.name),
        "hide": resource.hide,
        "icon": clean(resource.icon),
        "daily_cost": resource.daily_cost,
        "metadata": [
            # A sensitive value never leaves the server.
            {
                "key": clean(item.key),
                "value": "" if item.sensitive else clean(item.value),
                "sensitive": item.sensitive,
            }
            for item in resource.metadata
        ],
        "agents": [_agent_facts(job, resource.address, agent) for agent in resource.agents],
    }


def _agent_facts(job: ProvisionerJob, address: str, agent: AgentResult) -> dict[str, Any]:
    return {
        "id": _id(job, f"{address} {agent.name}"),
        "name": clean(agent.name),
        "operating_system": clean(agent.os),
        "architecture": clean(agent.arch),
        "directory": clean(agent.dir),
        "display_apps": [clean(app) for app in agent.display_apps],
        "apps": [
            {"slug": clean(app.slug), "display_name": clean(app.display_name), "icon": clean(app.icon)}
            for app in agent.apps
        ],
    }


def _id(job: ProvisionerJob, what: str) -> str:
    return str(uuid.uuid5(job.id, clean(what)))


def _version_of(job: ProvisionerJob) -> TemplateVersion:
    rows = TemplateVersion.objects.select_related("template")
    found = rows.filter(pk=job.input.get("template_version_id")).first()
    if found is None:
        raise JobFailed("The template version of this dry run does not exist any more.")
    return found


def _values(job: ProvisionerJob, name: str) -> dict[str, str]:
    return {item["name"]: item["value"] for item in job.input.get(name, [])}


def _variables(version: TemplateVersion, job: ProvisionerJob, source: FileSystem) -> Mapping[str, str]:
    """Those of the version, with the dry run's own over them."""
    own = _values(job, "user_variable_values")
    rows = version.variables.values_list("name", "value", "required")
    return texts_for_engine(
        ((name, own.get(name, value), required) for name, value, required in rows), source
    )


def _metadata(version: TemplateVersion, job: ProvisionerJob, actor: Subject) -> WorkspaceMetadata:
    """The facts of a first start by the initiator; the job's id stands for the workspace's."""
    try:
        owner = load_owner(viewer=actor, user_id=job.initiator_id, organization_id=version.organization_id)
    except OwnerNotFoundError:
        raise JobFailed("The user who asked for the dry run does not exist any more.") from None
    return WorkspaceMetadata(
        access_url=settings.ACCESS_URL,
        transition="start",
        workspace_id=str(job.id),
        workspace_name=job.input.get("workspace_name", ""),
        owner=owner_facts(owner),
        template_id=str(version.template_id or ""),
        template_name=version.template.name if version.template is not None else "",
        template_version=version.name,
    )


@contextmanager
def _folder_of(ctx: JobContext) -> Iterator[Path]:
    """A folder of this attempt's own, gone afterwards: plans and copies of templates may hold secrets."""
    root = Path(settings.DATA_DIR) / "dry-runs"
    _remove_leftovers(root)
    folder = root / str(ctx.job.id) / str(ctx.claim.attempt)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()


def _remove_leftovers(root: Path) -> None:
    """Folders of dry runs that have ended: their worker was killed. One of an unknown job stays, it may
    belong to another database."""
    found = {path.name: path for path in root.glob("*-*-*-*-*")}
    with suppress(ValueError):
        ids = [uuid.UUID(name) for name in found]
        ended = ProvisionerJob.objects.filter(pk__in=ids, completed_at__isnull=False)
        for job_id in ended.values_list("pk", flat=True):
            shutil.rmtree(found[str(job_id)], ignore_errors=True)
