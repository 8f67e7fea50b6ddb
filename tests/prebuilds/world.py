"""Rows of a small deployment, written directly: templates, presets, prebuilds in any state."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.organizations.models import PREBUILDS_USER_ID, Organization, User
from coder_admin.provisioning.choices import JobType
from coder_admin.provisioning.models import ProvisionerDaemon, ProvisionerJob
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceBuild,
    WorkspaceResource,
)


def organization() -> Organization:
    return Organization.objects.get(is_default=True)


def person(name: str = "ann", roles: Sequence[str] = ()) -> User:
    existing = User.objects.filter(username=name).first()
    return existing or User.objects.create_user(
        name, f"{name}@example.com", "secret-enough", rbac_roles=list(roles)
    )


def job(
    status: str = "succeeded",
    *,
    kind: str = JobType.WORKSPACE_BUILD,
    by: Any = None,
    at: datetime | None = None,
) -> ProvisionerJob:
    at = at or timezone.now()
    fields: dict[str, Any] = {"created_at": at, "updated_at": at}
    if status != "pending":
        fields["started_at"] = at
    if status in ("succeeded", "failed", "canceled"):
        fields["completed_at"] = at
    if status == "failed":
        fields["error"] = "the template is broken"
    if status in ("canceled", "canceling"):
        fields["canceled_at"] = at
    return ProvisionerJob.objects.create(
        initiator_id=by or PREBUILDS_USER_ID, organization=organization(), type=kind, **fields
    )


def version(template: Template | None = None, name: str = "v1", status: str = "succeeded") -> TemplateVersion:
    author = person("author")
    return TemplateVersion.objects.create(
        template=template,
        organization=organization(),
        name=name,
        job=job(status, kind=JobType.TEMPLATE_VERSION_IMPORT, by=author.id),
        created_by=author,
    )


def template(name: str = "docker", **fields: Any) -> Template:
    row = Template.objects.create(
        organization=organization(), name=name, created_by=person("author"), **fields
    )
    promote(row, version(row))
    return row


def promote(row: Template, to: TemplateVersion) -> TemplateVersion:
    row.active_version = to
    row.save()
    return to


def preset(
    of: TemplateVersion | None, desired: int | None = 2, name: str = "large", **fields: Any
) -> TemplateVersionPreset:
    assert of is not None  # as a template says of its active version
    return TemplateVersionPreset.objects.create(
        template_version=of, name=name, desired_instances=desired, **fields
    )


@dataclass
class Prebuild:
    """One workspace to put into the world; `agents` are lifecycle states of its latest build's agents."""

    preset: TemplateVersionPreset | None
    of: TemplateVersion | None
    status: str = "succeeded"
    transition: str = "start"
    owner: uuid.UUID = PREBUILDS_USER_ID
    initiator: uuid.UUID = PREBUILDS_USER_ID
    agents: Sequence[str] = ("ready",)
    age: timedelta = timedelta(minutes=5)
    number: int = 1
    fields: dict[str, Any] = field(default_factory=dict)

    def save(self, now: datetime | None = None) -> Workspace:
        born = (now or timezone.now()) - self.age
        assert self.of is not None
        assert self.of.template is not None
        row = Workspace.objects.create(
            owner_id=self.owner,
            organization=self.of.organization,
            template=self.of.template,
            name=f"prebuild-{uuid.uuid4().hex[:15]}",
            created_at=born,
            last_used_at=born,
            **self.fields,
        )
        add_build(
            row,
            self.of,
            self.preset,
            status=self.status,
            transition=self.transition,
            at=born,
            initiator=self.initiator,
            agents=self.agents,
            number=self.number,
        )
        return row


def add_build(
    row: Workspace,
    of: TemplateVersion | None,
    named: TemplateVersionPreset | None = None,
    *,
    status: str = "succeeded",
    transition: str = "start",
    at: datetime | None = None,
    initiator: uuid.UUID = PREBUILDS_USER_ID,
    agents: Sequence[str] = (),
    number: int | None = None,
) -> WorkspaceBuild:
    assert of is not None
    at = at or timezone.now()
    build = WorkspaceBuild.objects.create(
        workspace=row,
        template_version=of,
        template_version_preset=named,
        build_number=number or row.builds.count() + 1,
        transition=transition,
        initiator_id=initiator,
        job=job(status, by=initiator, at=at),
        created_at=at,
    )
    build.job.input = {"workspace_build_id": str(build.id)}
    build.job.save()
    row.latest_build = build
    row.save()
    if agents:
        resource = WorkspaceResource.objects.create(
            workspace_build=build,
            transition=transition,
            address="null_resource.a",
            type="null_resource",
            name="a",
        )
        for position, state in enumerate(agents):
            WorkspaceAgent.objects.create(
                resource=resource, name=f"main{position}", auth_token=uuid.uuid4(), lifecycle_state=state
            )
    return build


def worker(name: str = "w") -> ProvisionerDaemon:
    return ProvisionerDaemon.objects.create(name=name, last_seen_at=timezone.now())
