"""Pools of the templates that a viewer may read, as cards; a fixed number of queries."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from django.db.models import Count
from django.urls import reverse

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.dashboard.charts import Happening, Timeline, spark, timeline
from coder_admin.dashboard.pools import Names, PoolCard, pool_card
from prebuilds import querying
from prebuilds.history import demand_events
from prebuilds.samples import pool_histories
from prebuilds.selectors import PoolStatus, pool_of, pools
from prebuilds.settings import reconciliation_paused
from rbac.model import Subject

PREBUILDS_OWNER = "prebuilds"
SPARK_WINDOW = timedelta(hours=24)
MAX_SAMPLES = 2000
Labels = Mapping[str, Mapping[str, str]]


def pool_cards(
    viewer: Subject, now: datetime, *, organization: str = "", template_id: uuid.UUID | None = None
) -> list[PoolCard]:
    """Cards of all pools of active versions that the viewer may see, worst first."""
    labels = _labels(viewer, organization, template_id)
    if not labels:
        return []
    found = pools(viewer, template_ids=[uuid.UUID(key) for key in labels], now=now)
    several = len({row["organization__name"] for row in labels.values()}) > 1
    return sorted(_cards(found, labels, several=several), key=lambda card: card.badness)


def with_sparks(cards: Sequence[PoolCard], now: datetime) -> list[PoolCard]:
    """The cards with their lines of the last 24 hours; one query for all of them."""
    since = now - SPARK_WINDOW
    histories = pool_histories({(card.template_id, card.name) for card in cards}, since)
    return [
        replace(card, spark=spark(histories.get((card.template_id, card.name), []), since, now))
        for card in cards
    ]


def preset_timeline(
    template_id: uuid.UUID, preset_name: str, now: datetime, hours: int, zone: tzinfo
) -> Timeline | None:
    """The pool of a template that the viewer may read, over the last hours; two queries."""
    since = now - timedelta(hours=hours)
    key = (str(template_id), preset_name)
    samples = pool_histories([key], since, limit=MAX_SAMPLES).get(key, [])
    demands = demand_events(template_id, preset_name, since)
    happenings = [Happening(row.at, row.is_miss, row.waited) for row in demands]
    slot = timedelta(hours=1 if hours <= 24 else 6)
    return timeline(samples, happenings, since, now, slot=slot, zone=zone)


def preset_card(viewer: Subject, preset: TemplateVersionPreset, now: datetime) -> PoolCard | None:
    """The card of one preset of any version; None when it keeps no pool."""
    found = pool_of(viewer, preset, now=now)
    template = preset.template_version.template
    if found is None or template is None:
        return None
    return next(iter(_cards([found], _labels(viewer, "", template.pk), several=False)), None)


def _labels(viewer: Subject, organization: str, template_id: uuid.UUID | None) -> Labels:
    rows = Template.objects.live().visible_to(viewer)
    if organization:
        rows = rows.filter(organization__name=organization)
    if template_id is not None:
        rows = rows.filter(pk=template_id)
    fields = ("pk", "name", "display_name", "organization__name", "organization__display_name")
    return {str(row["pk"]): row for row in rows.order_by().values(*fields)}


def _cards(found: Iterable[PoolStatus], labels: Labels, *, several: bool) -> Iterable[PoolCard]:
    paused = reconciliation_paused()
    for pool in found:
        failure = pool.last_failure
        place = (PREBUILDS_OWNER, failure.workspace_name, failure.build_number) if failure else None
        yield pool_card(
            pool,
            _names(pool, labels[pool.preset.template_id], several=several),
            paused=paused,
            error_url=reverse("dashboard:build", args=place) if place else "",
        )


def _names(pool: PoolStatus, row: Mapping[str, str], *, several: bool) -> Names:
    preset = pool.preset
    place = (preset.organization_name, preset.template_name)
    return Names(
        name=preset.name,
        url=reverse("dashboard:preset", args=(*place, uuid.UUID(preset.id))),
        template_label=row["display_name"] or row["name"],
        template_url=reverse("dashboard:template", args=place),
        version_name=preset.template_version_name,
        organization_label=(row["organization__display_name"] or row["organization__name"])
        if several
        else "",
    )


def ready_counts(version_id: uuid.UUID) -> dict[uuid.UUID, int]:
    """Prebuilds that could be claimed now, for each preset of a version."""
    rows = (
        querying.with_current_preset(querying.running().filter(querying.ready()))
        .filter(latest_build__template_version=version_id)
        .order_by()
        .values("current_preset")
        .annotate(ready=Count("pk"))
    )
    return {row["current_preset"]: row["ready"] for row in rows if row["current_preset"]}


def preset_of(template: Template, preset_id: uuid.UUID) -> TemplateVersionPreset | None:
    """A preset of any version of a template that was read before."""
    return (
        TemplateVersionPreset.objects.filter(pk=preset_id, template_version__template=template)
        .select_related("template_version__template__organization")
        .prefetch_related("parameters", "schedules")
        .first()
    )
