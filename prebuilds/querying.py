"""Which rows are prebuilds of which kind: conditions shared by loader, claim and pages (section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import AgentLifecycle, Transition
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class CurrentPreset(TypedDict):
        current_preset: UUID | None

    PrebuildRows = QuerySet[WithAnnotations[Workspace, CurrentPreset]]

IN_PROGRESS = (JobStatus.PENDING, JobStatus.RUNNING)


def unclaimed() -> QuerySet[Workspace]:
    """Workspaces that wait in a pool, whatever their latest build."""
    return Workspace.objects.filter(owner_id=PREBUILDS_USER_ID, deleted=False)


def running() -> QuerySet[Workspace]:
    """Unclaimed workspaces whose latest build is a succeeded start, ready or not."""
    return unclaimed().filter(
        latest_build__transition=Transition.START, latest_build__job__job_status=JobStatus.SUCCEEDED
    )


def with_current_preset(workspaces: QuerySet[Workspace]) -> PrebuildRows:
    """Annotates `current_preset`: the preset of the newest start build that names one, or None."""
    newest = (
        WorkspaceBuild.objects.filter(
            workspace=OuterRef("pk"),
            transition=Transition.START,
            template_version_preset__isnull=False,
        )
        .order_by("-build_number")
        .values("template_version_preset")[:1]
    )
    # The latest build answers for nearly all; the search runs only where it names no preset.
    return workspaces.annotate(
        current_preset=Coalesce(
            "latest_build__template_version_preset", Subquery(newest), output_field=UUIDField()
        )
    )


def ready() -> Q:
    """Every agent of the latest build, deleted and sub-agents aside, is ready, and there is one."""
    agents = WorkspaceAgent.objects.filter(
        resource__workspace_build=OuterRef("latest_build"), deleted=False, parent__isnull=True
    )
    return Q(Exists(agents)) & ~Q(Exists(agents.exclude(lifecycle_state=AgentLifecycle.READY)))


def pending_of_inactive_versions() -> Q:
    """First starts of unclaimed workspaces that no worker took, of a version that is not active or of a
    deleted template."""
    job = {"worker": None, "canceled_at": None, "completed_at": None, "job_status": JobStatus.PENDING}
    return Q(
        latest_build__build_number=1,
        latest_build__transition=Transition.START,
        **{f"latest_build__job__{field}": value for field, value in job.items()},
    ) & (~Q(latest_build__template_version=F("template__active_version")) | Q(template__deleted=True))


def active_presets() -> QuerySet[TemplateVersionPreset]:
    """Presets with prebuilds on the active version of templates that are neither deleted nor deprecated."""
    return TemplateVersionPreset.objects.filter(
        desired_instances__isnull=False,
        template_version=F("template_version__template__active_version"),
        template_version__template__deleted=False,
        template_version__template__deprecation_message="",
    )
