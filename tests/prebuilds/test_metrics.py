"""The series of a scrape: exact names and values, from a cache that no scrape fills."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from coder_admin.catalog.models import Template
from prebuilds import metrics
from prebuilds.consistent import time_limit
from prebuilds.metrics import CACHE, PASS_RESULTS, WAKE_UPS, MetricsRefresher, register_collectors
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
    CACHE.clear()
    yield
    CACHE.clear()


def scrape() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    registry = CollectorRegistry()
    register_collectors(registry)
    text = (CACHE.text() + generate_latest(registry)).decode()
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
    assert build.job.started_at is not None
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


POOL = set(LABELS)
# Section 6.1: name, type, labels.
SERIES = {
    "coderd_prebuilt_workspaces_created": ("counter", POOL),
    "coderd_prebuilt_workspaces_failed": ("counter", POOL),
    "coderd_prebuilt_workspaces_claimed": ("counter", POOL),
    "coderd_prebuilt_workspaces_resource_replacements": ("counter", POOL),
    "coderd_prebuilt_workspaces_misses": ("counter", POOL),
    "coderd_prebuilt_workspaces_desired": ("gauge", POOL),
    "coderd_prebuilt_workspaces_running": ("gauge", POOL),
    "coderd_prebuilt_workspaces_eligible": ("gauge", POOL),
    "coderd_prebuilt_workspaces_preset_hard_limited": ("gauge", POOL),
    "coderd_prebuilt_workspaces_preset_validation_failed": ("gauge", POOL),
    "coderd_prebuilt_workspaces_metrics_last_updated": ("gauge", set()),
    "coderd_prebuilt_workspaces_reconciliation_paused": ("gauge", set()),
    "coderd_prebuilds_reconciliation_duration_seconds": ("histogram", set()),
    "coderd_prebuilds_reconciliation_wakeups": ("counter", {"cause"}),
    "coderd_prebuilds_reconciliation_passes": ("counter", {"result"}),
    "coderd_prebuilt_workspace_claim_duration_seconds": ("histogram", POOL),
    "coderd_prebuilt_workspace_claim_wait_seconds": ("histogram", POOL),
    "coderd_workspace_creation_duration_seconds": ("histogram", POOL | {"type"}),
    "coderd_provisionerd_workspace_creation_outcomes": ("counter", POOL | {"status"}),
}
BUCKETS = {
    "coderd_prebuilds_reconciliation_duration_seconds": (
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
    ),
    "coderd_prebuilt_workspace_claim_duration_seconds": (1, 5, 10, 20, 30, 60, 120, 180, 240, 300),
    "coderd_workspace_creation_duration_seconds": (1, 10, 30, 60, 300, 600, 1800, 3600),
}  # fmt: skip


def test_the_series_have_the_names_types_labels_and_buckets_of_the_reference() -> None:
    template = world.template()
    active = template.active_version
    preset = world.preset(active, 1)
    claimed = Prebuild(preset, active, owner=world.person().id).save()
    build = world.add_build(claimed, active, preset, initiator=world.person().id)
    type(build).objects.filter(pk=build.pk).update(prebuild_stage="claim")
    for kind in ("miss", "replacement"):
        PrebuildEvent.objects.create(
            kind=kind, organization=template.organization, template=template, preset_name="large"
        )
    ann = world.person().id
    Prebuild(None, active, owner=ann, initiator=ann).save()
    Prebuild(preset, active, "failed", owner=ann, initiator=ann).save()
    CACHE.refresh()
    WAKE_UPS.labels("event").inc(0)
    PASS_RESULTS.labels("done").inc(0)
    registry = CollectorRegistry()
    register_collectors(registry)
    text = (CACHE.text() + generate_latest(registry)).decode()
    families = list(text_string_to_metric_families(text))
    assert sorted(family.name for family in families) == sorted(SERIES)  # each once
    for family in families:
        kind, labels = SERIES[family.name]
        assert family.type == kind
        assert len(family.documentation) > 10
        assert {name for sample in family.samples for name in sample.labels} - {"le"} == labels
        if family.name in BUCKETS:
            bounds = {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
            assert bounds == {*BUCKETS[family.name], float("inf")}
    outcomes = "coderd_provisionerd_workspace_creation_outcomes_total"
    assert value(outcomes, **LABELS, status="failure") == 1
    assert value(outcomes, **{**LABELS, "preset_name": ""}, status="success") == 1


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
    Template.objects.filter(pk=template.pk).update(deleted=True)
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


@pytest.mark.django_db(transaction=True)
def test_the_first_scrape_of_a_server_by_itself_keeps_the_cache_fresh(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_OPEN = settings.METRICS_REFRESHED_ON_DEMAND = True
    monkeypatch.setattr(CACHE, "is_kept", False)
    started: list[MetricsRefresher] = []
    start = MetricsRefresher.start

    def start_and_tell(refresher: MetricsRefresher) -> None:
        started.append(refresher)
        start(refresher)

    monkeypatch.setattr(MetricsRefresher, "start", start_and_tell)
    world.preset(world.template().active_version, 3)
    try:
        assert client.get("/metrics").status_code == 200
        deadline = time.monotonic() + 10
        while CACHE.state is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert f"{P}desired{{" in client.get("/metrics").content.decode()
    finally:
        for refresher in started:
            refresher.stop()
    assert len(started) == 1


@pytest.mark.django_db(transaction=True)
def test_a_refresh_that_takes_too_long_ends_and_keeps_the_old_state(monkeypatch: pytest.MonkeyPatch) -> None:
    CACHE.refresh()
    before = CACHE.state
    monkeypatch.setattr(metrics, "REFRESH_LIMIT_SECONDS", 0.2)
    slow = (
        "SELECT pg_sleep(20)"
        if connection.vendor == "postgresql"
        else "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1e9)"
        " SELECT SUM(x) FROM n"
    )

    def load(now: datetime) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(slow)

    monkeypatch.setattr(metrics, "load_metrics", load)
    begun = time.monotonic()
    with pytest.raises(OperationalError):
        CACHE.refresh()
    assert time.monotonic() - begun < 10
    assert CACHE.state is before
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the connection works on


def test_no_statement_is_begun_after_the_limit() -> None:
    with pytest.raises(TimeoutError, match="longer than 0"), time_limit(0.0), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
