"""What agents do to the database: who they are, what they report, what they log (reference 3.2).

An agent acts for its workspace only: its row, found by its token, is all the right that it needs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid, NotFound, TooLarge, Validation
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus

from .agent_logs import LogLine, Position, accept
from .choices import AgentLifecycle
from .lifecycle import LifecycleTimes, times_after
from .models import Workspace, WorkspaceAgent, WorkspaceAgentLog, WorkspaceAgentLogSource, WorkspaceBuild

MAXIMUM_LOG_SOURCES = 100
SUBSYSTEMS = ("envbox", "envbuilder", "exectrace")
_VERSION = re.compile(r"v\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?\Z")


def agent_by_token(token: str) -> WorkspaceAgent | None:
    """The agent that may act with this token, or None.

    The row of the newest succeeded build that has the token (a claim's build keeps it), and only while
    no newer build of the workspace succeeded: a build that merely waits or runs revokes nothing.
    """
    try:
        secret = uuid.UUID(token)
    except ValueError:
        return None
    newer = WorkspaceBuild.objects.filter(
        workspace=OuterRef("resource__workspace_build__workspace"),
        build_number__gt=OuterRef("resource__workspace_build__build_number"),
        job__job_status=JobStatus.SUCCEEDED,
    )
    return (
        WorkspaceAgent.objects.with_workspace()
        .filter(
            ~Exists(newer),
            auth_token=secret,
            deleted=False,
            resource__workspace_build__workspace__deleted=False,
            resource__workspace_build__job__job_status=JobStatus.SUCCEEDED,
        )
        .order_by("-resource__workspace_build__build_number")
        .first()
    )


def workspace_of(agent: WorkspaceAgent) -> Workspace:
    return agent.resource.workspace_build.workspace


def manifest_of(agent: WorkspaceAgent) -> dict[str, Any]:
    """All that the agent needs to run (section 3.2), with owner and build so that it knows a claim."""
    build = agent.resource.workspace_build
    workspace = build.workspace
    return {
        "agent_id": str(agent.id),
        "agent_name": agent.name,
        "owner_id": str(workspace.owner_id),
        "owner_username": workspace.owner.username,
        "workspace_id": str(workspace.id),
        "workspace_name": workspace.name,
        "workspace_build_id": str(build.id),
        "git_auth_configs": 0,
        "environment_variables": agent.environment_variables,
        "directory": agent.directory,
        "motd_path": agent.motd_file,
        "vs_code_port_proxy_uri": "",
        "disable_direct_connections": False,
        "derp_map": None,
        "metadata": [
            {
                "key": row.key,
                "display_name": row.display_name,
                "script": row.script,
                "interval": row.interval,
                "timeout": row.timeout,
            }
            for row in agent.metadata.all()
        ],
        "devcontainers": [],
        "apps": [
            {
                "id": str(app.id),
                "slug": app.slug,
                "display_name": app.display_name,
                "url": app.url,
                "health": app.health,
                "healthcheck": {
                    "url": app.healthcheck_url,
                    "interval": app.healthcheck_interval,
                    "threshold": app.healthcheck_threshold,
                },
            }
            for app in agent.apps.all()
        ],
        "scripts": [
            {
                "id": str(script.id),
                "log_source_id": str(script.log_source_id),
                "log_path": script.log_path,
                "script": script.script,
                "cron": script.cron,
                "timeout": script.timeout_seconds,
                "run_on_start": script.run_on_start,
                "run_on_stop": script.run_on_stop,
                "start_blocks_login": script.start_blocks_login,
                "display_name": script.display_name,
            }
            for script in agent.scripts.all()
        ],
    }


@transaction.atomic
def agent_startup(
    *, agent: WorkspaceAgent, version: str, expanded_directory: str, subsystems: Sequence[str]
) -> None:
    """Store the startup report: a semantic version with a leading `v`, the directory, the subsystems.

    It is a sign of life too: after a claim the row is new, and the next heartbeat may be seconds away.
    """
    wrong = []
    if not _VERSION.match(version):
        wrong.append(Validation("version", 'Give a semantic version with a leading "v", such as v1.2.3.'))
    if unknown := sorted(set(subsystems) - set(SUBSYSTEMS)):
        wrong.append(Validation("subsystems", f"{unknown[0]!r} is unknown. Use {', '.join(SUBSYSTEMS)}."))
    if wrong:
        raise Invalid("The startup report is not valid.", validations=wrong)
    WorkspaceAgent.objects.filter(pk=agent.pk).update(
        version=version[:32],
        expanded_directory=expanded_directory[:1024],
        subsystems=sorted(set(subsystems)),
        updated_at=timezone.now(),
    )
    agent_heartbeat(agent=agent)


@transaction.atomic
def agent_lifecycle(
    *, agent: WorkspaceAgent, state: str, changed_at: datetime | None = None, agent_id: str = ""
) -> None:
    """Store a lifecycle report. One that names another agent comes from a run before the claim: ignored."""
    if state not in AgentLifecycle.values:
        raise Invalid(
            f'"{state[:64]}" is not a lifecycle state.',
            validations=[Validation("state", f"Use one of {', '.join(AgentLifecycle.values)}.")],
        )
    if agent_id and agent_id != str(agent.id):
        return
    row = WorkspaceAgent.objects.select_for_update().get(pk=agent.pk)
    now = timezone.now()
    times = times_after(
        AgentLifecycle(state), changed_at or now, LifecycleTimes(row.started_at, row.ready_at)
    )
    WorkspaceAgent.objects.filter(pk=agent.pk).update(
        lifecycle_state=state, started_at=times.started_at, ready_at=times.ready_at, updated_at=now
    )
    _announce(agent, state)


def agent_heartbeat(*, agent: WorkspaceAgent) -> None:
    """The agent is there. Watchers hear of it only when that is news."""
    now = timezone.now()
    WorkspaceAgent.objects.filter(pk=agent.pk).update(
        first_connected_at=Coalesce("first_connected_at", now), last_connected_at=now, disconnected_at=None
    )
    if agent.first_connected_at is None or agent.disconnected_at is not None:
        _announce(agent, agent.lifecycle_state)


def agent_disconnect(*, agent: WorkspaceAgent) -> None:
    """The agent stopped in good order."""
    WorkspaceAgent.objects.filter(pk=agent.pk).update(disconnected_at=timezone.now())
    _announce(agent, agent.lifecycle_state)


def agent_log_source_create(
    *, agent: WorkspaceAgent, source_id: uuid.UUID, display_name: str, icon: str
) -> WorkspaceAgentLogSource:
    """Register a source of log lines; the same one again is the same row. Raises Invalid beyond the limit."""
    others = WorkspaceAgentLogSource.objects.filter(agent=agent).exclude(pk=source_id)
    if others.count() >= MAXIMUM_LOG_SOURCES:
        raise Invalid(
            f"An agent has at most {MAXIMUM_LOG_SOURCES} log sources.",
            validations=[Validation("id", "Send the lines under a source that exists.")],
        )
    try:
        with transaction.atomic():
            return WorkspaceAgentLogSource.objects.create(
                id=source_id, agent=agent, display_name=display_name[:127], icon=icon[:256]
            )
    except IntegrityError:
        found = WorkspaceAgentLogSource.objects.filter(pk=source_id, agent=agent).first()
        if found is None:
            raise Invalid(
                "This log source id belongs to another agent.",
                validations=[Validation("id", "Choose a new random id.")],
            ) from None
        return found


def agent_logs_append(
    *,
    agent: WorkspaceAgent,
    log_source_id: uuid.UUID,
    lines: Sequence[LogLine],
    run_id: str = "",
    sequence: int = 0,
) -> None:
    """Store a batch, once however often it is sent. Raises TooLarge when the agent's 1 MiB are used up.

    The source may belong to the agent's row before the claim (same token): late lines of the prebuild's
    scripts stay in the prebuild's log.
    """
    with transaction.atomic():
        full = _append(agent, log_source_id, lines, run_id, sequence)
    if full:
        raise TooLarge(
            "Logs limit exceeded", detail="An agent's log is kept up to 1 MiB; send no further lines for it."
        )


def _append(
    agent: WorkspaceAgent, source_id: uuid.UUID, lines: Sequence[LogLine], run_id: str, sequence: int
) -> bool:
    source = (
        WorkspaceAgentLogSource.objects.select_for_update(of=("self",))
        .filter(
            pk=source_id,
            agent__auth_token=agent.auth_token,
            agent__resource__workspace_build__workspace=workspace_of(agent),
        )
        .first()
    )
    if source is None:
        raise NotFound("This agent has no such log source.", detail="Register it first: POST /log-source.")
    target = WorkspaceAgent.objects.select_for_update().get(pk=source.agent_id)
    if target.logs_overflowed:
        return True
    accepted = accept(
        lines,
        run_id=run_id,
        sequence=sequence,
        stored=Position(source.run_id, source.next_sequence),
        logs_length=target.logs_length,
    )
    rows = WorkspaceAgentLog.objects.bulk_create(
        WorkspaceAgentLog(
            agent=target,
            log_source=source,
            created_at=line.created_at,
            level=line.level,
            output=line.output,
        )
        for line in accepted.lines
    )
    WorkspaceAgentLogSource.objects.filter(pk=source.pk).update(
        run_id=accepted.position.run_id, next_sequence=accepted.position.next_sequence
    )
    target.logs_length += accepted.added_bytes
    target.logs_overflowed = accepted.overflowed
    target.save(update_fields=["logs_length", "logs_overflowed"])
    if rows:
        events.publish(f"agent-logs:{target.id}", {"kind": "logs", "after": min(r.id for r in rows) - 1})
    if accepted.overflowed:
        _announce(target, target.lifecycle_state, workspace_of(agent))
    return accepted.overflowed


def _announce(agent: WorkspaceAgent, state: str, workspace: Workspace | None = None) -> None:
    workspace = workspace or workspace_of(agent)
    event: Mapping[str, Any] = {"kind": "agent", "agent_id": str(agent.id), "lifecycle_state": str(state)}
    events.publish(f"workspace:{workspace.id}", event)
    events.publish(f"workspaces:{workspace.organization_id}", {"workspace_id": str(workspace.id)})
    if workspace.owner_id == PREBUILDS_USER_ID:
        events.publish(f"pools:{workspace.organization_id}", {"template_id": str(workspace.template_id)})
