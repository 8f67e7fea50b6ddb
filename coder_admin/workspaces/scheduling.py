"""Writes of a workspace's own clock: autostart, time to live, extension, dormancy, updates, favourite.

One function is one transaction and one audited fact. A prebuild has no clock: its owner gets one with the
claim (prebuilds.md 5.6), so each refuses it with 409.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from coder_admin.audit.services import record
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotFound, Validation
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import ACTIVE_STATUSES, JobStatus
from rbac.django import require
from rbac.model import Action, Subject
from rbac.subjects import SystemSubject, acting_as

from . import notices
from .choices import AutomaticUpdates, Transition
from .deadlines import Deadlines, extension_problem
from .models import Workspace, WorkspaceBuild
from .news import announce_workspace
from .policies import check_schedule, check_ttl, upcoming_start

BATCH = 500


@transaction.atomic
def workspace_set_autostart(*, actor: Subject, workspace: Workspace, schedule: str) -> None:
    """Start by itself on a weekly schedule; "" switches it off. Raises Invalid for an unusable one."""
    row = _locked(actor, workspace, "autostart")
    check_schedule(row.template, schedule)
    row.next_start_at = upcoming_start(row.template, schedule, timezone.now())
    _store(actor, row, autostart_schedule=schedule)


@transaction.atomic
def workspace_set_ttl(*, actor: Subject, workspace: Workspace, ttl_ms: int | None) -> None:
    """How long a start lasts, from the next start on; None: until somebody stops it.

    Switching it off also lifts the deadline of the present start, as far as the template's longest life lets.
    """
    row = _locked(actor, workspace, "autostop")
    check_ttl(row.template, ttl_ms)
    if ttl_ms is None and row.template.allow_user_autostop and row.latest_build is not None:
        build = row.latest_build
        WorkspaceBuild.objects.filter(pk=build.pk).update(deadline=build.max_deadline)
    _store(actor, row, ttl_ms=ttl_ms)


@transaction.atomic
def workspace_extend(*, actor: Subject, workspace: Workspace, deadline: datetime) -> datetime:
    """Let a running workspace run until `deadline`. Raises Conflict when it has none to move."""
    row = _locked(actor, workspace, "extend")
    build = _running_build(row)
    if build.deadline is None:
        raise Conflict("The workspace runs until somebody stops it.", detail="There is no deadline to move.")
    now = timezone.now()
    problem = extension_problem(deadline, Deadlines(build.deadline, build.max_deadline), now)
    if problem:
        raise Invalid(
            "Cannot extend the workspace to this deadline.", validations=[Validation("deadline", problem)]
        )
    WorkspaceBuild.objects.filter(pk=build.pk).update(deadline=deadline, updated_at=now)
    _audit(actor, row, {"deadline": _change(_text(build.deadline), _text(deadline))})
    announce_workspace(row, "schedule")
    return deadline


def _running_build(row: Workspace) -> WorkspaceBuild:
    build = row.latest_build
    if build is not None and build.job.job_status in ACTIVE_STATUSES:
        raise Conflict("The workspace is still building.", detail="Wait until the build has ended.")
    if build is None or build.transition != Transition.START or build.job.job_status != JobStatus.SUCCEEDED:
        raise Conflict("The workspace must be started.", detail="Only a running workspace has a deadline.")
    return build


@transaction.atomic
def workspace_set_dormant(*, actor: Subject, workspace: Workspace, dormant: bool) -> bool:
    """Put it to sleep or wake it; False when it is so already.

    The executor stops what runs. Awake again it counts as used now: else it would fall asleep at once.
    """
    row = _locked(actor, workspace, "dormancy")
    if (row.dormant_at is not None) == dormant:
        return False
    if dormant:
        mark_dormant(actor=actor, row=row, why="")
    else:
        _store(actor, row, dormant_at=None, deleting_at=None, last_used_at=timezone.now())
    return True


def mark_dormant(*, actor: Subject, row: Workspace, why: str) -> None:
    """Put a locked row to sleep; `why` tells an automatic cause. Call it inside a transaction."""
    now = timezone.now()
    _store(actor, row, dormant_at=now, deleting_at=deletion_of(row, now))
    notices.tell(notices.Notice(notices.Happening.DORMANT, row, actor, why))


def deletion_of(row: Workspace, dormant_at: datetime) -> datetime | None:
    """When a workspace that sleeps since `dormant_at` is deleted; None for never."""
    period = row.template.time_til_dormant_autodelete_ms
    return dormant_at + timedelta(milliseconds=period) if period else None


@transaction.atomic
def workspace_set_automatic_updates(*, actor: Subject, workspace: Workspace, automatic_updates: str) -> None:
    """Whether each start takes the template's active version."""
    row = _locked(actor, workspace, "automatic updates")
    if automatic_updates not in AutomaticUpdates.values:
        raise Invalid(
            "Invalid automatic updates.",
            validations=[Validation("automatic_updates", "Use always or never.")],
        )
    _store(actor, row, automatic_updates=automatic_updates)


