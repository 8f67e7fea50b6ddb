"""What the end of a build stores: state, resources, agents, deadline (reference 4.1, "Complete" and "Fail").

Runs inside the transaction that ends the job; what others must hear or do leaves after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.engines.base import (
    AgentMetadataResult,
    AgentResult,
    AppResult,
    MetadataItem,
    ResourceResult,
    ScriptResult,
)

from . import claims, messages
from .build_audit import record_build_end
from .choices import AppHealth, SharingLevel, Transition
from .deadlines import Deadlines, at_start
from .models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLogSource,
    WorkspaceAgentMetadatum,
    WorkspaceAgentScript,
    WorkspaceApp,
    WorkspaceBuild,
    WorkspaceResource,
    WorkspaceResourceMetadatum,
)
from .news import announce_workspace
from .policies import autostop_policy, upcoming_start


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """What the engine made. `replacements`: resource address to the paths that forced it."""

    state: bytes
    resources: tuple[ResourceResult, ...] = ()
    replacements: Mapping[str, list[str]] = field(default_factory=dict)


def store_success(build: WorkspaceBuild, outcome: BuildOutcome) -> None:
    """Store what a succeeded build left and mark a deleted workspace."""
    now = timezone.now()
    build.provisioner_state = outcome.state
    build.daily_cost = sum(resource.daily_cost for resource in outcome.resources)
    build.resource_replacements = {address: list(paths) for address, paths in outcome.replacements.items()}
    limits = _deadlines(build, now)
    build.deadline, build.max_deadline = limits.deadline, limits.latest
    build.updated_at = now
    build.save(
        update_fields=[
            "provisioner_state",
            "daily_cost",
            "resource_replacements",
            "deadline",
            "max_deadline",
            "updated_at",
        ]
    )
    store_resources(build, outcome.resources, now)
    _store_workspace(build, now)
    if build.transition == Transition.DELETE:
        messages.workspace_deleted(build)
    claims.build_succeeded(build, now)
    record_build_end(build, succeeded=True)
    announce_end(build)


def _store_workspace(build: WorkspaceBuild, now: datetime) -> None:
    workspace = build.workspace
    changes: dict[str, object] = {"updated_at": now}
    if build.transition == Transition.DELETE:
        changes |= {"deleted": True, "next_start_at": None}
        workspace.deleted = True
    elif workspace.owner_id != PREBUILDS_USER_ID:
        changes["next_start_at"] = upcoming_start(workspace.template, workspace.autostart_schedule, now)
    Workspace.objects.filter(pk=workspace.pk).update(**changes)


def store_failure(build: WorkspaceBuild, state: bytes | None) -> None:
    """Keep the state of a failed or canceled build if there is a new one; a prebuild has no deadline."""
    build.updated_at = timezone.now()
    build.resource_replacements = {}  # a plan that was not carried out replaced nothing for sure
    fields = ["updated_at", "resource_replacements"]
    if state is not None:
        build.provisioner_state = state
        fields.append("provisioner_state")
    if build.workspace.owner_id == PREBUILDS_USER_ID:
        build.deadline = build.max_deadline = None
        fields += ["deadline", "max_deadline"]
    build.save(update_fields=fields)
    record_build_end(build, succeeded=False)
    announce_end(build)


def announce_end(build: WorkspaceBuild) -> None:
    """Watchers look again; the pools too, for a build of theirs may have ended or a claim gone through."""
    announce_workspace(build.workspace, "build")
    organization = build.workspace.organization_id
    events.publish(f"pools:{organization}", {"template_id": str(build.workspace.template_id)})
    if PREBUILDS_USER_ID in (build.workspace.owner_id, build.initiator_id):
        wake = {"template_id": str(build.workspace.template_id)}
        if build.template_version_preset_id is not None:
            wake["preset_id"] = str(build.template_version_preset_id)
        events.publish("prebuilds:wake", wake)


def _deadlines(build: WorkspaceBuild, now: datetime) -> Deadlines:
    """A started workspace stops by itself after its time to live; a prebuild never does."""
    workspace = build.workspace
    if build.transition != Transition.START or workspace.owner_id == PREBUILDS_USER_ID:
        return Deadlines(None, None)
    return at_start(autostop_policy(workspace.template), workspace.ttl_ms, now)


def store_resources(build: WorkspaceBuild, resources: Iterable[ResourceResult], now: datetime) -> None:
    """Insert rows for the resources and, inside them, new rows for the agents: one statement per table."""
    made = [(_resource(build, result, now), result) for result in resources]
    WorkspaceResource.objects.bulk_create([row for row, _ in made])
    WorkspaceResourceMetadatum.objects.bulk_create(
        [
            _resource_metadatum(row, item, index)
            for row, result in made
            for index, item in enumerate(result.metadata)
        ]
    )
    _store_agents([(_agent(row, agent, now), agent) for row, result in made for agent in result.agents], now)


def _store_agents(made: list[tuple[WorkspaceAgent, AgentResult]], now: datetime) -> None:
    WorkspaceAgent.objects.bulk_create([row for row, _ in made])
    scripts = [
        _script(row, script, _log_source(row, script, now), index)
        for row, result in made
        for index, script in enumerate(result.scripts)
    ]
    WorkspaceAgentLogSource.objects.bulk_create([script.log_source for script in scripts])
    WorkspaceAgentScript.objects.bulk_create(scripts)
    WorkspaceApp.objects.bulk_create([_app(row, app) for row, result in made for app in result.apps])
    WorkspaceAgentMetadatum.objects.bulk_create(
        [_metadatum(row, item) for row, result in made for item in result.metadata]
    )


def _resource(build: WorkspaceBuild, result: ResourceResult, now: datetime) -> WorkspaceResource:
    return WorkspaceResource(
        created_at=now,
        workspace_build=build,
        transition=build.transition,
        address=result.address[:512],
        type=result.type[:128],
        name=result.name[:128],
        hide=result.hide,
        icon=result.icon[:256],
        daily_cost=result.daily_cost,
    )


def _resource_metadatum(
    resource: WorkspaceResource, item: MetadataItem, position: int
) -> WorkspaceResourceMetadatum:
    return WorkspaceResourceMetadatum(
        resource=resource,
        key=item.key[:256],
        value=item.value,
        sensitive=item.sensitive,
        position=position,
    )


def _agent(resource: WorkspaceResource, result: AgentResult, now: datetime) -> WorkspaceAgent:
    return WorkspaceAgent(
        created_at=now,
        updated_at=now,
        resource=resource,
        name=result.name[:64],
        auth_token=uuid.UUID(result.token),
        architecture=result.arch[:16],
        operating_system=result.os[:16],
        directory=result.dir[:1024],
        environment_variables=dict(result.env),
        connection_timeout_seconds=max(0, result.connection_timeout),
        troubleshooting_url=result.troubleshooting_url[:512],
        motd_file=result.motd_file[:512],
        display_apps=list(result.display_apps),
        display_order=result.order,
    )


def _log_source(agent: WorkspaceAgent, script: ScriptResult, now: datetime) -> WorkspaceAgentLogSource:
    return WorkspaceAgentLogSource(
        agent=agent, created_at=now, display_name=_script_name(script), icon=script.icon[:256]
    )


def _metadatum(agent: WorkspaceAgent, result: AgentMetadataResult) -> WorkspaceAgentMetadatum:
    return WorkspaceAgentMetadatum(
        agent=agent,
        key=result.key[:128],
        display_name=result.display_name[:256],
        script=result.script,
        interval=max(0, result.interval),
        timeout=max(0, result.timeout),
        display_order=result.order,
    )


def _script_name(script: ScriptResult) -> str:
    return (script.display_name or "Script")[:127]


def _script(
    agent: WorkspaceAgent, result: ScriptResult, source: WorkspaceAgentLogSource, position: int
) -> WorkspaceAgentScript:
    return WorkspaceAgentScript(
        agent=agent,
        log_source=source,
        log_path=result.log_path[:1024],
        display_name=_script_name(result),
        script=result.script,
        cron=result.cron[:128],
        start_blocks_login=result.start_blocks_login,
        run_on_start=result.run_on_start,
        run_on_stop=result.run_on_stop,
        timeout_seconds=max(0, result.timeout),
        position=position,
    )


def _app(agent: WorkspaceAgent, result: AppResult) -> WorkspaceApp:
    return WorkspaceApp(
        agent=agent,
        slug=result.slug[:64],
        display_name=result.display_name[:64],
        icon=result.icon[:256],
        command=result.command,
        url=result.url,
        external=result.external,
        subdomain=result.subdomain,
        sharing_level=result.share if result.share in SharingLevel.values else SharingLevel.OWNER,
        health=AppHealth.INITIALIZING if result.healthcheck_url else AppHealth.DISABLED,
        healthcheck_url=result.healthcheck_url,
        healthcheck_interval=max(0, result.healthcheck_interval),
        healthcheck_threshold=max(0, result.healthcheck_threshold),
        hidden=result.hidden,
        open_in=result.open_in[:16],
        display_group=result.group[:64],
        display_order=result.order,
    )
