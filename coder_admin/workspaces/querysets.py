"""Querysets of workspaces, builds and agents: who sees which rows, and what a list needs to load."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Prefetch, Q

from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from rbac.filters import FieldMap, visible_q
from rbac.model import Action, ResourceType, Subject

from .choices import Transition

if TYPE_CHECKING:
    from .models import DryRun, Workspace, WorkspaceAgent, WorkspaceBuild  # noqa: F401 - named in generics


def _fields(path: str = "") -> tuple[FieldMap, ...]:
    """The policy's view of rows that reach their workspace by `path` (ending in `__`)."""

    key = f"{path}id" if path else "pk"

    def fields(type_: ResourceType, where: Q, **lists: Any) -> FieldMap:
        return FieldMap(
            type_, id=key, org=f"{path}organization_id", owner=f"{path}owner_id", where=where, **lists
        )

    def user_acl(user_id: str, action: Action) -> Q:
        from .models import WORKSPACE_ACL

        return WORKSPACE_ACL.user_q(user_id, action, path=key)

    def group_acl(group_ids: Collection[str], action: Action) -> Q:
        from .models import WORKSPACE_ACL

        return WORKSPACE_ACL.group_q(group_ids, action, path=key)

    awake = Q(**{f"{path}dormant_at__isnull": True})
    return (
        fields(ResourceType.WORKSPACE, awake, user_acl=user_acl, group_acl=group_acl),
        fields(ResourceType.WORKSPACE_DORMANT, ~awake),
        # Only update and delete exist for it: the fallback of rbac-and-organizations.md 3.2.
        fields(ResourceType.PREBUILT_WORKSPACE, Q(**{f"{path}owner_id": PREBUILDS_USER_ID})),
    )


_DRY_RUN_FIELDS = FieldMap(ResourceType.WORKSPACE, org="job__organization_id", owner="job__initiator_id")
_WORKSPACE_FIELDS = _fields()
_BUILD_FIELDS = _fields("workspace__")
_AGENT_FIELDS = _fields("resource__workspace_build__workspace__")


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> WorkspaceQuerySet:
        """The rows on which `actor` may do `action`, prebuilds by their own permissions too."""
        return self.filter(visible_q(actor, action, *_WORKSPACE_FIELDS))

    def live(self) -> WorkspaceQuerySet:
        """Not deleted."""
        return self.filter(deleted=False)

    def running(self) -> WorkspaceQuerySet:
        """Whose latest build is a succeeded start."""
        return self.live().filter(
            latest_build__transition=Transition.START, latest_build__job__job_status=JobStatus.SUCCEEDED
        )

    def with_latest_build(self) -> WorkspaceQuerySet:
        """Everything that one row of a list shows, without agents: no further query per row."""
        return self.select_related(
            "owner",
            "organization",
            "template",
            "template__active_version",
            "latest_build__job__worker",
            "latest_build__template_version",
            "latest_build__template_version_preset",
            "latest_build__initiator",
        )

    def with_agents(self) -> WorkspaceQuerySet:
        """As `with_latest_build`, with the resources and agents of the latest build: fixed queries."""
        return self.with_latest_build().prefetch_related(*build_parts("latest_build__"))


class BuildQuerySet(models.QuerySet["WorkspaceBuild"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> BuildQuerySet:
        """Builds of the workspaces on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, *_BUILD_FIELDS))

    def with_parts(self) -> BuildQuerySet:
        """All that the API shows of a build."""
        return self.select_related(
            "job__worker",
            "template_version",
            "template_version_preset",
            "initiator",
            "workspace__owner",
            "workspace__organization",
            "workspace__template",
        ).prefetch_related(*build_parts(""))


class DryRunQuerySet(models.QuerySet["DryRun"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> DryRunQuerySet:
        """Dry runs that `actor` could do `action` with, were they workspaces of their initiators."""
        return self.filter(visible_q(actor, action, _DRY_RUN_FIELDS))


class AgentQuerySet(models.QuerySet["WorkspaceAgent"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> AgentQuerySet:
        """Agents of the workspaces on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, *_AGENT_FIELDS))

    def with_workspace(self) -> AgentQuerySet:
        return self.select_related(
            "resource__workspace_build__workspace__owner", "resource__workspace_build__job"
        )


def build_parts(path: str) -> tuple[str | Prefetch[str], ...]:
    """Prefetches of a build's resources and agents; `path` leads to the build."""
    agents = f"{path}resources__agents"
    return (
        f"{path}resources__metadata",
        agents,
        f"{agents}__apps",
        f"{agents}__scripts",
        f"{agents}__log_sources",
        f"{agents}__metadata",
    )