@transaction.atomic
def workspace_set_favorite(*, actor: Subject, workspace: Workspace, favorite: bool) -> None:
    """The owner's own mark, for lists; nobody else may set it."""
    if str(workspace.owner_id) != actor.id:
        raise Forbidden("You can only favorite workspaces that you own.")
    Workspace.objects.filter(pk=workspace.pk).update(favorite=favorite)
    workspace.favorite = favorite
    announce_workspace(workspace, "favorite")


def follow_policy(template_id: uuid.UUID, fields: frozenset[str]) -> None:
    """A template's settings changed: compute anew what workspaces stored from the old ones.

    Called in the transaction of the change. Deadlines of running starts stay, as in Coder: they follow from
    the next start on.
    """
    rows = Workspace.objects.live().exclude(owner_id=PREBUILDS_USER_ID).filter(template_id=template_id)
    now = timezone.now()
    if "time_til_dormant_autodelete_ms" in fields:
        asleep = list(rows.filter(dormant_at__isnull=False).select_related("template"))
        stayed = [row for row in asleep if row.deleting_at is None]
        for row in asleep:
            row.deleting_at = deletion_of(row, row.dormant_at) if row.dormant_at else None
        Workspace.objects.bulk_update(asleep, ["deleting_at"], batch_size=BATCH)
        _tell_deletion(row for row in stayed if row.deleting_at is not None)
    if fields & {"allow_user_autostart", "autostart_days_of_week"}:
        timed = list(rows.exclude(autostart_schedule="").select_related("template"))
        for row in timed:
            row.next_start_at = upcoming_start(row.template, row.autostart_schedule, now)
        Workspace.objects.bulk_update(timed, ["next_start_at"], batch_size=BATCH)


def _tell_deletion(rows: Iterable[Workspace]) -> None:
    why = "its template deletes dormant workspaces"
    with acting_as(SystemSubject.AUTOSTART, reason="say which workspaces are to be deleted") as actor:
        for row in rows:
            notices.tell(notices.Notice(notices.Happening.DELETION, row, actor, why))


def _locked(actor: Subject, workspace: Workspace, what: str) -> Workspace:
    """The row as it is now, held until the end of the transaction, once `actor` proved to be allowed."""
    rows = Workspace.objects.select_for_update(of=("self",)).select_related(
        "template", "owner", "latest_build__job"
    )
    row = rows.filter(pk=workspace.pk, deleted=False).first()
    if row is None:
        raise NotFound
    require(actor, Action.UPDATE, row)
    if row.owner_id == PREBUILDS_USER_ID:
        raise Conflict(
            f"A prebuilt workspace has no {what} of its own.",
            detail="It gets its schedule when somebody claims it.",
        )
    return row


def _store(actor: Subject, row: Workspace, **fields: Any) -> None:
    """Write the fields, the audit row and the news; what is equal already is written to nobody's trail."""
    changes = {
        name: _change(_text(getattr(row, name)), _text(value))
        for name, value in fields.items()
        if getattr(row, name) != value
    }
    for name, value in fields.items():
        setattr(row, name, value)
    row.updated_at = timezone.now()
    row.save(update_fields=[*fields, "next_start_at", "updated_at"])
    if changes:
        _audit(actor, row, changes)
        announce_workspace(row, "schedule")


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _change(old: Any, new: Any) -> dict[str, Any]:
    return {"old": old, "new": new, "secret": False}


def _audit(actor: Subject, row: Workspace, changes: dict[str, Any]) -> None:
    record(
        actor=actor,
        action="write",
        resource_type="workspace",
        resource_id=row.id,
        resource_target=row.name,
        organization_id=row.organization_id,
        diff=changes,
    )
