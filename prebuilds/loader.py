"""The snapshot from the database: a fixed number of statements in one consistent view (section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from coder_admin.catalog.models import TemplateVersionPreset, TemplateVersionPresetPrebuildSchedule
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import Transition
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds import querying
from prebuilds.consistent import read_snapshot
from prebuilds.desired import desired_instances
from prebuilds.failures import FailedBuild, backoff_rows, hard_limited_presets, since_reset
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.rows import plain_rows
from prebuilds.snapshot import (
    Config,
    FailedPrebuild,
    InProgress,
    PendingCount,
    PrebuildStatus,
    Preset,
    RunningPrebuild,
    Schedule,
    Snapshot,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which templates a snapshot covers; None means all."""

    template_ids: frozenset[UUID] | None = None

    def of(self, path: str) -> Q:
        """A condition on the template that `path` leads to."""
        return Q() if self.template_ids is None else Q(**{f"{path}__in": self.template_ids})


EVERYTHING = Scope()

_BUILT_FOR = "latest_build__template_version_preset"
_IS_FAILED = Q(latest_build__job__job_status=JobStatus.FAILED)


def configured() -> Config:
    """The reconciler's settings of this deployment."""
    return Config(
        backoff_interval=timedelta(seconds=settings.PREBUILDS_BACKOFF_INTERVAL),
        backoff_lookback=timedelta(seconds=settings.PREBUILDS_BACKOFF_LOOKBACK),
        failure_hard_limit=settings.PREBUILDS_FAILURE_HARD_LIMIT,
        failed_retention=_span(settings.PREBUILDS_FAILED_RETENTION),
        not_ready_limit=_span(settings.PREBUILDS_NOT_READY_LIMIT),
    )


def _span(seconds: float) -> timedelta | None:
    """A duration of the settings, where 0 means that there is none."""
    return timedelta(seconds=seconds) if seconds > 0 else None


def load_snapshot(now: datetime, config: Config, scope: Scope = EVERYTHING) -> Snapshot:
    """Everything a pass decides from, in six statements whatever the size; two more where builds failed, and
    one with a retention or while something is left of a deleted template. On PostgreSQL one more begins it.

    Presets of dead versions that have nothing left are not read at all.
    """
    with read_snapshot():
        presets = tuple(_presets(scope))
        schedules = tuple(_schedules(scope))
        running = tuple(_running(scope))
        in_progress = tuple(_in_progress(scope))
        pending = tuple(_pending(scope))
        failures = tuple(_failures(scope, now - config.backoff_lookback, config))
        unforgiven = since_reset(failures, _resets(scope)) if failures else []
        left = tuple(
            _left(
                scope,
                evidence=config.failed_retention is not None,
                deleted=any(preset.deleted for preset in presets),
            )
        )
    wanted = _wanted(presets, schedules, now)
    return Snapshot(
        presets=presets,
        schedules=schedules,
        running=running,
        in_progress=in_progress,
        pending=pending,
        backoffs=backoff_rows(unforgiven, wanted, now - config.backoff_lookback),
        hard_limited=hard_limited_presets(unforgiven, config.failure_hard_limit),
        failed=left,
        not_ready_limit=config.not_ready_limit,
    )


def _presets(scope: Scope) -> Iterable[Preset]:
    """Presets with prebuilds on the active version of a template that is not deleted, or of which something
    is left."""
    left = WorkspaceBuild.objects.filter(
        workspace__in=querying.unclaimed(), template_version_preset__isnull=False
    ).values("template_version_preset")
    live = Q(
        template_version=F("template_version__template__active_version"),
        template_version__template__deleted=False,
    )
    template = "template_version__template"
    rows = (
        TemplateVersionPreset.objects.filter(
            live | Q(id__in=left), scope.of(template), desired_instances__isnull=False
        )
        .order_by(f"{template}__name", "name", "id")
        .values_list(
            "id",
            "name",
            f"{template}__organization",
            f"{template}__organization__name",
            template,
            f"{template}__name",
            "template_version",
            "template_version__name",
            f"{template}__active_version",
            f"{template}__deleted",
            f"{template}__deprecation_message",
            "desired_instances",
            "invalidate_after_secs",
            "scheduling_timezone",
            "prebuild_status",
            "last_invalidated_at",
        )
    )
    for row in plain_rows(rows):
        yield Preset(
            id=row[0],
            name=row[1],
            organization_id=row[2],
            organization_name=row[3],
            template_id=row[4],
            template_name=row[5],
            template_version_id=row[6],
            template_version_name=row[7],
            using_active_version=row[6] == row[8],
            deleted=row[9],
            deprecated=bool(row[10]),
            desired_instances=row[11] or 0,
            ttl_seconds=row[12],
            scheduling_timezone=row[13],
            prebuild_status=PrebuildStatus(row[14]),
            last_invalidated_at=row[15],
        )


def _schedules(scope: Scope) -> Iterable[Schedule]:
    rows = TemplateVersionPresetPrebuildSchedule.objects.filter(
        scope.of("preset__template_version__template"), preset__in=querying.active_presets()
    ).order_by("preset", "position", "id")
    for row in plain_rows(rows.values_list("preset", "cron_expression", "desired_instances")):
        yield Schedule(*row)


def _running(scope: Scope) -> Iterable[RunningPrebuild]:
    rows = querying.with_current_preset(querying.running().filter(scope.of("template")))
    found = (
        rows.annotate(is_ready=querying.ready())
        .order_by("id")
        .values_list(
            "id",
            "name",
            "current_preset",
            "latest_build__template_version",
            "is_ready",
            "created_at",
            "latest_build__job__completed_at",
        )
    )
    return map(RunningPrebuild._make, plain_rows(found))


