"""Reads of workspaces, builds, agents and their logs; each restricted to what the viewer may see."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionParameter
from coder_admin.foundation.errors import Forbidden, Invalid, NotFound, ServiceError, Validation
from coder_admin.organizations.models import Organization
from coder_admin.parameters.resolving import resolve
from coder_admin.provisioning.models import ProvisionerJob, ProvisionerJobLog
from rbac.django import may, require
from rbac.model import Action, Subject

from .choices import AgentConnection, AutomaticUpdates, Transition
from .lifecycle import ConnectionFacts, connection_status
from .models import (
    DryRun,
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentMetadatum,
    WorkspaceAgentScriptTiming,
    WorkspaceAgentStats,
    WorkspaceBuild,
    WorkspaceBuildParameter,
)
from .querysets import AgentQuerySet, BuildQuerySet, WorkspaceQuerySet
from .search import WorkspaceQuery
from .statuses import WorkspaceStatus, status_q

MAXIMUM_TIMEOUTS = 100
MAXIMUM_LAST_VALUES = 300


class Gone(ServiceError):
    """The workspace existed and was deleted; `include_deleted` shows it."""

    status = 410


def workspaces(*, viewer: Subject, query: WorkspaceQuery, now: datetime) -> WorkspaceQuerySet:
    """The list, newest use first. Deleted ones only when the status `deleted` is asked for."""
    rows = Workspace.objects.visible_to(viewer)
    if WorkspaceStatus.DELETED not in query.statuses:
        rows = rows.live()
    for condition in _conditions(viewer, query, now):
        rows = rows.filter(condition)
    return rows.order_by("-last_used_at", "name")


def _conditions(viewer: Subject, query: WorkspaceQuery, now: datetime) -> list[Q]:
    found: list[Q] = []
    if query.owner:
        found.append(_owner(viewer, query.owner))
    if query.template:
        found.append(Q(template__name__iexact=query.template))
    if query.name:
        found.append(Q(name__iexact=query.name))
    if query.text:
        found.append(Q(name__icontains=query.text))
    if query.organization:
        found.append(_by_id_or_name("organization", query.organization))
    if query.statuses:
        found.append(reduce(or_, (status_q(status) for status in query.statuses)))
    if query.dormant is not None:
        found.append(Q(dormant_at__isnull=not query.dormant))
    if query.last_used_after is not None:
        found.append(Q(last_used_at__gte=query.last_used_after))
    if query.last_used_before is not None:
        found.append(Q(last_used_at__lte=query.last_used_before))
    if query.outdated is not None:
        current = Q(latest_build__template_version=F("template__active_version"))
        found.append(~current if query.outdated else current)
    if query.ids:
        found.append(Q(pk__in=query.ids))
    if query.has_agent:
        found.append(reduce(or_, (_has_agent(state, now) for state in query.has_agent)))
    found += [_has_parameter(name, value) for name, value in query.params]
    return found


def _owner(viewer: Subject, text: str) -> Q:
    return Q(owner_id=viewer.id) if text == "me" else _by_id_or_name("owner", text, name="username")


def _by_id_or_name(path: str, text: str, *, name: str = "name") -> Q:
    try:
        return Q(**{f"{path}_id": uuid.UUID(text)})
    except ValueError:
        return Q(**{f"{path}__{name}__iexact": text})


def _has_parameter(name: str, value: str | None) -> Q:
    rows = WorkspaceBuildParameter.objects.filter(workspace_build=OuterRef("latest_build"), name__iexact=name)
    return Q(Exists(rows if value is None else rows.filter(value__iexact=value)))


def _has_agent(state: str, now: datetime) -> Q:
    """The rule of `lifecycle.connection_status` in SQL; a test compares both."""
    waiting = Q(first_connected_at__isnull=True) | Q(last_connected_at__isnull=True)
    left = Q(disconnected_at__isnull=False, disconnected_at__gte=F("last_connected_at"))
    silent = Q(last_connected_at__lt=now - inactive_after())
    late = _late(now)
    conditions = {
        AgentConnection.TIMEOUT: waiting & late,
        AgentConnection.CONNECTING: waiting & ~late,
        AgentConnection.DISCONNECTED: ~waiting & (left | silent),
        AgentConnection.CONNECTED: ~waiting & ~silent & ~left,
    }
    rows = WorkspaceAgent.objects.filter(resource__workspace_build=OuterRef("latest_build"), deleted=False)
    return Q(Exists(rows.filter(conditions[AgentConnection(state)])))


def _late(now: datetime) -> Q:
    """Created longer ago than its own timeout. SQLite cannot multiply a column into a duration, so the
    few timeouts that templates use are asked for first."""
    seconds = WorkspaceAgent.objects.filter(connection_timeout_seconds__gt=0).order_by()
    found = seconds.values_list("connection_timeout_seconds", flat=True).distinct()[:MAXIMUM_TIMEOUTS]
    return reduce(
        or_,
        (
            Q(connection_timeout_seconds=value, created_at__lt=now - timedelta(seconds=value))
            for value in found
        ),
        Q(pk__in=[]),
    )


def inactive_after() -> timedelta:
    """The silence after which an agent counts as disconnected."""
    return timedelta(seconds=settings.AGENT_INACTIVE_DISCONNECT_SECONDS)


def agent_connection(agent: WorkspaceAgent, now: datetime) -> AgentConnection:
    facts = ConnectionFacts(
        created_at=agent.created_at,
        first_connected_at=agent.first_connected_at,
        last_connected_at=agent.last_connected_at,
        disconnected_at=agent.disconnected_at,
        connection_timeout_seconds=agent.connection_timeout_seconds,
    )
    return connection_status(facts, now=now, inactive_after=inactive_after())


def workspace_get(*, viewer: Subject, workspace_id: uuid.UUID, include_deleted: bool = False) -> Workspace:
    """One workspace with its latest build and agents. Raises NotFound, or Gone for a deleted one."""
    found = Workspace.objects.visible_to(viewer).with_agents().filter(pk=workspace_id).first()
    return _unless_deleted(found, include_deleted)


def workspace_by_name(
    *, viewer: Subject, owner_id: uuid.UUID, name: str, include_deleted: bool = False
) -> Workspace:
    """The owner's workspace of that name; with `include_deleted` the newest deleted one if none lives."""
    rows = Workspace.objects.visible_to(viewer).with_agents().filter(owner_id=owner_id, name__iexact=name)
    found = rows.filter(deleted=False).first()
    if found is None and include_deleted:
        found = rows.order_by("-created_at").first()
    return _unless_deleted(found, include_deleted)


