"""Which of some ids a viewer may read, one query per question."""

from __future__ import annotations

import uuid

from django.db.models import Q

from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.organizations.models import Organization
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import DryRun, Workspace, WorkspaceAgent
from rbac.model import Subject

Ids = set[uuid.UUID]


def readable_organizations(viewer: Subject, ids: Ids) -> Ids:
    """Organizations whose lists the viewer may follow."""
    return set(Organization.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))


def organizations_to_follow(viewer: Subject, most: int) -> list[uuid.UUID]:
    """Organizations whose lists a page of the viewer follows."""
    rows = Organization.objects.live().visible_to(viewer).order_by("name")
    return list(rows.values_list("pk", flat=True)[:most])


def readable_workspaces(viewer: Subject, ids: Ids) -> Ids:
    """Workspaces, prebuilds included."""
    return set(Workspace.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))


def readable_templates(viewer: Subject, ids: Ids) -> Ids:
    """Templates by role or access list."""
    return set(Template.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))


def readable_versions(viewer: Subject, ids: Ids) -> Ids:
    """Versions of readable templates, and those without a template yet."""
    return set(TemplateVersion.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))


def readable_jobs(viewer: Subject, ids: Ids) -> Ids:
    """Jobs whose workspace, template version or dry run is readable: the log belongs to what it builds."""
    workspaces = Workspace.objects.visible_to(viewer).values("pk")
    versions = TemplateVersion.objects.visible_to(viewer).values("pk")
    tried = DryRun.objects.visible_to(viewer).filter(template_version__in=versions).values("pk")
    readable = (
        Q(workspace_build__workspace__in=workspaces) | Q(template_version__in=versions) | Q(dry_run__in=tried)
    )
    return set(ProvisionerJob.objects.filter(readable, pk__in=ids).values_list("pk", flat=True))


def readable_agents(viewer: Subject, ids: Ids) -> Ids:
    """Agents of readable workspaces."""
    workspaces = Workspace.objects.visible_to(viewer).values("pk")
    return set(
        WorkspaceAgent.objects.filter(
            resource__workspace_build__workspace__in=workspaces, pk__in=ids
        ).values_list("pk", flat=True)
    )
