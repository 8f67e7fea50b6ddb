"""What the metrics say, read from the database in a fixed number of statements (reference section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import (
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Sum,
)

from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobStatus
from coder_admin.workspaces.choices import PrebuildStage, Transition
from coder_admin.workspaces.models import WorkspaceBuild
from prebuilds.loader import configured, load_snapshot
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.settings import reconciliation_paused
from prebuilds.snapshot import PrebuildStatus, Snapshot
from prebuilds.state import State, calculate_state

CLAIM_BUCKETS = (1, 5, 10, 20, 30, 60, 120, 180, 240, 300)
CREATION_BUCKETS = (1, 10, 30, 60, 300, 600, 1800, 3600)
# Ours, finer than the build's: a good claim takes a second, and that is what people feel.
WAIT_BUCKETS = (0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Pool(NamedTuple):
    """The names that people and alerts know a pool by; versions of a template share them."""

    template_name: str
    preset_name: str
    organization_name: str


@dataclass(frozen=True, slots=True)
class Gauges:
    """One pool now."""

    state: State
    hard_limited: bool
    validation_failed: bool


@dataclass(frozen=True, slots=True)
class Counters:
    """One pool since its template exists."""

    created: int = 0
    failed: int = 0
    claimed: int = 0


@dataclass(frozen=True, slots=True)
class Durations:
    """A cumulative histogram: how many took at most each bound, how many in all, seconds together."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class MetricsState:
    """Everything a scrape says about the pools."""

    updated_at: datetime
    paused: bool
    gauges: Mapping[Pool, Gauges]
    counters: Mapping[Pool, Counters]
    misses: Mapping[Pool, int]
    replacements: Mapping[Pool, int]
    claim_build: Mapping[Pool, Durations]
    claim_wait: Mapping[Pool, Durations]
    creation: Mapping[tuple[Pool, str], Durations]
    outcomes: Mapping[tuple[Pool, str], int]


def load_metrics(now: datetime) -> MetricsState:
    """Read the state that scrapes will show until the next refresh."""
    config = configured()
    return MetricsState(
        updated_at=now,
        paused=reconciliation_paused(),
        gauges=pool_gauges(load_snapshot(now, config), now),
        counters=dict(_counters()),
        misses=_events(PrebuildEventKind.MISS),
        replacements=_events(PrebuildEventKind.REPLACEMENT),
        claim_build=dict(_histograms(_claims(), "job__started_at", CLAIM_BUCKETS)),
        claim_wait=dict(_histograms(_claims(), "created_at", WAIT_BUCKETS)),
        creation=_creation(),
        outcomes=dict(_outcomes()),
    )


def pool_gauges(snapshot: Snapshot, now: datetime) -> dict[Pool, Gauges]:
    """The pools of active versions of templates that exist; deprecated ones want and offer nothing."""
    gauges: dict[Pool, Gauges] = {}
    for preset in snapshot.presets:
        if not preset.using_active_version or preset.deleted:
            continue
        part = snapshot.for_preset(preset, now)
        key = Pool(preset.template_name, preset.name, preset.organization_name)
        gauges[key] = Gauges(
            state=calculate_state(part, now),
            hard_limited=part.hard_limited,
            validation_failed=preset.prebuild_status is PrebuildStatus.VALIDATION_FAILED,
        )
    return gauges


_NAMES = (
    "workspace__template__name",
    "template_version_preset__name",
    "workspace__organization__name",
)


def _all_builds() -> QuerySet[WorkspaceBuild]:
    return WorkspaceBuild.objects.filter(workspace__template__deleted=False).order_by()


def _builds() -> QuerySet[WorkspaceBuild]:
    return _all_builds().filter(template_version_preset__isnull=False)


def _counters() -> Iterable[tuple[Pool, Counters]]:
    rows = (
        _builds()
        .filter(build_number=1, initiator=PREBUILDS_USER_ID)
        .values(*_NAMES)
        .annotate(
            created=Count("id"),
            failed=Count("id", filter=Q(job__job_status=JobStatus.FAILED)),
            claimed=Count("id", filter=~Q(workspace__owner=PREBUILDS_USER_ID)),
        )
        .values_list(*_NAMES, "created", "failed", "claimed")
    )
    for template, preset, organization, *counts in rows:
        yield Pool(template, preset, organization), Counters(*counts)


def _events(kind: PrebuildEventKind) -> dict[Pool, int]:
    rows = (
        PrebuildEvent.objects.filter(kind=kind, template__deleted=False)
        .order_by()
        .values("template__name", "preset_name", "organization__name")
        .annotate(count=Count("id"))
        .values_list("template__name", "preset_name", "organization__name", "count")
    )
    return {Pool(template, preset, organization): count for template, preset, organization, count in rows}


def _claims() -> QuerySet[WorkspaceBuild]:
    return _builds().filter(prebuild_stage=PrebuildStage.CLAIM)


def _first_builds() -> QuerySet[WorkspaceBuild]:
    return _all_builds().filter(build_number=1, transition=Transition.START)


def _creation() -> dict[tuple[Pool, str], Durations]:
    """First builds by kind: a prebuild's creation is one too. Without a preset the preset's name is empty."""
    by_prebuilds = Q(initiator=PREBUILDS_USER_ID)
    kinds = {
        "prebuild": _first_builds().filter(by_prebuilds),
        "regular": _first_builds().exclude(by_prebuilds),
    }
    return {
        (pool, kind): durations
        for kind, builds in kinds.items()
        for pool, durations in _histograms(builds, "job__started_at", CREATION_BUCKETS)
    }


def _outcomes() -> Iterable[tuple[tuple[Pool, str], int]]:
    """First builds of ordinary workspaces that succeeded or failed."""
    rows = (
        _first_builds()
        .exclude(initiator=PREBUILDS_USER_ID)
        .values(*_NAMES)
        .annotate(
            succeeded=Count("id", filter=Q(job__job_status=JobStatus.SUCCEEDED)),
            failed=Count("id", filter=Q(job__job_status=JobStatus.FAILED)),
        )
        .values_list(*_NAMES, "succeeded", "failed")
    )
    for template, preset, organization, succeeded, failed in rows:
        pool = Pool(template, preset or "", organization)
        yield (pool, "success"), succeeded
        yield (pool, "failure"), failed


def _histograms(
    builds: QuerySet[WorkspaceBuild], begin: str, bounds: tuple[float, ...]
) -> Iterable[tuple[Pool, Durations]]:
    """How long successful builds took from `begin` to the end of their job, by pool."""
    begun = ExpressionWrapper(F(begin), output_field=DateTimeField())
    took = ExpressionWrapper(F("job__completed_at") - begun, output_field=DurationField())
    within = {
        f"within_{n}": Count("id", filter=Q(took__lte=timedelta(seconds=bound)))
        for n, bound in enumerate(bounds)
    }
    rows = (
        builds.filter(job__job_status=JobStatus.SUCCEEDED, **{f"{begin}__isnull": False})
        .annotate(took=took)
        .values(*_NAMES)
        .annotate(total=Count("id"), sum=Sum("took"), **within)
        .values_list(*_NAMES, "total", "sum", *within)
    )
    for template, preset, organization, total, together, *counts in rows:
        yield (
            Pool(template, preset or "", organization),
            Durations(bounds, tuple(counts), total, together.total_seconds()),
        )
