"""Templates, workspaces and finished builds for tests, made by the real services."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from coder_admin.catalog.imports import ImportedParameter, ImportedPreset, ImportResult
from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.organizations.models import PREBUILDS_USER_ID, Organization, User
from coder_admin.provisioning.engines.base import (
    AgentResult,
    AppResult,
    MetadataItem,
    ResourceResult,
    ScriptResult,
)
from coder_admin.provisioning.handlers import JobError, JobFailed
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.services import job_complete_without_worker
from coder_admin.workspaces import builder, services
from coder_admin.workspaces.build_job import BuildHandler
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild
from coder_admin.workspaces.outcomes import BuildOutcome
from rbac.model import Subject
from rbac.subjects import SystemSubject, acting_as
from tests.catalog.factories import make_file, make_template, make_version
from tests.people import default_organization, owner, person, subject

MAIN_TF = """
data "coder_parameter" "region" {
  name    = "region"
  default = "eu"
  mutable = false
}
data "coder_parameter" "size" {
  name    = "size"
  type    = "number"
  default = "1"
  mutable = true
  validation {
    min = 1
    max = 8
  }
}
resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
}
"""
REGION = ImportedParameter(name="region", default_value="eu")
SIZE = ImportedParameter(name="size", type="number", default_value="1", mutable=True)
IMPORT = ImportResult(
    parameters=(REGION, SIZE),
    presets=(
        ImportedPreset(name="big", parameters={"size": "8"}, instances=1),
        ImportedPreset(name="small", parameters={"size": "2"}),
    ),
)


@dataclass
class World:
    """An organization with a template, an administrator, a member and a stranger's organization."""

    organization: Organization
    boss: User
    ada: User
    template: Template

    @property
    def version(self) -> TemplateVersion:
        version = self.template.active_version
        assert version is not None
        return version

    def new_version(
        self, *, done: bool = True, result: ImportResult = IMPORT, source: str = MAIN_TF
    ) -> TemplateVersion:
        file = make_file(self.boss, {"main.tf": source + f"# {uuid.uuid4()}\n"})
        return make_version(
            self.boss, self.organization, template=self.template, done=done, result=result, file=file
        )

    def activate(self, version: TemplateVersion) -> None:
        Template.objects.filter(pk=self.template.pk).update(active_version=version)
        self.template = Template.objects.select_related("active_version__job").get(pk=self.template.pk)

    def create(self, name: str = "dev", *, user: User | None = None, **choices: Any) -> Workspace:
        user = user or self.ada
        return services.workspace_create(
            actor=choices.pop("actor", None) or subject(user),
            owner=user,
            organization=self.organization,
            name=name,
            template=self.template,
            **choices,
        )

    def running(self, name: str = "dev", **choices: Any) -> Workspace:
        """A workspace whose first build succeeded with one agent."""
        return settled(self.create(name, **choices))

    def prebuild(self, *, settle: bool = True) -> Workspace:
        """A workspace of the pool, as the reconciler makes it."""
        preset = self.version.presets.get(name="big")
        with transaction.atomic(), orchestrator() as actor:
            workspace = Workspace.objects.create(
                owner_id=PREBUILDS_USER_ID,
                organization=self.organization,
                template=self.template,
                name=f"prebuild-{uuid.uuid4().hex[:15]}",
            )
            builder.build(
                actor=actor,
                workspace=workspace,
                transition="start",
                version=self.version,
                preset=preset,
                stage="create",
            )
        return settled(workspace) if settle else workspace


def orchestrator() -> Any:
    return acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason="a test stands for the pool")


@transaction.atomic
def make_world() -> World:
    boss, ada = owner(), person("ada")
    organization = default_organization()
    file = make_file(boss, {"main.tf": MAIN_TF})
    template = make_template(
        boss, organization, "web", version=make_version(boss, organization, result=IMPORT, file=file)
    )
    template = Template.objects.select_related("active_version__job").get(pk=template.pk)
    return World(organization, boss, ada, template)


def agent_result(token: str = "", name: str = "main", **fields: Any) -> AgentResult:
    return AgentResult(
        name=name,
        token=token or str(uuid.uuid4()),
        os="linux",
        arch="amd64",
        env={"GREETING": "hello"},
        scripts=(ScriptResult("Startup Script", "echo hi", run_on_start=True),),
        apps=(
            AppResult("code", url="http://localhost:8080", healthcheck_url="http://localhost:8080/healthz"),
        ),
        **fields,
    )


def outcome(*agents: AgentResult, **fields: Any) -> BuildOutcome:
    resource = ResourceResult(
        address="coder_agent.main",
        type="coder_agent",
        name="main",
        daily_cost=3,
        metadata=(MetadataItem("disk", "10 GiB"), MetadataItem("password", "hunter2", sensitive=True)),
        agents=agents,
    )
    return BuildOutcome(state=fields.pop("state", b'{"state": 1}'), resources=(resource,), **fields)


def latest_build(workspace: Workspace) -> WorkspaceBuild:
    """The newest build as the database has it now."""
    build = reread(workspace).latest_build
    assert build is not None
    return build


def finish(build: WorkspaceBuild, result: BuildOutcome | None = None) -> WorkspaceBuild:
    """End the build's job with success and store the result, as the worker does it."""
    result = result or (outcome(agent_result()) if build.transition == "start" else outcome())
    with transaction.atomic(), acting_as(SystemSubject.PROVISIONERD, reason="a test is the worker") as actor:
        job = job_complete_without_worker(actor=actor, job_id=build.job_id)
        BuildHandler().complete(job, result)
    return WorkspaceBuild.objects.select_related("job", "workspace").get(pk=build.pk)


def fail(build: WorkspaceBuild, error: JobError | None = None) -> None:
    """End the build's job without success."""
    with transaction.atomic():
        ProvisionerJob.objects.filter(pk=build.job_id).update(
            started_at=build.created_at, completed_at=build.created_at, error="it broke"
        )
        BuildHandler().fail(ProvisionerJob.objects.get(pk=build.job_id), error or JobFailed("it broke"))


def settled(workspace: Workspace, result: BuildOutcome | None = None) -> Workspace:
    build = WorkspaceBuild.objects.filter(workspace=workspace).order_by("-build_number").first()
    assert build is not None
    finish(build, result)
    return reread(workspace)


def reread(workspace: Workspace) -> Workspace:
    return Workspace.objects.select_related("latest_build__job", "template", "owner").get(pk=workspace.pk)


def agent_of(workspace: Workspace) -> WorkspaceAgent:
    found = (
        WorkspaceAgent.objects.filter(resource__workspace_build__workspace=workspace)
        .order_by("-resource__workspace_build__build_number")
        .first()
    )
    assert found is not None
    return found


def parameters_of(workspace: Workspace) -> Mapping[str, str]:
    build = workspace.latest_build
    assert build is not None
    return dict(build.parameters.values_list("name", "value"))


def template_admin(name: str = "curator") -> Subject:
    return subject(person(name, roles=["template-admin"]))
