"""The series of a scrape: exact names and values, from a cache that no scrape fills."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from prebuilds.metrics import CACHE, MetricsRefresher, register_collectors
from prebuilds.models import PrebuildEvent
from prebuilds.services import settings_update
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db

LABELS = {"template_name": "docker", "preset_name": "large", "organization_name": "coder"}
P = "coderd_prebuilt_workspaces_"


@pytest.fixture(autouse=True)
def _empty_cache() -> Any:
    CACHE.state = None
    yield
    CACHE.state = None


def scrape() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    registry = CollectorRegistry()
    register_collectors(registry)
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float | None:
    return scrape().get((name, frozenset(labels.items())))


def test_before_the_first_refresh_only_the_deployment_is_told() -> None:
    assert value(f"{P}metrics_last_updated") == 0
    assert value(f"{P}reconciliation_paused") == 0
    assert value(f"{P}desired", **LABELS) is None


def test_every_series_of_a_pool(actor: Subject) -> None:
    template = world.template()
    active = template.active_version
    preset = world.preset(active, 4, invalidate_after_secs=3600)
    Prebuild(preset, active).save()
    Prebuild(preset, active, agents=("starting",)).save()
    Prebuild(preset, active, age=timedelta(hours=2)).save()
    Prebuild(preset, active, "failed").save()
    claimed = Prebuild(preset, active, owner=world.person().id).save()
    build = world.add_build(claimed, active, preset, initiator=world.person().id)
    build.prebuild_stage = "claim"
    build.save()
    build.job.completed_at = build.job.started_at + timedelta(seconds=7)
    build.job.save()
    for kind in ("miss", "miss", "replacement"):
        PrebuildEvent.objects.create(
            kind=kind,
            organization=template.organization,
            template=template,
            preset=preset,
            preset_name="large",
        )
    settings_update(actor=actor, reconciliation_paused=True)
    before = time.time()
    CACHE.refresh()
    with CaptureQueriesContext(connection) as queries:
        found = scrape()
    assert len(queries) == 0
    expected = {
        "desired": 4, "running": 3, "eligible": 1, "preset_hard_limited": 0, "preset_validation_failed": 0,
        "created_total": 5, "failed_total": 1, "claimed_total": 1,
        "resource_replacements_total": 1, "misses_total": 2,
    }  # fmt: skip
    labels = frozenset(LABELS.items())
    assert {name: found[(f"{P}{name}", labels)] for name in expected} == expected
    assert found[(f"{P}reconciliation_paused", frozenset())] == 1
    assert found[(f"{P}metrics_last_updated", frozenset())] >= before - 1
    claim = "coderd_prebuilt_workspace_claim_duration_seconds"
    buckets = {dict(key[1])["le"]: count for key, count in found.items() if key[0] == f"{claim}_bucket"}
    assert {bound for bound, count in buckets.items() if count == 0} == {"1.0", "5.0"}
    assert buckets["10.0"] == buckets["+Inf"] == found[(f"{claim}_count", labels)] == 1
    assert found[(f"{claim}_sum", labels)] == 7
    prebuild = frozenset({**LABELS, "type": "prebuild"}.items())
    assert found[("coderd_workspace_creation_duration_seconds_count", prebuild)] == 4


def test_conditions_are_one_while_they_last() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    world.preset(template.active_version, 1, name="refused", prebuild_status="validation_failed")
    for _ in range(3):
        Prebuild(preset, template.active_version, "failed").save()
    CACHE.refresh()
    assert value(f"{P}preset_hard_limited", **LABELS) == 1
    assert value(f"{P}preset_validation_failed", **LABELS) == 0
    refused = {**LABELS, "preset_name": "refused"}
    assert value(f"{P}preset_hard_limited", **refused) == 0
    assert value(f"{P}preset_validation_failed", **refused) == 1


def test_versions_share_one_series_and_deleted_templates_have_none() -> None:
    template = world.template()
    old = world.preset(template.active_version, 1)
    Prebuild(old, template.active_version).save()
    new = world.promote(template, world.version(template, "v2"))
    Prebuild(world.preset(new, 3), new).save()
    CACHE.refresh()
    assert value(f"{P}created_total", **LABELS) == 2
    assert value(f"{P}desired", **LABELS) == 3
    assert value(f"{P}running", **LABELS) == 1
    world.Template.objects.filter(pk=template.pk).update(deleted=True)
    CACHE.refresh()
    assert value(f"{P}created_total", **LABELS) is None
    assert value(f"{P}desired", **LABELS) is None


def test_deprecated_pools_show_that_nothing_is_wanted() -> None:
    template = world.template(deprecation_message="use another")
    world.preset(template.active_version, 3)
    CACHE.refresh()
    assert (value(f"{P}desired", **LABELS), value(f"{P}eligible", **LABELS)) == (0, 0)


def test_a_refresh_costs_the_same_whatever_the_number_of_pools() -> None:
    counts = []
    for number in range(3):
        template = world.template(f"t{number}")
        Prebuild(world.preset(template.active_version), template.active_version).save()
        with CaptureQueriesContext(connection) as queries:
            CACHE.refresh()
        counts.append(len(queries))
    assert len(set(counts)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_refresher_fills_the_cache_at_once_and_ends() -> None:
    world.preset(world.template().active_version, 3)
    refresher = MetricsRefresher()
    refresher.start()
    deadline = time.monotonic() + 10
    while CACHE.state is None and time.monotonic() < deadline:
        time.sleep(0.01)
    refresher.stop()
    refresher.stop()
    assert value(f"{P}desired", **LABELS) == 3
