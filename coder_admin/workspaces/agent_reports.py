"""What agents measure: connections, metadata, the health of apps, how long scripts took (reference 3.2).

Each report may come twice or late: it changes nothing the second time, and one about rows of another
agent is not looked at.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus

from .choices import AppHealth, Transition
from .deadlines import Deadlines, after_activity
from .models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentMetadatum,
    WorkspaceAgentScript,
    WorkspaceAgentScriptTiming,
    WorkspaceAgentStats,
    WorkspaceApp,
    WorkspaceBuild,
)
from .news import announce_workspace
from .policies import autostop_policy

REPORT_INTERVAL_SECONDS = 30
LONGEST_VALUE = 2048
CUT_NOTE = " … (cut)"
_SESSIONS = ("vscode", "jetbrains", "reconnecting_pty", "ssh")
_USED_WRITE_EVERY = timedelta(seconds=30)


@transaction.atomic
def agent_stats(*, agent: WorkspaceAgent, **stats: Any) -> None:
    """Store the newest report. Connections are use of the workspace, except while it is a prebuild."""
    now = timezone.now()
    WorkspaceAgentStats.objects.update_or_create(agent=agent, defaults={**stats, "reported_at": now})
    active = stats.get("connection_count", 0) > 0 or any(
        stats.get(f"session_count_{kind}", 0) for kind in _SESSIONS
    )
    if active:
        workspace_used(workspace=agent.resource.workspace_build.workspace, now=now)


def workspace_used(*, workspace: Workspace, now: datetime) -> None:
    """Somebody works in it: it is used now, and its deadline moves by the template's activity bump.

    Writes at most every half minute. A prebuild has no user: nothing moves (reference 3.2).
    """
    rows = Workspace.objects.live().exclude(owner_id=PREBUILDS_USER_ID)
    row = rows.select_related("template", "latest_build__job").filter(pk=workspace.pk).first()
    if row is None:
        return
    if now - row.last_used_at >= _USED_WRITE_EVERY:
        rows.filter(pk=row.pk, last_used_at__lt=now).update(last_used_at=now)
        announce_workspace(row, "used")
    build = row.latest_build
    if (
        build is None
        or build.transition != Transition.START
        or build.job.job_status != JobStatus.SUCCEEDED
        or row.dormant_at is not None
    ):
        return
    deadline = after_activity(
        autostop_policy(row.template),
        row.ttl_ms,
        Deadlines(build.deadline, build.max_deadline),
        next_start=row.next_start_at,
        now=now,
    )
    if deadline is not None:
        # Only ever later: an extension by hand at the same moment stays.
        WorkspaceBuild.objects.filter(pk=build.pk, deadline__lt=deadline).update(deadline=deadline)
        announce_workspace(row, "schedule")


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a metadata script, or the error instead of it."""

    key: str
    value: str
    error: str
    collected_at: datetime


@transaction.atomic
def agent_metadata(*, agent: WorkspaceAgent, values: Sequence[Measured]) -> None:
    """Store the newest value of each key that the template declares. Raises Invalid for another key."""
    rows = {row.key: row for row in WorkspaceAgentMetadatum.objects.filter(agent=agent)}
    unknown = sorted({item.key for item in values} - set(rows))
    if unknown:
        raise Invalid(
            "This agent has no such metadata.",
            validations=[Validation("metadata", f'The template declares no key "{unknown[0]}".')],
        )
    changed = []
    for item in sorted(values, key=lambda item: item.collected_at):
        row = rows[item.key]
        if row.collected_at is not None and item.collected_at <= row.collected_at:
            continue
        row.value, row.error, row.collected_at = cut(item.value), cut(item.error), item.collected_at
        changed.append(row)
    WorkspaceAgentMetadatum.objects.bulk_update(
        {row.pk: row for row in changed}.values(), ["value", "error", "collected_at"]
    )
    if changed:
        events.publish(f"agent-metadata:{agent.id}", {"keys": sorted({row.key for row in changed})[:50]})


def cut(text: str) -> str:
    """The text as it can be stored and shown: bounded, with a notice where something was left out."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean if len(clean) <= LONGEST_VALUE else clean[: LONGEST_VALUE - len(CUT_NOTE)] + CUT_NOTE


@transaction.atomic
def agent_app_health(*, agent: WorkspaceAgent, healths: Mapping[str, str]) -> None:
    """Store the health of apps by their ids. Raises Invalid for an unknown id, or a health that is none."""
    apps = {str(app.id): app for app in WorkspaceApp.objects.filter(agent=agent)}
    wrong = []
    for key, health in healths.items():
        if key not in apps:
            wrong.append(Validation("healths", f'This agent has no app "{key[:64]}".'))
        elif health not in AppHealth.values or health == AppHealth.DISABLED:
            wrong.append(Validation("healths", f'"{health}" is no health: initializing, healthy, unhealthy.'))
        elif not apps[key].healthcheck_url:
            wrong.append(Validation("healths", f'The app "{apps[key].slug}" has no health check.'))
    if wrong:
        raise Invalid("The health of apps cannot be stored.", validations=wrong)
    changed = [apps[key] for key, health in healths.items() if apps[key].health != health]
    for app in changed:
        app.health = healths[str(app.id)]
    WorkspaceApp.objects.bulk_update(changed, ["health"])
    if changed:
        announce_workspace(agent.resource.workspace_build.workspace, "apps")


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One run of a script from its start to its end."""

    script_id: uuid.UUID
    started_at: datetime
    ended_at: datetime
    exit_code: int
    stage: str
    status: str


@transaction.atomic
def agent_script_timings(*, agent: WorkspaceAgent, runs: Sequence[ScriptRun]) -> None:
    """Store how long scripts took: of each script the last run at start, at stop and by schedule.

    Runs of scripts that are not this agent's (an earlier build's, before a claim) are left out.
    """
    own = set(WorkspaceAgentScript.objects.filter(agent=agent).values_list("pk", flat=True))
    ordered = sorted(runs, key=lambda run: run.started_at)
    last = {(run.script_id, run.stage): run for run in ordered if run.script_id in own}
    for (script_id, stage), run in last.items():
        WorkspaceAgentScriptTiming.objects.update_or_create(
            script_id=script_id,
            stage=stage,
            defaults={
                "started_at": run.started_at,
                "ended_at": max(run.started_at, run.ended_at),
                "exit_code": run.exit_code,
                "status": run.status,
            },
        )