def _unless_deleted(found: Workspace | None, include_deleted: bool) -> Workspace:
    if found is None:
        raise NotFound
    if found.deleted and not include_deleted:
        raise Gone(
            f'Workspace "{found.name}" was deleted.',
            detail="Ask with include_deleted=true to see it all the same.",
        )
    return found


@dataclass(frozen=True, slots=True)
class CreationSource:
    """What a new workspace is made from, and where."""

    organization: Organization
    template: Template
    version: TemplateVersion | None


def creation_source(
    *,
    viewer: Subject,
    template_id: uuid.UUID | None,
    version_id: uuid.UUID | None,
    organization_id: uuid.UUID | None,
) -> CreationSource:
    """The template or version of a create request: exactly one of them is named. Raises Invalid, NotFound."""
    if (template_id is None) == (version_id is None):
        raise Invalid(
            "Name either a template or a template version.",
            validations=[
                Validation("template_id", "Give exactly one of template_id and template_version_id."),
                Validation("template_version_id", "Give exactly one of template_id and template_version_id."),
            ],
        )
    version = None
    if version_id is not None:
        version = (
            TemplateVersion.objects.select_related("template__organization").filter(pk=version_id).first()
        )
        template = version.template if version is not None else None
    else:
        rows = Template.objects.select_related("organization", "active_version").filter(deleted=False)
        template = rows.filter(pk=template_id).first() if template_id is not None else None
    if template is None or template.deleted or not may(viewer, Action.READ, template):
        raise NotFound
    if organization_id is None or organization_id == template.organization_id:
        return CreationSource(template.organization, template, version)
    raise Invalid(
        "The template belongs to another organization.",
        validations=[Validation("template_id", "Choose a template of the organization in the address.")],
    )


def build_state(*, viewer: Subject, build: WorkspaceBuild) -> bytes:
    """The engine's state of a build; it may hold secrets, so it needs the right to update the template."""
    if not may(viewer, Action.UPDATE, build.workspace.template):
        raise Forbidden("Only template managers may read the state of a build.")
    return bytes(build.provisioner_state or b"")


def builds(*, viewer: Subject, workspace: Workspace, since: datetime | None = None) -> BuildQuerySet:
    """A workspace's builds, newest first."""
    rows = WorkspaceBuild.objects.visible_to(viewer).filter(workspace=workspace).with_parts()
    return rows.filter(created_at__gt=since) if since is not None else rows


def build_get(*, viewer: Subject, build_id: uuid.UUID) -> WorkspaceBuild:
    found = WorkspaceBuild.objects.visible_to(viewer).with_parts().filter(pk=build_id).first()
    if found is None:
        raise NotFound
    return found


def build_by_number(*, viewer: Subject, owner_id: uuid.UUID, name: str, number: int) -> WorkspaceBuild:
    workspace = workspace_by_name(viewer=viewer, owner_id=owner_id, name=name)
    found = builds(viewer=viewer, workspace=workspace).filter(build_number=number).first()
    if found is None:
        raise NotFound
    return found


def build_logs(
    build: WorkspaceBuild, *, after: int | None = None, before: int | None = None
) -> QuerySet[ProvisionerJobLog]:
    """The lines of the build's job in their order, between two line ids (exclusive)."""
    rows = ProvisionerJobLog.objects.filter(job_id=build.job_id).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=after)
    return rows.filter(id__lt=before) if before is not None else rows


