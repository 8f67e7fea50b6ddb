"""A deployment with something of everything that the pages show."""

from __future__ import annotations

import io
import tarfile
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from coder_admin.catalog.models import (
    Template,
    TemplateVersion,
    TemplateVersionParameter,
    TemplateVersionPreset,
    TemplateVersionPresetParameter,
    TemplateVersionPresetPrebuildSchedule,
    TemplateVersionTerraformValues,
    TemplateVersionVariable,
)
from coder_admin.files.models import File
from coder_admin.notifications.kinds import TEST
from coder_admin.notifications.models import InboxNotification, NotificationMessage
from coder_admin.organizations.models import OrganizationMember, User
from coder_admin.organizations.seed import ensure_system_rows
from coder_admin.provisioning.models import ProvisionerJobLog
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentLogSource,
    WorkspaceBuildParameter,
)
from prebuilds.models import PoolSample, PrebuildEvent
from prebuilds.notices import FAILURE_LIMIT_REACHED
from tests.prebuilds import world as pools

PASSWORD = "a-long-enough-password"
LONG = "a-name-as-long-as-it-is-allowed0"
LONG_LABEL = "A display name that uses all of the sixty-four characters it may"
TEMPLATE = b"""
data "coder_parameter" "region" {
  name    = "region"
  type    = "string"
  default = "eu"
  option {
    name  = "Europe"
    value = "eu"
  }
  option {
    name  = "America"
    value = "us"
  }
}

data "coder_parameter" "size" {
  name    = "size"
  type    = "number"
  default = 4
  mutable = true
  validation {
    min = 1
    max = 8
  }
}

data "coder_parameter" "zone" {
  count   = data.coder_parameter.region.value == "us" ? 1 : 0
  name    = "zone"
  type    = "string"
  default = "us-1"
}

data "coder_parameter" "note" {
  name    = "note"
  type    = "string"
  default = "in ${data.coder_parameter.region.value}"
  mutable = true
}

resource "null_resource" "box" {}
"""


@dataclass
class World:
    """The rows that tests name."""

    owner: User
    member: User
    stranger: User
    template: Template
    version: TemplateVersion
    preset_id: uuid.UUID
    workspace: Workspace
    agent: WorkspaceAgent


def person(name: str, *, roles: tuple[str, ...] = (), member: bool = True) -> User:
    user = User.objects.create_user(
        name, f"{name}@example.com", PASSWORD, rbac_roles=list(roles), name=name.title()
    )
    if member:
        OrganizationMember.objects.create(organization=pools.organization(), user=user)
    return user


def archive(files: dict[str, bytes], by: User) -> File:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    data = buffer.getvalue()
    return File.objects.create(hash=uuid.uuid4().hex * 2, created_by=by, size=len(data), data=data)


def deliveries(to: User) -> None:
    """A delivery log with one of each."""
    for number, (method, status, reason) in enumerate(
        (
            ("inbox", "sent", ""),
            ("smtp", "permanent_failure", "the mail server refused olive@example.com: 550 no such user"),
            ("webhook", "temporary_failure", "the webhook answered 500"),
            ("smtp", "inhibited", "disabled by user"),
        )
    ):
        NotificationMessage.objects.create(
            notification_template_id=TEST.id,
            user=to,
            method=method,
            status=status,
            status_reason=reason,
            created_by="notifications-test",
            payload={"notification_name": TEST.name},
            attempt_count=number,
            dedupe_hash=f"world-{number}",
        )


def everyone_may_use(template: Template) -> None:
    from coder_admin.catalog.models import TEMPLATE_ACL

    TEMPLATE_ACL.set_group(template, template.organization_id, "use_template")


def template_of(owner: User, name: str = "go-service", **fields: Any) -> Template:
    row = pools.template(name, description="Go, with a database beside it", **fields)
    version = row.active_version
    assert version is not None
    version.job.file = archive(
        {"main.tf": TEMPLATE, "README.md": b"# Go service\n", "logo.png": b"\x89PNG\0"}, owner
    )
    version.job.save()
    version.diagnostics = [
        {
            "severity": "warning",
            "summary": "Resource type aws_instance cannot be built here",
            "detail": "Another engine knows the type.",
            "code": "",
            "file": "main.tf",
            "line": 7,
        },
        {"severity": "warning", "summary": "Odd", "detail": "", "code": "", "file": "", "line": 0},
    ]
    version.save()
    TemplateVersionParameter.objects.create(
        template_version=version,
        name="region",
        display_name="Region",
        type="string",
        form_type="radio",
        default_value="eu",
        options=[
            {"name": "Europe", "value": "eu", "description": "", "icon": ""},
            {"name": "America", "value": "us", "description": "", "icon": ""},
        ],
    )
    TemplateVersionParameter.objects.create(
        template_version=version,
        name="size",
        display_name="Size",
        type="number",
        form_type="input",
        default_value="4",
        mutable=True,
        validation_min=1,
        validation_max=8,
        display_order=1,
    )
    TemplateVersionVariable.objects.create(
        template_version=version, name="secret", sensitive=True, value="hush-hush"
    )
    for number in range(30):
        ProvisionerJobLog.objects.create(
            job=version.job,
            stage="Parsing" if number < 10 else "Planning",
            output=f"line {number}",
            level="warn" if number == 20 else "info",
        )
    everyone_may_use(row)
    TemplateVersionTerraformValues.objects.create(template_version=version, provisionerd_version="1.9")
    return row


