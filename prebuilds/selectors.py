"""What pages and the API show of pools, restricted to what the viewer may read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Max, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.foundation.errors import NotFound
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import Transition
from coder_admin.workspaces.models import WorkspaceBuild
from prebuilds import querying
from prebuilds.desired import (
    Change,
    WeekMap,
    desired_instances,
    next_changes,
    preset_schedule_problems,
    week_map,
)
from prebuilds.explain import Explanation, explain, summary
from prebuilds.loader import Scope, configured, load_snapshot
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.problems import value_problems
from prebuilds.schedule import load_zone
from prebuilds.settings import reconciliation_paused
from prebuilds.snapshot import PrebuildStatus, Preset, Schedule
from prebuilds.state import State
from rbac import Action, Subject
from rbac.django import may

HIT_RATE_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Failure:
    """The newest failed build of a pool that is kept as evidence."""

    workspace_id: UUID
    workspace_name: str
    build_id: UUID
    build_number: int
    job_id: UUID
    error: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Demand:
    """Claims and misses of a pool in the last 24 hours, by preset name over all versions."""

    claims: int = 0
    misses: int = 0
    last_claim_at: datetime | None = None

    @property
    def hit_rate(self) -> float | None:
        """The share of wanted workspaces that the pool gave, 0 to 1; None when none was wanted."""
        wanted = self.claims + self.misses
        return self.claims / wanted if wanted else None


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One pool as a page shows it."""

    preset: Preset
    state: State
    condition: PrebuildStatus
    failed: int
    sentence: str
    why: tuple[str, ...]
    next_change: Change | None
    last_failure: Failure | None
    refusal: str
    demand: Demand
    explanation: Explanation = field(repr=False)

    @property
    def wish(self) -> int:
        """Prebuilds wanted now."""
        return self.state.desired

    @property
    def ready(self) -> int:
        """Prebuilds that can be claimed now."""
        return self.state.eligible

    @property
    def starting(self) -> int:
        """Prebuilds on the way: builds under way, and running ones whose agents are not ready yet."""
        return self.state.starting + self.state.actual - self.state.expired - self.state.eligible

    @property
    def expired(self) -> int:
        """Prebuilds that will be replaced."""
        return self.state.expired

    @property
    def health(self) -> str:
        """`failing`, `paused` (resting after failures), `filling`, `ready` or `idle`: worst first."""
        if self.condition is not PrebuildStatus.HEALTHY:
            return "failing"
        if any(type(action).__name__ == "Backoff" for action in self.explanation.actions):
            return "paused"
        if self.state.desired == 0:
            return "idle"
        return "ready" if self.state.eligible >= self.state.desired else "filling"

    @property
    def resettable(self) -> bool:
        """Whether a reset would change anything."""
        statuses = {self.condition, self.preset.prebuild_status}
        return statuses != {PrebuildStatus.HEALTHY} or self.failed > 0


def pools(
    viewer: Subject,
    *,
    template_ids: Iterable[UUID] | None = None,
    now: datetime | None = None,
) -> list[PoolStatus]:
    """The pools of active versions that `viewer` may see, in a fixed number of statements.

    Pools of templates that the viewer may not read are left out.
    """
    moment = now or timezone.now()
    visible = Template.objects.visible_to(viewer).filter(deleted=False)
    if template_ids is not None:
        visible = visible.filter(id__in=list(template_ids))
    ids = frozenset(visible.values_list("id", flat=True))
    if not ids:
        return []
    return _statuses(Scope(ids), moment)


def pool_of(
    viewer: Subject, preset: TemplateVersionPreset, *, now: datetime | None = None
) -> PoolStatus | None:
    """The pool of one preset, or None when it keeps none. Raises NotFound for an unreadable template."""
    template = preset.template_version.template
    if template is None or not may(viewer, Action.READ, template):
        raise NotFound
    found = _statuses(Scope(frozenset({template.id})), now or timezone.now(), only_active=False)
    return next((pool for pool in found if pool.preset.id == str(preset.id)), None)


def template_to_change(viewer: Subject, template_id: UUID) -> Template:
    """A live template that `viewer` may update. Raises NotFound for any other."""
    template: Template | None = Template.objects.filter(id=template_id, deleted=False).first()
    if template is None or not may(viewer, Action.UPDATE, template):
        raise NotFound
    return template


def preset_to_read(viewer: Subject, preset_id: UUID) -> TemplateVersionPreset:
    """A preset of a live template that `viewer` may read. Raises NotFound for any other."""
    return _preset(viewer, preset_id, Action.READ)


def preset_to_change(viewer: Subject, preset_id: UUID) -> TemplateVersionPreset:
    """A preset of a live template that `viewer` may update. Raises NotFound for any other."""
    return _preset(viewer, preset_id, Action.UPDATE)


def _preset(viewer: Subject, preset_id: UUID, action: Action) -> TemplateVersionPreset:
    preset = (
        TemplateVersionPreset.objects.select_related("template_version__template")
        .filter(id=preset_id, template_version__template__deleted=False)
        .first()
    )
    template = preset.template_version.template if preset else None
    if preset is None or template is None or not may(viewer, action, template):
        raise NotFound
    return preset


def presets_named(text: str) -> list[TemplateVersionPreset]:
    """The presets that an operator means: by id, or on the active versions by TEMPLATE/PRESET with or without
    the organization in front. A preset's name may hold slashes; the others' cannot."""
    presets = TemplateVersionPreset.objects.select_related("template_version__template").filter(
        template_version__template__deleted=False
    )
    try:
        return list(presets.filter(id=UUID(text)))
    except ValueError:
        pass
    first, _, rest = text.partition("/")
    second, _, last = rest.partition("/")
    template = "template_version__template"
    return list(
        presets.filter(
            Q(**{f"{template}__name": first}, name=rest)
            | Q(**{f"{template}__organization__name": first, f"{template}__name": second}, name=last),
            template_version=F(f"{template}__active_version"),
        ).order_by("id")
    )


