"""What pools looked like over time: a row whenever a pool's counts change, and once a day.

The leader records what it sees at each pass. Losing a row costs a step in a chart, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from prebuilds.loader import Scope
from prebuilds.models import PoolSample
from prebuilds.snapshot import Preset, PresetSnapshot
from prebuilds.state import State

# Longer than the longest chart by the longest silence between two samples of a pool.
KEPT = timedelta(days=9)
SILENCE = timedelta(days=1)
# A pool whose last sample is older than this is none.
_RECENT = SILENCE + timedelta(hours=1)
PER_POOL = 400
_FIELDS = ("at", "desired", "ready", "unready", "expired", "starting", "deleting")


class PoolKey(NamedTuple):
    """A pool as people know it, over all versions of its template."""

    organization_id: str
    template_id: str
    preset_name: str


@dataclass(frozen=True, slots=True)
class Counts:
    """One pool at one instant; `unready` run without a ready agent."""

    desired: int = 0
    ready: int = 0
    unready: int = 0
    expired: int = 0
    starting: int = 0
    deleting: int = 0

    @property
    def building(self) -> int:
        """On the way: builds under way and agents that start."""
        return self.starting + self.unready


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts that hold from `at` on, until the next sample."""

    at: datetime
    counts: Counts


def counted(state: State) -> Counts:
    """The counts of a pool in a chart's terms."""
    return Counts(
        desired=state.desired,
        ready=state.eligible,
        unready=state.actual - state.expired - state.eligible,
        expired=state.expired,
        starting=state.starting,
        deleting=state.deleting,
    )


def key_of(preset: Preset) -> PoolKey:
    """The pool that a preset of an active version keeps."""
    return PoolKey(preset.organization_id, preset.template_id, preset.name)


def record_samples(
    parts: Iterable[tuple[PresetSnapshot, State]],
    known: MutableMapping[PoolKey, Sample],
    scope: Scope,
    now: datetime,
) -> int:
    """Write what changed since the samples in `known`, which is updated; returns how many rows that were.

    What `known` lacks is read, once. A pool within `scope` that is not among `parts` any more ended: it has a
    last, empty sample.
    """
    seen = {
        key_of(part.preset): counted(state)
        for part, state in parts
        if part.preset.using_active_version and not part.preset.deleted
    }
    _recall(seen, known, scope, now)
    changed = {
        key: Sample(now, counts)
        for key, counts in seen.items()
        if (before := known.get(key)) is None or before.counts != counts or now - before.at >= SILENCE
    }
    ended = [key for key in known if key not in seen and _covers(scope, key)]
    changed |= {key: Sample(now, Counts()) for key in ended}
    PoolSample.objects.bulk_create(
        [
            PoolSample(
                at=now,
                organization_id=key.organization_id,
                template_id=key.template_id,
                preset_name=key.preset_name,
                **dict(zip(_FIELDS[1:], astuple(sample.counts), strict=True)),
            )
            for key, sample in changed.items()
        ],
        batch_size=500,
    )
    known.update(changed)
    for key in ended:
        del known[key]
    return len(changed)


def _recall(
    seen: Mapping[PoolKey, Counts], known: MutableMapping[PoolKey, Sample], scope: Scope, now: datetime
) -> None:
    """Add to `known` the last samples of pools it lacks, in one statement: of all within `scope` when it is
    empty (a single pass, or a loop's first one), so that those which ended meanwhile are among them."""
    new = seen.keys() - known.keys()
    if known and not new:
        return
    rows = PoolSample.objects.filter(scope.of("template"), at__gt=now - _RECENT)
    if known:
        rows = rows.filter(template__in={key.template_id for key in new})
    newest = Window(
        RowNumber(),
        partition_by=("organization", "template", "preset_name"),
        order_by=(F("at").desc(), F("id").desc()),
    )
    found = rows.annotate(rank=newest).filter(rank=1).order_by()
    for organization, template, name, at, *counts in found.values_list(
        "organization", "template", "preset_name", *_FIELDS
    ):
        key, sample = PoolKey(str(organization), str(template), name), Sample(at, Counts(*counts))
        ended = key not in seen and sample.counts == Counts()
        if key not in known and not ended:
            known[key] = sample


def _covers(scope: Scope, key: PoolKey) -> bool:
    return scope.template_ids is None or UUID(key.template_id) in scope.template_ids


def purge_samples(now: datetime) -> int:
    """Delete the samples that no chart shows any more; returns how many."""
    deleted, _ = PoolSample.objects.filter(at__lt=now - KEPT).delete()
    return deleted


def pool_histories(
    pools: Iterable[tuple[str, str]], since: datetime, *, limit: int = PER_POOL
) -> Mapping[tuple[str, str], list[Sample]]:
    """By (template id, preset name): the samples from the one that holds at `since` on, oldest first.

    One statement for all pools, at most the newest `limit` samples of each.
    """
    wanted = set(pools)
    if not wanted:
        return {}
    rows = (
        PoolSample.objects.filter(
            template__in={template for template, _ in wanted},
            preset_name__in={name for _, name in wanted},
            at__gt=since - _RECENT,
        )
        .annotate(rank=Window(RowNumber(), partition_by=("template", "preset_name"), order_by=F("at").desc()))
        .filter(rank__lte=limit)
        .order_by("at", "id")
        .values_list("template", "preset_name", *_FIELDS)
    )
    found: dict[tuple[str, str], list[Sample]] = {}
    for template, name, at, *counts in rows:
        history = found.setdefault((str(template), name), [])
        if at <= since:
            history.clear()
        history.append(Sample(at, Counts(*counts)))
    return {key: history for key, history in found.items() if key in wanted}
