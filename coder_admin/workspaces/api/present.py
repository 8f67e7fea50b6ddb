"""Rows as the API shows them; field names are Coder's. Everything read here has been prefetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.presenting import NOT_WAITING, job_json, matched_json
from coder_admin.provisioning.selectors import QueuePosition, job_queue_positions

from ..choices import AgentConnection, AgentLifecycle
from ..models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentLogSource,
    WorkspaceAgentMetadatum,
    WorkspaceAgentScript,
    WorkspaceAgentScriptTiming,
    WorkspaceApp,
    WorkspaceBuild,
    WorkspaceResource,
)
from ..selectors import agent_connection
from ..statuses import workspace_status

JSON = dict[str, Any]


def workspaces_json(workspaces: Sequence[Workspace], now: datetime) -> list[JSON]:
    """A page of workspaces; the places of waiting builds in the queue are asked for all at once."""
    places = job_queue_positions([w.latest_build.job for w in workspaces if w.latest_build is not None])
    return [
        _workspace(w, now, places[w.latest_build.job_id] if w.latest_build is not None else NOT_WAITING)
        for w in workspaces
    ]


def workspace_json(workspace: Workspace, now: datetime) -> JSON:
    """One workspace with its latest build."""
    return workspaces_json([workspace], now)[0]


def builds_json(builds: Sequence[WorkspaceBuild], now: datetime) -> list[JSON]:
    """A page of builds."""
    places = job_queue_positions([build.job for build in builds])
    return [_build(build, build.workspace, now, places[build.job_id]) for build in builds]


def build_json(build: WorkspaceBuild, now: datetime) -> JSON:
    """One build with its resources and agents."""
    return builds_json([build], now)[0]


def _workspace(workspace: Workspace, now: datetime, place: QueuePosition) -> JSON:
    build = workspace.latest_build
    template = workspace.template
    return {
        "id": str(workspace.id),
        "created_at": workspace.created_at,
        "updated_at": workspace.updated_at,
        "owner_id": str(workspace.owner_id),
        "owner_name": workspace.owner.username,
        "owner_avatar_url": workspace.owner.avatar_url,
        "organization_id": str(workspace.organization_id),
        "organization_name": workspace.organization.name,
        "template_id": str(workspace.template_id),
        "template_name": template.name,
        "template_display_name": template.display_name,
        "template_icon": template.icon,
        "template_active_version_id": str(template.active_version_id) if template.active_version_id else None,
        "template_allow_user_cancel_workspace_jobs": template.allow_user_cancel_workspace_jobs,
        "template_require_active_version": template.require_active_version,
        "template_use_classic_parameter_flow": template.use_classic_parameter_flow,
        "latest_build": _build(build, workspace, now, place) if build is not None else None,
        "outdated": build is not None and build.template_version_id != template.active_version_id,
        "name": workspace.name,
        "autostart_schedule": workspace.autostart_schedule or None,
        "next_start_at": workspace.next_start_at,
        "ttl_ms": workspace.ttl_ms,
        "last_used_at": workspace.last_used_at,
        "dormant_at": workspace.dormant_at,
        "deleting_at": workspace.deleting_at,
        "health": _workspace_health(build, now),
        "automatic_updates": workspace.automatic_updates,
        "allow_renames": workspace.owner_id != PREBUILDS_USER_ID,
        "favorite": workspace.favorite,
        "is_prebuild": workspace.is_prebuild,
    }


def _workspace_health(build: WorkspaceBuild | None, now: datetime) -> JSON:
    if build is None:
        return {"healthy": True, "failing_agents": []}
    failing = [
        str(agent.id)
        for resource in build.resources.all()
        for agent in resource.agents.all()
        if not agent_health(agent, now)["healthy"]
    ]
    return {"healthy": not failing, "failing_agents": failing}


def _build(build: WorkspaceBuild, workspace: Workspace, now: datetime, place: QueuePosition) -> JSON:
    return {
        "id": str(build.id),
        "created_at": build.created_at,
        "updated_at": build.updated_at,
        "workspace_id": str(workspace.id),
        "workspace_name": workspace.name,
        "workspace_owner_id": str(workspace.owner_id),
        "workspace_owner_name": workspace.owner.username,
        "workspace_owner_avatar_url": workspace.owner.avatar_url,
        "template_version_id": str(build.template_version_id),
        "template_version_name": build.template_version.name,
        "template_version_preset_id": (
            str(build.template_version_preset_id) if build.template_version_preset_id else None
        ),
        "build_number": build.build_number,
        "transition": build.transition,
        "initiator_id": str(build.initiator_id),
        "initiator_name": build.initiator.username,
        "job": job_json(build.job, position=place),
        "matched_provisioners": matched_json(place),
        "reason": build.reason,
        "resources": [resource_json(resource, build, now) for resource in build.resources.all()],
        "resource_replacements": build.resource_replacements,
        "deadline": build.deadline,
        "max_deadline": build.max_deadline,
        "status": workspace_status(build.transition, build.job.job_status).value,
        "daily_cost": build.daily_cost,
    }


def resource_json(resource: WorkspaceResource, build: WorkspaceBuild, now: datetime) -> JSON:
    return {
        "id": str(resource.id),
        "created_at": resource.created_at,
        "job_id": str(build.job_id),
        "workspace_transition": resource.transition,
        "type": resource.type,
        "name": resource.name,
        "hide": resource.hide,
        "icon": resource.icon,
        "daily_cost": resource.daily_cost,
        "agents": [agent_json(agent, now) for agent in resource.agents.all() if not agent.deleted],
        "metadata": [
            # A sensitive value never leaves the server.
            {"key": m.key, "value": "" if m.sensitive else m.value, "sensitive": m.sensitive}
            for m in resource.metadata.all()
        ],
    }


def agent_json(agent: WorkspaceAgent, now: datetime) -> JSON:
    return {
        "id": str(agent.id),
        "parent_id": str(agent.parent_id) if agent.parent_id else None,
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
        "first_connected_at": agent.first_connected_at,
        "last_connected_at": agent.last_connected_at,
        "disconnected_at": agent.disconnected_at,
        "started_at": agent.started_at,
        "ready_at": agent.ready_at,
        "status": agent_connection(agent, now).value,
        "lifecycle_state": agent.lifecycle_state,
        "name": agent.name,
        "resource_id": str(agent.resource_id),
        "architecture": agent.architecture,
        "operating_system": agent.operating_system,
        "environment_variables": agent.environment_variables,
        "directory": agent.directory,
        "expanded_directory": agent.expanded_directory,
        "version": agent.version,
        "api_version": "",
        "connection_timeout_seconds": agent.connection_timeout_seconds,
        "troubleshooting_url": agent.troubleshooting_url,
        "subsystems": agent.subsystems,
        "display_apps": agent.display_apps,
        "logs_length": agent.logs_length,
        "logs_overflowed": agent.logs_overflowed,
        "health": agent_health(agent, now),
        "apps": [app_json(app) for app in agent.apps.all()],
        "metadata": [metadatum_json(row, now) for row in agent.metadata.all()],
        "startup_script_behavior": "blocking" if blocks_login(agent) else "non-blocking",
        "login_before_ready": not blocks_login(agent),
        "log_sources": [log_source_json(source) for source in agent.log_sources.all()],
        "scripts": [script_json(script) for script in agent.scripts.all()],
    }


def blocks_login(agent: WorkspaceAgent) -> bool:
    """Whether people should wait for its start scripts before they sign in."""
    return any(script.run_on_start and script.start_blocks_login for script in agent.scripts.all())


def metadatum_json(row: WorkspaceAgentMetadatum, now: datetime) -> JSON:
    """`{"result", "description"}` as Coder's; `age` is seconds since the value was collected."""
    return {
        "result": {
            "collected_at": row.collected_at,
            "age": max(0, int((now - row.collected_at).total_seconds())) if row.collected_at else 0,
            "value": row.value,
            "error": row.error,
        },
        "description": {
            "display_name": row.display_name,
            "key": row.key,
            "script": row.script,
            "interval": row.interval,
            "timeout": row.timeout,
        },
    }