def preset_week(
    preset: TemplateVersionPreset, *, now: datetime | None = None, limit: int = 5
) -> tuple[WeekMap, list[Change], tuple[str, ...]]:
    """The wished size for each hour of the current week, the next changes, and the schedules' problems.

    The caller has checked that the viewer may read the template.
    """
    moment = now or timezone.now()
    plain, schedules = _as_stored(preset)
    problems = preset_schedule_problems(plain, schedules)
    zone = UTC if problems or not schedules else load_zone(plain.scheduling_timezone)
    today = moment.astimezone(zone).date()
    return week_map(plain, schedules, today), next_changes(plain, schedules, moment, limit=limit), problems


def wanted_now(preset: TemplateVersionPreset, now: datetime) -> int:
    """The size that the pool of a preset with prebuilds has now, schedules applied."""
    return desired_instances(*_as_stored(preset), now).instances


def preset_value_problems(preset: TemplateVersionPreset) -> tuple[str, ...]:
    """Stored values of a preset with prebuilds that no template may set, as sentences (not its schedules).

    The caller has checked that the viewer may read the template.
    """
    return value_problems(*_as_stored(preset))


def _as_stored(preset: TemplateVersionPreset) -> tuple[Preset, list[Schedule]]:
    plain = Preset(
        id=str(preset.id),
        name=preset.name,
        desired_instances=preset.desired_instances or 0,
        ttl_seconds=preset.invalidate_after_secs,
        scheduling_timezone=preset.scheduling_timezone,
    )
    rows = preset.schedules.all()  # in the order of the template
    return plain, [Schedule(plain.id, row.cron_expression, row.desired_instances) for row in rows]


def _statuses(scope: Scope, now: datetime, *, only_active: bool = True) -> list[PoolStatus]:
    config = configured()
    snapshot = load_snapshot(now, config, scope)
    paused = reconciliation_paused()
    presets = [preset for preset in snapshot.presets if preset.using_active_version or not only_active]
    failures = _failures(scope)
    demands = _demands(scope, now)
    refusals = _refusals(presets)
    found: list[PoolStatus] = []
    for preset in presets:
        part = snapshot.for_preset(preset, now)
        told = explain(part, now, config)
        failed, last = failures.get(preset.id, (0, None))
        changes = next_changes(preset, part.schedules, now, limit=1) if preset.is_active else []
        found.append(
            PoolStatus(
                preset=preset,
                state=told.state,
                condition=told.condition,
                failed=failed,
                sentence=summary(told, paused=paused, failed=failed),
                why=told.why,
                next_change=changes[0] if changes else None,
                last_failure=last,
                refusal=refusals.get(preset.id, ""),
                demand=demands.get((preset.template_id, preset.name), Demand()),
                explanation=told,
            )
        )
    return found


def _failures(scope: Scope) -> Mapping[str, tuple[int, Failure]]:
    """By preset: how many failed starts are kept as evidence, and the newest one (one statement)."""
    newest_first = (F("created_at").desc(), F("id").desc())
    rows = (
        WorkspaceBuild.objects.filter(
            scope.of("workspace__template"),
            latest_of__in=querying.unclaimed(),
            transition=Transition.START,
            job__job_status=JobStatus.FAILED,
            template_version_preset__isnull=False,
        )
        .order_by()
        .annotate(
            rank=Window(RowNumber(), partition_by="template_version_preset", order_by=newest_first),
            kept=Window(Count("id"), partition_by="template_version_preset"),
        )
        .filter(rank=1)
        .values_list(
            "template_version_preset",
            "kept",
            "workspace",
            "workspace__name",
            "id",
            "build_number",
            "job",
            "job__error",
            "created_at",
        )
    )
    return {str(row[0]): (row[1], Failure(*row[2:])) for row in rows}


def _refusals(presets: Iterable[Preset]) -> dict[str, str]:
    """Why the build requests of presets that stand as invalid were refused, by preset (one statement, if
    there are any)."""
    refused = [UUID(p.id) for p in presets if p.prebuild_status is PrebuildStatus.VALIDATION_FAILED]
    if not refused:
        return {}
    rows = PrebuildEvent.objects.filter(preset__in=refused, kind=PrebuildEventKind.REFUSED)
    told = rows.order_by("created_at").values_list("preset", "details")
    return {str(preset): details.get("error", "") for preset, details in told}


def _demands(scope: Scope, now: datetime) -> dict[tuple[str, str], Demand]:
    """Claims and misses by (template, preset name) in the window, and the last claim ever."""
    recent = Q(created_at__gt=now - HIT_RATE_WINDOW)
    claim, miss = Q(kind=PrebuildEventKind.CLAIM), Q(kind=PrebuildEventKind.MISS)
    rows: Sequence[tuple[UUID, str, int, int, datetime | None]] = list(
        PrebuildEvent.objects.filter(scope.of("template"), claim | miss)
        .order_by()
        .values("template", "preset_name")
        .annotate(
            claims=Count("id", filter=claim & recent),
            misses=Count("id", filter=miss & recent),
            last_claim=Max(F("created_at"), filter=claim),
        )
        .values_list("template", "preset_name", "claims", "misses", "last_claim")
    )
    return {
        (str(template), name): Demand(claims, misses, last) for template, name, claims, misses, last in rows
    }