def history(preset: TemplateVersionPreset, now: datetime) -> None:
    """Two days of a pool: full, emptied six hours ago, filled again."""
    template = preset.template_version.template
    assert template is not None
    for hours, ready, starting, desired in (
        (40, 4, 0, 4),
        (14, 4, 0, 6),
        (13.5, 5, 1, 6),
        (6.2, 0, 4, 6),
        (5, 3, 3, 6),
        (2, 4, 0, 4),
    ):
        PoolSample.objects.create(
            at=now - timedelta(hours=hours),
            organization=template.organization,
            template=template,
            preset_name=preset.name,
            desired=desired,
            ready=ready,
            unready=0,
            expired=1 if hours == 13.5 else 0,
            starting=starting,
            deleting=1 if hours == 5 else 0,
        )


def world() -> World:
    """Three people, one template with four presets in different states, workspaces and messages."""
    ensure_system_rows()
    now = timezone.now()
    owner = person("olive", roles=("owner",))
    member = person("mia")
    stranger = person("sam", member=False)
    template = template_of(owner)
    version = template.active_version
    assert version is not None
    large = pools.preset(
        version, 4, "Large", is_default=True, description="8 cores", scheduling_timezone="Europe/Berlin"
    )
    TemplateVersionPresetParameter.objects.create(template_version_preset=large, name="size", value="8")
    TemplateVersionPresetPrebuildSchedule.objects.create(
        preset=large, cron_expression="* 8-18 * * 1-5", desired_instances=6, position=0
    )
    for state in ("ready", "ready", "starting"):
        pools.Prebuild(large, version, agents=(state,)).save(now)
    pools.Prebuild(large, version, status="running", agents=()).save(now)
    small = pools.preset(version, 2, "Small", prebuild_status="hard_limited")
    for _ in range(3):
        pools.Prebuild(small, version, status="failed", agents=()).save(now)
    calm = pools.preset(version, 1, "Calm")
    pools.Prebuild(calm, version).save(now)
    pools.preset(version, None, "Only values")
    history(large, now)
    for kind, hours in (("claim", 1), ("claim", 5), ("miss", 6)):
        PrebuildEvent.objects.create(
            kind=kind,
            created_at=now - timedelta(hours=hours, minutes=10),
            waited=timedelta(seconds=1.3),
            organization=template.organization,
            template=template,
            preset=large,
            preset_name="Large",
        )
    workspace = Workspace.objects.create(
        owner=member, organization=template.organization, template=template, name="dev-1"
    )
    build = pools.add_build(workspace, version, large, initiator=member.pk, agents=("ready",))
    WorkspaceBuildParameter.objects.create(workspace_build=build, name="size", value="8")
    for number in range(40):
        ProvisionerJobLog.objects.create(
            job=build.job,
            stage="Planning" if number < 12 else "Applying",
            output=f"null_resource.box: step {number}",
            level="error" if number == 30 else "debug" if number == 5 else "info",
        )
    agent = WorkspaceAgent.objects.get(resource__workspace_build=build)
    source = WorkspaceAgentLogSource.objects.create(agent=agent, display_name="Startup")
    for number in range(5):
        WorkspaceAgentLog.objects.create(agent=agent, log_source=source, output=f"agent line {number}")
    failed = Workspace.objects.create(
        owner=member, organization=template.organization, template=template, name="broken"
    )
    pools.add_build(failed, version, status="failed", initiator=member.pk)
    for number in range(3):
        InboxNotification.objects.create(
            user=owner,
            template_id=FAILURE_LIMIT_REACHED.id,
            targets=[str(template.pk), str(large.pk), str(workspace.pk)],
            title="There is a problem creating prebuilt workspaces",
            content=f"The number of failed attempts for **go-service** has hit the limit. ({number})",
            actions=[{"label": "View template version", "url": "/templates/coder/go-service/versions/v1"}],
            created_at=now - timedelta(minutes=number),
            read_at=now if number == 2 else None,
        )
    deliveries(owner)
    pools.worker()
    return World(owner, member, stranger, template, version, large.pk, workspace, agent)