def timings_json(build: WorkspaceBuild, scripts: Iterable[WorkspaceAgentScriptTiming]) -> JSON:
    """What a build's time went into: stages of its job, connections of its agents, their scripts."""
    agents = [agent for resource in build.resources.all() for agent in resource.agents.all()]
    return {
        "provisioner_timings": [
            {
                "job_id": str(build.job_id),
                "stage": timing.stage,
                "source": timing.source,
                "action": timing.action,
                "resource": timing.resource,
                "started_at": timing.started_at,
                "ended_at": timing.ended_at,
            }
            for timing in build.job.timings.all()
        ],
        "agent_connection_timings": [
            {
                "started_at": agent.created_at,
                "ended_at": agent.first_connected_at,
                "stage": "connect",
                "workspace_agent_id": str(agent.id),
                "workspace_agent_name": agent.name,
            }
            for agent in agents
            if agent.first_connected_at is not None
        ],
        "agent_script_timings": [
            {
                "started_at": timing.started_at,
                "ended_at": timing.ended_at,
                "exit_code": timing.exit_code,
                "stage": timing.stage,
                "status": timing.status,
                "display_name": timing.script.display_name,
                "workspace_agent_id": str(timing.script.agent_id),
                "workspace_agent_name": timing.script.agent.name,
            }
            for timing in scripts
        ],
    }


