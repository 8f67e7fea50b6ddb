"""Workspaces, builds and agents for pages."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionParameter
from coder_admin.dashboard.timeline import STAGES, Span
from coder_admin.foundation.encryption import EncryptionError
from coder_admin.foundation.errors import NotFound
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.engines.shown_state import ShownResource, shown_state
from coder_admin.workspaces import selectors as rooms
from coder_admin.workspaces.choices import PrebuildStage, Transition
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceBuild,
    WorkspaceBuildParameter,
    WorkspaceResource,
)
from coder_admin.workspaces.search import parse_query
from rbac.model import Subject

MAX_CHOICES = 50
MAX_PREBUILDS = 50
MAX_CLAIMS = 50
MAX_TIMINGS = 5_000


def workspace_list(viewer: Subject, text: str, organization: str, now: datetime) -> QuerySet[Workspace]:
    """The rows of the list for a filter text. Raises Invalid for a text that cannot be read."""
    rows = rooms.workspaces(viewer=viewer, query=parse_query(text), now=now)
    if organization:
        rows = rows.filter(organization__name=organization)
    return rows.with_latest_build()


def workspaces_by_id(viewer: Subject, ids: list[uuid.UUID]) -> list[Workspace]:
    """Those of the workspaces that the viewer may see, by name."""
    rows = Workspace.objects.visible_to(viewer).live().filter(pk__in=ids)
    return list(rows.with_latest_build().order_by("name", "pk"))


def usable_versions(workspace: Workspace) -> list[TemplateVersion]:
    """Versions of the workspace's template that a build could use, newest first."""
    rows = TemplateVersion.objects.filter(
        template=workspace.template_id, archived=False, job__job_status=JobStatus.SUCCEEDED
    )
    return list(rows.select_related("created_by").order_by("-created_at")[:MAX_CHOICES])


def template_choices(viewer: Subject) -> list[tuple[str, str]]:
    """Templates for a picker: name and label."""
    rows = Template.objects.live().visible_to(viewer).order_by("name")[:MAX_CHOICES]
    return list({row.name: (row.name, row.label) for row in rows}.values())


def workspace_of(viewer: Subject, owner: str, name: str) -> Workspace:
    """The owner's workspace of that name, or the last deleted one. Raises NotFound."""
    rows = Workspace.objects.visible_to(viewer).with_latest_build().filter(name__iexact=name)
    rows = (
        rows.filter(owner_id=uuid.UUID(viewer.id))
        if owner == "me"
        else rows.filter(owner__username__iexact=owner)
    )
    found = rows.order_by("deleted", "-created_at").first()
    if found is None:
        raise NotFound
    return found


def counts(workspace: Workspace) -> tuple[int, int]:
    """How many builds it had, and how many parameters the last one used."""
    numbers = WorkspaceBuild.objects.filter(workspace=workspace).aggregate(builds=Count("pk"))
    values = WorkspaceBuildParameter.objects.filter(workspace_build=workspace.latest_build_id).count()
    return numbers["builds"], values


def build_history(workspace: Workspace) -> QuerySet[WorkspaceBuild]:
    """Builds of a workspace that was read before, newest first."""
    return (
        WorkspaceBuild.objects.filter(workspace=workspace)
        .select_related("job", "template_version", "initiator")
        .order_by("-build_number")
    )


def build_of(workspace: Workspace, number: int) -> WorkspaceBuild:
    """One build of a workspace that was read before. Raises NotFound."""
    found = (
        WorkspaceBuild.objects.filter(workspace=workspace, build_number=number)
        .select_related(
            "job__worker",
            "template_version",
            "template_version_preset",
            "initiator",
            "workspace__template",
            "workspace__owner",
        )
        .first()
    )
    if found is None:
        raise NotFound
    return found


def resources(build: WorkspaceBuild | None) -> list[WorkspaceResource]:
    """Visible resources of a build with their facts."""
    if build is None:
        return []
    rows = WorkspaceResource.objects.filter(workspace_build=build, hide=False)
    return list(rows.prefetch_related("metadata").order_by("address"))


def agents(build: WorkspaceBuild | None) -> list[WorkspaceAgent]:
    """Agents of a build with their apps. Those that a stop leaves declared run nowhere, so it has none."""
    if build is None or build.transition != Transition.START:
        return []
    rows = WorkspaceAgent.objects.filter(resource__workspace_build=build, deleted=False)
    return list(
        rows.select_related("stats")
        .prefetch_related("apps", "metadata", "scripts__timings")
        .order_by("display_order", "name")
    )