def _left(scope: Scope, *, evidence: bool, deleted: bool) -> Iterable[FailedPrebuild]:
    """Prebuilds that fill no place: failed starts that are kept as `evidence`, of active and other versions
    alike; and what `deleted` templates still have beside running prebuilds: failed, canceled and stopped
    ones. One whose deletion failed is a person's to look at. A person's build need not name the preset: the
    workspace's own counts.
    """
    if not evidence and not deleted:
        return
    start, stop = Q(latest_build__transition=Transition.START), Q(latest_build__transition=Transition.STOP)
    failed = Q(latest_build__job__job_status=JobStatus.FAILED)
    canceled = Q(latest_build__job__job_status=JobStatus.CANCELED)
    stopped = stop & Q(latest_build__job__job_status=JobStatus.SUCCEEDED)
    of_deleted = Q(template__deleted=True) & ((start | stop) & (failed | canceled) | stopped)
    wanted = reduce(
        or_, [q for q, is_asked in ((start & failed, evidence), (of_deleted, deleted)) if is_asked]
    )
    rows = (
        querying.with_current_preset(querying.unclaimed())
        .filter(wanted, scope.of("template"), current_preset__isnull=False)
        .order_by("id")
        .values_list("id", "current_preset", "latest_build__created_at")
    )
    for row in plain_rows(rows):
        yield FailedPrebuild(*row)


def _in_progress(scope: Scope) -> Iterable[InProgress]:
    """Prebuild builds under way on active versions. Deletions name no preset: the workspace's own counts."""
    rows = (
        querying.with_current_preset(Workspace.objects.filter(scope.of("template")))
        .filter(
            latest_build__initiator=PREBUILDS_USER_ID,
            latest_build__job__job_status__in=querying.IN_PROGRESS,
            latest_build__template_version__active_for__isnull=False,
        )
        .order_by()
        .values("current_preset", "latest_build__template_version", "latest_build__transition")
        .annotate(count=Count("id", distinct=True))
        .values_list("current_preset", "latest_build__template_version", "latest_build__transition", "count")
    )
    for row in plain_rows(rows):
        yield InProgress(*row)


def _pending(scope: Scope) -> Iterable[PendingCount]:
    preset = "latest_build__template_version_preset"
    rows = (
        querying.unclaimed()
        .filter(querying.pending_of_inactive_versions(), scope.of("template"), **{f"{preset}__isnull": False})
        .order_by()
        .values(preset)
        .annotate(count=Count("id"))
        .values_list(preset, "count")
    )
    for row in plain_rows(rows):
        yield PendingCount(*row)


def _failures(scope: Scope, lookback_start: datetime, config: Config) -> Iterable[FailedBuild]:
    """Failed starts in the pools that are recent or rank within the hard limit.

    Only presets with a failure are ranked, and they are asked for first: in a healthy deployment there is
    nothing to sort. As one statement PostgreSQL would walk through all pools to find none of them.
    """
    starts = _pool_starts(scope)
    failing = starts.filter(_IS_FAILED).order_by().values_list(_BUILT_FOR, flat=True).distinct()
    presets = list(failing)
    if not presets:
        return
    newest_first = Window(
        RowNumber(),
        partition_by=_BUILT_FOR,
        order_by=(F("latest_build__created_at").desc(), F("latest_build").desc()),
    )
    rows = (
        starts.filter(**{f"{_BUILT_FOR}__in": presets})
        .annotate(rank=newest_first)
        # One disjunction with the rank in each branch: whatever is not tied to a rank would move below the
        # window, which would then rank failed builds only.
        .filter(
            Q(_IS_FAILED, rank__lte=config.failure_hard_limit)
            | Q(_IS_FAILED, rank__gte=1, latest_build__created_at__gte=lookback_start)
        )
        .order_by()
        .values_list(_BUILT_FOR, "rank", "latest_build__created_at", "template__deleted")
    )
    for row in plain_rows(rows):
        yield FailedBuild(*row)


def _pool_starts(scope: Scope) -> QuerySet[Workspace]:
    """Unclaimed workspaces whose latest build starts a preset of their template's active version.

    One that a person began to see whether the cause of failures is gone says nothing before it ended: ranked
    as newest it would lift the limit while it waits, and the pool would begin all that it lacks.
    """
    trial = PrebuildEvent.objects.filter(workspace=OuterRef("pk"), kind=PrebuildEventKind.TRIAL)
    ended = Q(latest_build__job__job_status__in=(JobStatus.SUCCEEDED, JobStatus.FAILED))
    return querying.unclaimed().filter(
        ended | ~Exists(trial),
        scope.of("template"),
        latest_build__transition=Transition.START,
        latest_build__template_version=F("template__active_version"),
        **{f"{_BUILT_FOR}__desired_instances__isnull": False},
    )


def _resets(scope: Scope) -> dict[str, datetime]:
    """When an administrator last cleared each preset's condition."""
    rows = (
        PrebuildEvent.objects.filter(scope.of("template"), kind=PrebuildEventKind.RESET, preset__isnull=False)
        .order_by()
        .values("preset")
        .annotate(last=Max("created_at"))
        .values_list("preset", "last")
    )
    return dict(plain_rows(rows))


def _wanted(presets: Iterable[Preset], schedules: Iterable[Schedule], now: datetime) -> dict[str, int]:
    by_preset: dict[str, list[Schedule]] = {}
    for schedule in schedules:
        by_preset.setdefault(schedule.preset_id, []).append(schedule)
    return {
        preset.id: desired_instances(preset, by_preset.get(preset.id, ()), now).instances
        for preset in presets
    }
