"""The agents' processes of workspaces on this machine: started, kept, stopped (contract of provisioning)."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery

from coder_admin.provisioning import confinement
from coder_admin.provisioning.agents import AgentSpec, AgentSupervisor, end_elsewhere
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.host import host_id

from .choices import Transition
from .models import Workspace, WorkspaceAgent, WorkspaceBuild

AGENTS = "agents"  # folder of the agents in the workspace's folder
RESTORE_PATIENCE = 20.0  # seconds; agents of a worker that was killed end within the first few

supervisor = AgentSupervisor()
"""The one of this process."""


def stop_all() -> None:
    """Stop every agent of this process; they come back with the next worker."""
    supervisor.stop_all()


def workspace_folder(workspace_id: uuid.UUID) -> Path:
    """The folder of one workspace: the engine's, and below it each agent's own."""
    return _folders() / str(workspace_id)


def _folders() -> Path:
    return Path(settings.DATA_DIR) / "workspaces"


def start(build: WorkspaceBuild, *, restart: bool) -> None:
    """Have exactly the build's agents running.

    A claim leaves a living agent with the same token alone (it reinitialises itself); any other start
    begins anew, for the agent would go on with the manifest of the build before.
    """
    if restart:
        stop(build.workspace_id)
    agents = WorkspaceAgent.objects.filter(resource__workspace_build=build, deleted=False)
    supervisor.sync(build.workspace_id, _specs(build.workspace_id, agents))


def stop(workspace_id: uuid.UUID) -> None:
    """Stop the workspace's agents, whichever worker of this machine runs them: their stop scripts run, then
    nothing of them is left."""
    supervisor.stop(workspace_id)
    locks = (workspace_folder(workspace_id) / AGENTS).glob(".*.lock")
    end_elsewhere(path.with_name(path.name[1 : -len(".lock")]) for path in locks)


def restore() -> None:
    """Bring back the agents of this machine as a worker begins."""
    supervisor.confine(confinement.from_settings())
    look(patience=RESTORE_PATIENCE)


def look(*, patience: float = 0.0) -> None:
    """Have the agents running that are to run on this machine, and no others.

    Every worker looks every few seconds: what another worker of this machine left behind is taken over, and
    what a worker of another machine ended or moved there is ended here. Workspaces whose build runs just now
    are left to that build.
    """
    held = supervisor.workspaces()
    wanted = {str(build.workspace_id): build for build in _running_here()}
    building = _building({*held, *wanted})
    for workspace_id in held - wanted.keys() - building:
        supervisor.stop(workspace_id, wait=False)
    for workspace_id in wanted.keys() - building:
        build = wanted[workspace_id]
        agents = [a for r in build.resources.all() for a in r.agents.all() if not a.deleted]
        if agents or workspace_id in held:
            supervisor.sync(workspace_id, _specs(build.workspace_id, agents), patience=patience)
    _forget_deleted()


def _running_here() -> QuerySet[WorkspaceBuild]:
    """The builds whose agents are to run on this machine.

    A workspace runs when its newest succeeded build is a start: a later build that failed or still waits
    has not ended what that start made. It runs where that build ran.
    """
    newest = (
        WorkspaceBuild.objects.filter(workspace=OuterRef("pk"), job__job_status=JobStatus.SUCCEEDED)
        .order_by("-build_number")
        .values("pk")[:1]
    )
    rows = Workspace.objects.live().annotate(newest=Subquery(newest)).filter(newest__isnull=False)
    return WorkspaceBuild.objects.filter(
        Q(job__host=host_id()) | Q(job__host=None), pk__in=rows.values("newest"), transition=Transition.START
    ).prefetch_related("resources__agents")


def _building(workspace_ids: Iterable[str]) -> set[str]:
    """Those of the workspaces that a worker builds now."""
    running = Workspace.objects.filter(
        pk__in=list(workspace_ids),
        latest_build__job__job_status__in=(JobStatus.RUNNING, JobStatus.CANCELING),
    )
    return {str(pk) for pk in running.values_list("pk", flat=True)}


def _forget_deleted() -> None:
    """Remove folders of workspaces that are deleted: a build that was killed, or ended on another machine,
    left them. A folder of an unknown workspace stays: it may belong to another database."""
    found = {path.name: path for path in _folders().glob("*-*-*-*-*") if _is_id(path.name)}
    deleted = Workspace.objects.filter(pk__in=list(found), deleted=True).values_list("pk", flat=True)
    for workspace_id in deleted:
        stop(workspace_id)
        shutil.rmtree(found[str(workspace_id)], ignore_errors=True)


def _is_id(name: str) -> bool:
    with suppress(ValueError):
        return str(uuid.UUID(name)) == name
    return False


def _specs(workspace_id: uuid.UUID, agents: Iterable[WorkspaceAgent]) -> list[AgentSpec]:
    folder = workspace_folder(workspace_id) / AGENTS
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
