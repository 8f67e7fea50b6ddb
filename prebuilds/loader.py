"""The snapshot from the database: a fixed number of statements in one consistent view (section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, Max, Q, Window
from django.db.models.functions import RowNumber

from coder_admin.catalog.models import TemplateVersionPreset, TemplateVersionPresetPrebuildSchedule
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import AgentLifecycle, Transition
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild
from prebuilds import querying
from prebuilds.consistent import read_snapshot
from prebuilds.desired import desired_instances
from prebuilds.failures import FailedBuild, backoff_rows, hard_limited_presets, since_reset
from prebuilds.models import PrebuildEvent, PrebuildEventKind
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
    """Everything a pass decides from, in eight statements whatever the size, nine with a retention.

    Presets of dead versions that have nothing left are not read at all.
    """
    with read_snapshot():
        presets = tuple(_presets(scope))
        schedules = tuple(_schedules(scope))
        running = tuple(_running(scope, _unready_builds(scope)))
        in_progress = tuple(_in_progress(scope))
        pending = tuple(_pending(scope))
        failures = since_reset(_failures(scope, now - config.backoff_lookback, config), _resets(scope))
        failed = () if config.failed_retention is None else tuple(_failed(scope))
    wanted = _wanted(presets, schedules, now)
    return Snapshot(
        presets=presets,
        schedules=schedules,
        running=running,
        in_progress=in_progress,
        pending=pending,
        backoffs=backoff_rows(failures, wanted, now - config.backoff_lookback),
        hard_limited=hard_limited_presets(failures, config.failure_hard_limit),
        failed=failed,
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
    for row in rows:
        yield Preset(
            id=str(row[0]),
            name=row[1],
            organization_id=str(row[2]),
            organization_name=row[3],
            template_id=str(row[4]),
            template_name=row[5],
            template_version_id=str(row[6]),
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
    for preset_id, cron, instances in rows.values_list("preset", "cron_expression", "desired_instances"):
        yield Schedule(str(preset_id), cron, instances)


def _running(scope: Scope, unready: Mapping[UUID, int]) -> Iterable[RunningPrebuild]:
    rows = querying.with_current_preset(querying.running().filter(scope.of("template"))).order_by("id")
    for workspace_id, name, version_id, build_id, preset_id, created_at, built_at in rows.values_list(
        "id",
        "name",
        "latest_build__template_version",
        "latest_build",
        "current_preset",
        "created_at",
        "latest_build__job__completed_at",
    ):
        yield RunningPrebuild(
            id=str(workspace_id),
            name=name,
            preset_id=str(preset_id) if preset_id else None,
            template_version_id=str(version_id),
            # A build without any agent is not in the map, and is never ready.
            ready=unready.get(build_id) == 0,
            created_at=created_at,
            built_at=built_at,
        )


def _failed(scope: Scope) -> Iterable[FailedPrebuild]:
    """Failed starts that are kept as evidence, of active and other versions alike."""
    preset = "latest_build__template_version_preset"
    rows = querying.unclaimed().filter(
        scope.of("template"),
        latest_build__transition=Transition.START,
        latest_build__job__job_status=JobStatus.FAILED,
        **{f"{preset}__desired_instances__isnull": False},
    )
    for workspace_id, preset_id, built_at in rows.order_by("id").values_list(
        "id", preset, "latest_build__created_at"
    ):
        yield FailedPrebuild(str(workspace_id), str(preset_id), built_at)


def _unready_builds(scope: Scope) -> dict[UUID, int]:
    """How many agents are not ready yet, for each latest build in the pools that has agents."""
    build = "resource__workspace_build"
    return dict(
        WorkspaceAgent.objects.filter(
            scope.of(f"{build}__latest_of__template"),
            deleted=False,
            parent__isnull=True,
            **{f"{build}__latest_of__owner": PREBUILDS_USER_ID, f"{build}__latest_of__deleted": False},
        )
        .values(build)
        .annotate(unready=Count("id", filter=~Q(lifecycle_state=AgentLifecycle.READY)))
        .values_list(build, "unready")
    )


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
    for preset_id, version_id, transition, count in rows:
        yield InProgress(str(preset_id) if preset_id else None, str(version_id), transition, count)


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
    for preset_id, count in rows:
        yield PendingCount(str(preset_id), count)


def _failures(scope: Scope, lookback_start: datetime, config: Config) -> Iterable[FailedBuild]:
    """Failed starts in the pools that are recent or rank within the hard limit.

    Only presets with a failure are ranked; in a healthy deployment there is nothing to sort.
    """
    preset = "latest_build__template_version_preset"
    starts = querying.unclaimed().filter(
        scope.of("template"),
        latest_build__transition=Transition.START,
        latest_build__template_version=F("template__active_version"),
        **{f"{preset}__desired_instances__isnull": False},
    )
    failed = starts.filter(latest_build__job__job_status=JobStatus.FAILED)
    newest_first = Window(
        RowNumber(),
        partition_by=preset,
        order_by=(F("latest_build__created_at").desc(), F("latest_build").desc()),
    )
    is_failed = Q(latest_build__job__job_status=JobStatus.FAILED)
    rows = (
        starts.filter(**{f"{preset}__in": failed.order_by().values(preset)})
        .annotate(rank=newest_first)
        # One disjunction with the rank in each branch: whatever is not tied to a rank would move below the
        # window, which would then rank failed builds only.
        .filter(
            Q(is_failed, rank__lte=config.failure_hard_limit)
            | Q(is_failed, rank__gte=1, latest_build__created_at__gte=lookback_start)
        )
        .order_by()
        .values_list(preset, "rank", "latest_build__created_at", "template__deleted")
    )
    for preset_id, rank, created_at, deleted in rows:
        yield FailedBuild(str(preset_id), rank, created_at, deleted)


def _resets(scope: Scope) -> dict[str, datetime]:
    """When an administrator last cleared each preset's condition."""
    rows = (
        PrebuildEvent.objects.filter(scope.of("template"), kind=PrebuildEventKind.RESET, preset__isnull=False)
        .order_by()
        .values("preset")
        .annotate(last=Max("created_at"))
        .values_list("preset", "last")
    )
    return {str(preset_id): last for preset_id, last in rows}


def _wanted(presets: Iterable[Preset], schedules: Iterable[Schedule], now: datetime) -> dict[str, int]:
    by_preset: dict[str, list[Schedule]] = {}
    for schedule in schedules:
        by_preset.setdefault(schedule.preset_id, []).append(schedule)
    return {
        preset.id: desired_instances(preset, by_preset.get(preset.id, ()), now).instances
        for preset in presets
    }
