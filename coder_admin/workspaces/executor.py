"""The lifecycle executor: does what workspaces' own clocks demand (`automation` decides, this does).

A pass reads the workspaces that may be due in one query, decides about each, and runs each step in a
transaction of its own that locks the row and decides again: a second executor, or a person who was
quicker, makes the step vanish. A step that is refused (bad parameters, a version that still imports) is
tried again after a while, not at every pass.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from itertools import islice
from operator import or_

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import GreaterThan
from prometheus_client import Counter, Histogram

from coder_admin.foundation.errors import ServiceError
from coder_admin.foundation.expressions import SecondsSince
from coder_admin.organizations.choices import UserStatus
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import ACTIVE_STATUSES, JobStatus
from rbac.model import Subject
from rbac.subjects import SystemSubject, acting_as

from . import notices
from .automation import Due, LatestBuild, Step, WorkspaceFacts, due
from .builder import build
from .choices import AutomaticUpdates, BuildReason, Transition
from .models import Workspace
from .policies import automation_policy
from .scheduling import mark_dormant

log = structlog.get_logger(__name__)

PER_PASS = 500
RETRY_AFTER = timedelta(minutes=15)
ROUNDING_MS = 10  # SQLite tells times apart by the millisecond

STEPS = Counter("coderd_lifecycle_steps_total", "Automatic steps of workspaces.", ["step", "result"])
DURATION = Histogram(
    "coderd_lifecycle_autobuild_execution_duration_seconds", "Duration of a pass of the lifecycle executor."
)


@dataclass(slots=True)
class Pass:
    """What one pass did: workspace names by step, and refusals in words."""

    done: list[tuple[uuid.UUID, Step]] = field(default_factory=list)
    refused: dict[uuid.UUID, str] = field(default_factory=dict)


@dataclass(slots=True)
class Refusals:
    """What was refused lately, kept from pass to pass: workspace and build to the next attempt."""

    until: dict[tuple[uuid.UUID, uuid.UUID | None], datetime] = field(default_factory=dict)

    def rests(self, row: Workspace, now: datetime) -> bool:
        return now < self.until.get((row.id, row.latest_build_id), now)

    def add(self, row: Workspace, now: datetime) -> bool:
        """Note a refusal; True when it is the first for this build."""
        key = (row.id, row.latest_build_id)
        is_new = key not in self.until
        self.until = {k: at for k, at in self.until.items() if at > now - RETRY_AFTER * 4}
        self.until[key] = now + RETRY_AFTER
        return is_new


def run_pass(now: datetime, refusals: Refusals | None = None) -> Pass:
    """Do everything that is due at `now`, at most `PER_PASS` steps. Raises only when the reading fails."""
    refusals = refusals if refusals is not None else Refusals()
    found = Pass()
    with DURATION.time():
        for row in islice(_to_do(now, refusals), PER_PASS):
            _try(row, now, refusals, found)
    return found


def _to_do(now: datetime, refusals: Refusals) -> Iterator[Workspace]:
    """What is due of the candidates, read page by page: however many of them are not, or rest after a
    refusal, they keep nobody from their turn."""
    rows = candidates(now)
    page = list(rows[:PER_PASS])
    while page:
        for row in page:
            if due(facts_of(row), now) is not None and not refusals.rests(row, now):
                yield row
        last = page[-1]
        after = Q(last_used_at__gt=last.last_used_at) | Q(last_used_at=last.last_used_at, id__gt=last.id)
        page = list(rows.filter(after)[:PER_PASS]) if len(page) == PER_PASS else []


def _try(row: Workspace, now: datetime, refusals: Refusals, found: Pass) -> None:
    try:
        step = execute(row.id, now)
    except ServiceError as error:
        STEPS.labels(step="any", result="refused").inc()
        found.refused[row.id] = str(error)
        if refusals.add(row, now):
            log.warning("automatic step refused", workspace=str(row.id), reason=str(error))
            _tell_refusal(row, str(error))
    except Exception:
        STEPS.labels(step="any", result="error").inc()
        refusals.add(row, now)
        found.refused[row.id] = "an internal error"
        log.exception("automatic step failed", workspace=str(row.id))
    else:
        if step is not None:
            STEPS.labels(step=step.value, result="done").inc()
            found.done.append((row.id, step))


def _tell_refusal(row: Workspace, why: str) -> None:
    with (
        transaction.atomic(),
        acting_as(SystemSubject.AUTOSTART, reason="say that an automatic build was refused") as actor,
    ):
        notices.tell(notices.Notice(notices.Happening.REFUSED, row, actor, why))


@transaction.atomic
def execute(workspace_id: uuid.UUID, now: datetime) -> Step | None:
    """Do the one step that is due for a workspace; None when nothing is any more. Raises ServiceError."""
    row = _rows().select_for_update(of=("self",)).filter(pk=workspace_id).first()
    if row is None:
        return None
    found = due(facts_of(row), now)
    if found is None:
        return None
    with acting_as(SystemSubject.AUTOSTART, reason=f"take the step that is due: {found.why}") as actor:
        if found.becomes_dormant:
            mark_dormant(actor=actor, row=row, why=found.why)
        if found.transition is not None:
            _build(actor, row, found)
    log.info("automatic step", workspace=str(row.id), step=found.step.value, why=found.why)
    return found.step


def _build(actor: Subject, row: Workspace, found: Due) -> None:
    """In the owner's name, as Coder does; a start follows the active version where that is wanted."""
    template, last = row.template, row.latest_build
    version = None
    follows = row.automatic_updates == AutomaticUpdates.ALWAYS or template.require_active_version
    if found.transition is Transition.START and follows:
        version = template.active_version
    build(
        actor=actor,
        workspace=row,
        transition=found.transition or Transition.STOP,
        reason=BuildReason(found.step.value),
        version=version,
        initiator_id=row.owner_id,
    )
    if version is not None and last is not None and last.template_version_id != version.id:
        notices.tell(notices.Notice(notices.Happening.UPDATED, row, actor, version.name))