def agent_health(agent: WorkspaceAgent, now: datetime) -> JSON:
    """Whether a person has to look at it, and why."""
    connection = agent_connection(agent, now)
    reasons = {
        AgentConnection.TIMEOUT: "agent is taking too long to connect",
        AgentConnection.DISCONNECTED: "agent has lost connection",
    }
    failed = {
        AgentLifecycle.START_ERROR: "a startup script ended with an error",
        AgentLifecycle.START_TIMEOUT: "a startup script took too long",
        AgentLifecycle.SHUTTING_DOWN: "agent is shutting down",
    }
    reason = reasons.get(connection) or failed.get(AgentLifecycle(agent.lifecycle_state), "")
    return {"healthy": not reason, "reason": reason}


def app_json(app: WorkspaceApp) -> JSON:
    return {
        "id": str(app.id),
        "slug": app.slug,
        "display_name": app.display_name,
        "icon": app.icon,
        "command": app.command,
        "url": app.url,
        "external": app.external,
        "subdomain": app.subdomain,
        "sharing_level": app.sharing_level,
        "health": app.health,
        "healthcheck": {
            "url": app.healthcheck_url,
            "interval": app.healthcheck_interval,
            "threshold": app.healthcheck_threshold,
        },
        "hidden": app.hidden,
        "open_in": app.open_in,
        "group": app.display_group,
    }


def log_source_json(source: WorkspaceAgentLogSource) -> JSON:
    return {
        "id": str(source.id),
        "workspace_agent_id": str(source.agent_id),
        "created_at": source.created_at,
        "display_name": source.display_name,
        "icon": source.icon,
    }


def script_json(script: WorkspaceAgentScript) -> JSON:
    return {
        "id": str(script.id),
        "log_source_id": str(script.log_source_id),
        "log_path": script.log_path,
        "script": script.script,
        "cron": script.cron,
        "display_name": script.display_name,
        "run_on_start": script.run_on_start,
        "run_on_stop": script.run_on_stop,
        "start_blocks_login": script.start_blocks_login,
        "timeout": script.timeout_seconds,
    }


def agent_logs_json(lines: Iterable[WorkspaceAgentLog]) -> list[JSON]:
    return [
        {
            "id": line.id,
            "created_at": line.created_at,
            "level": line.level,
            "output": line.output,
            "source_id": str(line.log_source_id),
        }
        for line in lines
    ]