def script_timings(build: WorkspaceBuild) -> QuerySet[WorkspaceAgentScriptTiming]:
    """The last run of each script of the build's agents, in the order in which they began."""
    rows = WorkspaceAgentScriptTiming.objects.filter(
        script__agent__resource__workspace_build=build, script__agent__deleted=False
    )
    return rows.select_related("script__agent").order_by("started_at", "id")


def parameters_mismatch(*, viewer: Subject, workspace: Workspace) -> bool:
    """Whether an autostart would fail: it takes a newer version that the stored parameters do not fit."""
    require(viewer, Action.READ, workspace)
    last, version = workspace.latest_build, workspace.template.active_version
    follows = (
        workspace.automatic_updates == AutomaticUpdates.ALWAYS or workspace.template.require_active_version
    )
    if last is None or version is None or not follows or last.template_version_id == version.pk:
        return False
    try:
        resolve(
            version=version,
            owner_id=workspace.owner_id,
            transition=Transition.START.value,
            first_build=False,
            previous=dict(last.parameters.values_list("name", "value")),
            request={},
            preset={},
        )
    except ServiceError:
        return True
    return False


def agent_metadata(agent: WorkspaceAgent) -> QuerySet[WorkspaceAgentMetadatum]:
    """The agent's metadata as stored now."""
    return WorkspaceAgentMetadatum.objects.filter(agent=agent).order_by("display_order", "key")


def listening_ports(agent: WorkspaceAgent) -> list[dict[str, object]]:
    """What processes of the workspace listen on, as of the agent's last report."""
    stats = WorkspaceAgentStats.objects.filter(agent=agent).only("listening_ports").first()
    return list(stats.listening_ports) if stats is not None else []


def job_purposes(jobs: Sequence[ProvisionerJob]) -> dict[uuid.UUID, dict[str, str]]:
    """What build jobs are for, as lists of jobs show it: one query."""
    rows = WorkspaceBuild.objects.filter(job__in=jobs).select_related(
        "workspace__template", "template_version"
    )
    return {
        build.job_id: {
            "template_id": str(build.workspace.template_id),
            "template_name": build.workspace.template.name,
            "template_display_name": build.workspace.template.display_name,
            "template_icon": build.workspace.template.icon,
            "template_version_name": build.template_version.name,
            "workspace_id": str(build.workspace_id),
            "workspace_name": build.workspace.name,
        }
        for build in rows
    }


def dry_run_purposes(jobs: Sequence[ProvisionerJob]) -> dict[uuid.UUID, dict[str, str]]:
    """What dry runs are of, as lists of jobs show it: one query."""
    rows = DryRun.objects.filter(job__in=jobs).select_related("template_version__template", "job")
    found = {}
    for row in rows:
        version, template = row.template_version, row.template_version.template
        found[row.job_id] = {
            "template_id": str(version.template_id or ""),
            "template_name": template.name if template else "",
            "template_display_name": template.display_name if template else "",
            "template_icon": template.icon if template else "",
            "template_version_name": version.name,
            "workspace_name": str(row.job.input.get("workspace_name", "")),
        }
    return found


def agents(viewer: Subject) -> AgentQuerySet:
    """Agents of the workspaces that the viewer may read."""
    return WorkspaceAgent.objects.visible_to(viewer).with_workspace()


def agent_get(*, viewer: Subject, agent_id: uuid.UUID) -> WorkspaceAgent:
    rows = agents(viewer).prefetch_related("apps", "scripts", "log_sources", "metadata")
    found = rows.filter(pk=agent_id, deleted=False).first()
    if found is None:
        raise NotFound
    return found


def agent_logs(
    agent: WorkspaceAgent, *, after: int | None = None, before: int | None = None
) -> QuerySet[WorkspaceAgentLog]:
    """The agent's lines in their order, between two line ids (exclusive)."""
    rows = WorkspaceAgentLog.objects.filter(agent=agent).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=after)
    return rows.filter(id__lt=before) if before is not None else rows


def last_values(*, viewer: Subject, template: Template, owner_id: uuid.UUID | None = None) -> dict[str, str]:
    """The newest value of each parameter in the starts of a template by ``owner_id`` (the viewer), by name.

    Parameters known as ephemeral are left out; one that only shows on some condition may still be one, and
    whoever fills in a form leaves it out there (dynamic-parameters.md 11).
    """
    rows = WorkspaceBuildParameter.objects.filter(
        workspace_build__workspace__owner_id=owner_id or uuid.UUID(viewer.id),
        workspace_build__workspace__template=template,
        workspace_build__transition=Transition.START,
    ).order_by("-workspace_build__created_at", "name")
    newest: dict[str, WorkspaceBuildParameter] = {}
    for row in rows.select_related("workspace_build")[:MAXIMUM_LAST_VALUES]:
        newest.setdefault(row.name, row)
    versions = {row.workspace_build.template_version_id for row in newest.values()}
    ephemeral = TemplateVersionParameter.objects.filter(template_version__in=versions, ephemeral=True)
    fleeting = set(ephemeral.values_list("template_version_id", "name"))
    return {
        name: row.value
        for name, row in newest.items()
        if (row.workspace_build.template_version_id, name) not in fleeting
    }