def facts_of(row: Workspace) -> WorkspaceFacts:
    """The row as `automation` takes it."""
    last = row.latest_build
    return WorkspaceFacts(
        is_prebuild=row.owner_id == PREBUILDS_USER_ID,
        owner_active=row.owner.status != UserStatus.SUSPENDED and not row.owner.deleted,
        autostart_schedule=row.autostart_schedule,
        last_used_at=row.last_used_at,
        dormant_at=row.dormant_at,
        deleting_at=row.deleting_at,
        build=None
        if last is None
        else LatestBuild(
            created_at=last.created_at,
            transition=Transition(last.transition),
            status=JobStatus(last.job.job_status),
            ended_at=last.job.completed_at,
            deadline=last.deadline,
        ),
        policy=automation_policy(row.template),
    )


def _rows() -> QuerySet[Workspace]:
    return Workspace.objects.live().select_related(
        "owner", "template__active_version", "latest_build__job", "latest_build__template_version"
    )


def candidates(now: datetime) -> QuerySet[Workspace]:
    """Everything that may be due, a superset by cheap conditions; the longest unused first."""
    runs = Q(latest_build__transition=Transition.START, latest_build__job__job_status=JobStatus.SUCCEEDED)
    failed = Q(latest_build__transition=Transition.START, latest_build__job__job_status=JobStatus.FAILED)
    conditions = [
        runs & Q(latest_build__deadline__lte=now),
        runs & Q(dormant_at__isnull=False),
        runs & (Q(owner__status=UserStatus.SUSPENDED) | Q(owner__deleted=True)),
        Q(latest_build__transition=Transition.STOP, dormant_at__isnull=True, next_start_at__lte=now),
        Q(dormant_at__isnull=False, deleting_at__lte=now),
        Q(dormant_at__isnull=True) & _beyond("time_til_dormant_ms", "last_used_at", now),
        failed & _beyond("failure_ttl_ms", "latest_build__job__completed_at", now),
    ]
    return (
        _rows()
        .exclude(owner_id=PREBUILDS_USER_ID)
        .exclude(latest_build__job__job_status__in=ACTIVE_STATUSES)
        .filter(reduce(or_, conditions), latest_build__isnull=False)
        .order_by("last_used_at", "id")
    )


def _beyond(limit: str, column: str, now: datetime) -> Q:
    """That the time in a column lies further back than the template's limit, give or take `ROUNDING_MS`;
    compared in each row, so that the statement is the same however many templates set one."""
    path = f"template__{limit}"
    elapsed_ms = SecondsSince(column, now) * 1000 + ROUNDING_MS
    return Q(**{f"{path}__gt": 0, f"{column}__isnull": False}) & Q(GreaterThan(elapsed_ms, F(path)))


def next_instant(now: datetime) -> datetime | None:
    """The next deadline, start or deletion after `now`, so that it need not wait for the timer."""
    live = Workspace.objects.live().exclude(owner_id=PREBUILDS_USER_ID)
    instants = [
        live.filter(**{f"{path}__gt": now}).order_by(path).values_list(path, flat=True).first()
        for path in ("latest_build__deadline", "next_start_at", "deleting_at")
    ]
    return min((at for at in instants if at is not None), default=None)
