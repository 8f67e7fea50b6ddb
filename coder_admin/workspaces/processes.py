"""The agents' processes of workspaces on this machine: started, kept, stopped (contract of provisioning)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import OuterRef, Subquery

from coder_admin.provisioning.agents import AgentSpec, AgentSupervisor
from coder_admin.provisioning.choices import JobStatus

from .choices import Transition
from .models import Workspace, WorkspaceAgent, WorkspaceBuild

log = structlog.get_logger(__name__)

supervisor = AgentSupervisor()
"""The one of this process."""


def stop_all() -> None:
    """Stop every agent of this process; they come back with the next worker."""
    supervisor.stop_all()


def workspace_folder(workspace_id: uuid.UUID) -> Path:
    """The folder of one workspace: the engine's, and below it each agent's own."""
    return Path(settings.DATA_DIR) / "workspaces" / str(workspace_id)


def start(build: WorkspaceBuild, *, restart: bool) -> None:
    """Have exactly the build's agents running.

    A claim leaves a living agent with the same token alone (it reinitialises itself); any other start
    begins anew, for the agent would go on with the manifest of the build before.
    """
    if restart:
        supervisor.stop(build.workspace_id)
    agents = WorkspaceAgent.objects.filter(resource__workspace_build=build, deleted=False)
    supervisor.sync(build.workspace_id, _specs(build.workspace_id, agents))


def stop(workspace_id: uuid.UUID) -> None:
    """Stop the workspace's agents: their stop scripts run, then nothing of them is left."""
    supervisor.stop(workspace_id)


def restore() -> int:
    """Start the agents of all workspaces that run, as a worker begins; returns how many workspaces.

    A workspace runs when its newest succeeded build is a start: a later build that failed or still waits
    has not ended what that start made.
    """
    newest = (
        WorkspaceBuild.objects.filter(workspace=OuterRef("pk"), job__job_status=JobStatus.SUCCEEDED)
        .order_by("-build_number")
        .values("pk")[:1]
    )
    rows = Workspace.objects.live().annotate(newest=Subquery(newest)).filter(newest__isnull=False)
    builds = WorkspaceBuild.objects.filter(
        pk__in=rows.values("newest"), transition=Transition.START
    ).prefetch_related("resources__agents")
    count = 0
    for build in builds:
        agents = [a for r in build.resources.all() for a in r.agents.all() if not a.deleted]
        if not agents:
            continue
        try:
            supervisor.sync(build.workspace_id, _specs(build.workspace_id, agents))
        except OSError as error:  # one broken folder must not keep the others down
            log.warning("agents not restored", workspace=str(build.workspace_id), error=str(error))
            continue
        count += 1
    return count


def _specs(workspace_id: uuid.UUID, agents: Iterable[WorkspaceAgent]) -> list[AgentSpec]:
    folder = workspace_folder(workspace_id) / "agents"
    return [
        AgentSpec(
            name=agent.name,
            token=str(agent.auth_token),
            url=settings.ACCESS_URL,
            folder=folder / agent.name,
            env={},
        )
        for agent in agents
    ]