def agent_of(workspace: Workspace, agent_id: uuid.UUID) -> WorkspaceAgent:
    """An agent of any build of a workspace that was read before. Raises NotFound."""
    found = WorkspaceAgent.objects.filter(
        pk=agent_id, resource__workspace_build__workspace=workspace, deleted=False
    ).first()
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class Value:
    """A parameter's value as a build used it, named as the template names it."""

    name: str
    label: str
    value: str
    mutable: bool
    masked: bool


def values(build: WorkspaceBuild | None) -> list[Value]:
    """The values of a build, in the order of the template's form."""
    if build is None:
        return []
    declared = {
        row.name: row
        for row in TemplateVersionParameter.objects.filter(template_version=build.template_version_id)
    }
    order = {name: number for number, name in enumerate(declared)}
    found = []
    for row in WorkspaceBuildParameter.objects.filter(workspace_build=build):
        parameter = declared.get(row.name)
        found.append(
            Value(
                name=row.name,
                label=parameter.display_name or row.name if parameter else row.name,
                value=row.value,
                mutable=parameter.mutable if parameter else True,
                masked=bool(parameter and parameter.styling.get("mask_input")),
            )
        )
    return sorted(found, key=lambda value: (order.get(value.name, len(order)), value.name))


def stored_values(build: WorkspaceBuild | None) -> dict[str, str]:
    """The values of a build by name."""
    rows = WorkspaceBuildParameter.objects.filter(workspace_build=build) if build else ()
    return {row.name: row.value for row in rows}


def ephemeral_names(build: WorkspaceBuild | None) -> set[str]:
    """Parameters whose values held for that build only."""
    if build is None:
        return set()
    rows = TemplateVersionParameter.objects.filter(template_version=build.template_version_id, ephemeral=True)
    return set(rows.values_list("name", flat=True))


def replacements_by_claims(preset_id: uuid.UUID) -> list[dict[str, list[str]]]:
    """What the last claims of a preset replaced, newest first; claims without replacements are left out."""
    rows = WorkspaceBuild.objects.filter(
        template_version_preset=preset_id, prebuild_stage=PrebuildStage.CLAIM
    ).exclude(resource_replacements={})
    return list(rows.order_by("-created_at").values_list("resource_replacements", flat=True)[:MAX_CLAIMS])


def prebuilds_of(viewer: Subject, preset_id: uuid.UUID) -> list[Workspace]:
    """Unclaimed workspaces of a preset that the viewer may read, newest first, with agents."""
    rows = Workspace.objects.visible_to(viewer).live().filter(owner_id=PREBUILDS_USER_ID)
    rows = rows.filter(latest_build__template_version_preset=preset_id)
    return list(rows.with_agents().order_by("-created_at")[:MAX_PREBUILDS])


def build_spans(build: WorkspaceBuild) -> list[Span]:
    """Where the time of a build went: its queue, the stages with their resources, its agents' scripts.

    A running build has no timings yet; its run so far is one span.
    """
    job = build.job
    spans = [Span("Waiting for a worker", "queue", job.created_at, job.started_at or job.completed_at)]
    timings = list(job.timings.order_by("started_at", "id")[:MAX_TIMINGS])
    if timings and job.started_at is not None:
        spans.append(Span("Preparing", "stage", job.started_at, timings[0].started_at))
    for stage in (timing for timing in timings if not timing.resource):
        label = STAGES.get(stage.stage, stage.stage)
        spans.append(Span(label, "stage", stage.started_at, stage.ended_at))
        spans += [
            Span(f"{t.resource} {t.action}", "resource", t.started_at, t.ended_at, inner=True)
            for t in timings
            if t.resource and t.stage == stage.stage
        ]
    if timings and job.completed_at is not None:
        spans.append(Span("Storing the outcome", "stage", max(t.ended_at for t in timings), job.completed_at))
    if job.started_at is not None and job.completed_at is None:
        spans.append(Span("Running", "stage", job.started_at, None))
    spans += [
        Span(f"{t.script.agent.name}: {t.script.display_name}", "script", t.started_at, t.ended_at)
        for t in rooms.script_timings(build)[:MAX_TIMINGS]
    ]
    return spans


def state_shown(build: WorkspaceBuild) -> Sequence[ShownResource]:
    """What the build's state holds, without what is sensitive; nothing where it cannot be decrypted."""
    try:
        return shown_state(build.provisioner_state)
    except EncryptionError:
        return ()
