"""What the leader records of the pools, and what charts read of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from prebuilds.history import demand_events, version_records
from prebuilds.loader import Scope
from prebuilds.models import PoolSample, PrebuildEvent
from prebuilds.passes import Memory, reconcile_once
from prebuilds.samples import KEPT, Counts, Sample, pool_histories
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db


def stored() -> list[tuple[int, int, int]]:
    return list(PoolSample.objects.order_by("at", "id").values_list("desired", "ready", "starting"))


def test_a_pool_is_recorded_when_it_changes_and_once_a_day() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 2)
    Prebuild(preset, template.active_version).save()
    memory, now = Memory(), timezone.now()
    reconcile_once(now, memory=memory)
    assert stored() == [(2, 1, 0)]
    reconcile_once(now + timedelta(minutes=1), memory=memory)
    reconcile_once(now + timedelta(minutes=2), memory=memory)
    assert stored() == [(2, 1, 0), (2, 1, 1)]
    reconcile_once(now + timedelta(days=2), memory=memory)
    assert stored()[2:] == [(2, 1, 1)]


def test_a_pass_that_remembers_nothing_goes_on_where_the_last_one_ended() -> None:
    """`reconcile_prebuilds --once` from cron, or the first pass after a restart."""
    template = world.template()
    pools = [world.preset(template.active_version, 0, name=name) for name in ("one", "two", "three")]
    now = timezone.now()
    reconcile_once(now)
    assert len(stored()) == 3
    reconcile_once(now + timedelta(minutes=1))
    Prebuild(pools[0], template.active_version).save()
    with CaptureQueriesContext(connection) as queries:
        reconcile_once(now + timedelta(minutes=2))
    assert stored()[3:] == [(0, 1, 0)]
    assert sum("prebuilds_poolsample" in query["sql"] for query in queries) == 3  # read, written, purged
    reconcile_once(now + timedelta(days=1, minutes=2))
    assert len(stored()) == 3 + 1 + 3


def test_a_pool_that_ended_between_passes_without_memory_ends_once() -> None:
    template = world.template()
    world.preset(template.active_version, 0)
    now = timezone.now()
    reconcile_once(now)
    PoolSample.objects.update(ready=3)
    world.promote(template, world.version(template, "v2"))
    for minutes in (1, 2, 3):
        reconcile_once(now + timedelta(minutes=minutes))
    assert stored() == [(0, 3, 0), (0, 0, 0)]


def test_a_pass_over_one_template_leaves_the_other_pools_alone() -> None:
    one, other = world.template("one"), world.template("other")
    for template in (one, other):
        world.preset(template.active_version, 0)
    now = timezone.now()
    reconcile_once(now)
    PoolSample.objects.filter(template=one).update(ready=3)
    memory = Memory()
    reconcile_once(now + timedelta(minutes=1), scope=Scope(frozenset({one.id})), memory=memory)
    reconcile_once(now + timedelta(minutes=2), memory=memory)
    assert PoolSample.objects.filter(template=one).count() == 2
    assert PoolSample.objects.filter(template=other).count() == 1


def test_a_pool_that_ends_has_a_last_empty_sample() -> None:
    template = world.template()
    world.preset(template.active_version, 0)
    memory, now = Memory(), timezone.now()
    reconcile_once(now, memory=memory)
    PoolSample.objects.update(ready=3)
    world.promote(template, world.version(template, "v2"))
    reconcile_once(now + timedelta(minutes=1), memory=memory)
    assert stored() == [(0, 3, 0), (0, 0, 0)]
    reconcile_once(now + timedelta(minutes=2), memory=memory)
    assert len(stored()) == 2


def test_old_samples_go_once_no_chart_shows_them() -> None:
    world.preset(world.template().active_version, 0)
    now = timezone.now()
    reconcile_once(now - KEPT - timedelta(hours=1))
    reconcile_once(now - timedelta(days=1))
    reconcile_once(now)
    assert [at.date() for at in PoolSample.objects.values_list("at", flat=True)] == [
        (now - timedelta(days=1)).date(),
        now.date(),
    ]


def test_a_history_begins_with_what_held_at_its_start() -> None:
    template = world.template()
    now = timezone.now()
    since = now - timedelta(hours=24)
    for name, hours, ready in (
        ("a", 48, 9),
        ("a", 30, 1),
        ("a", 25, 2),
        ("a", 3, 3),
        ("b", 1, 4),
        ("c", 1, 5),
    ):
        PoolSample.objects.create(
            at=now - timedelta(hours=hours), organization=template.organization, template=template,
            preset_name=name, desired=0, ready=ready, unready=0, expired=0, starting=0, deleting=0,
        )  # fmt: skip
    key = str(template.id)
    with CaptureQueriesContext(connection) as queries:
        found = pool_histories([(key, "a"), (key, "b"), (key, "none")], since)
    assert len(queries) == 1
    assert found[(key, "a")] == [
        Sample(now - timedelta(hours=25), Counts(ready=2)),
        Sample(now - timedelta(hours=3), Counts(ready=3)),
    ]
    assert [sample.counts.ready for sample in found[(key, "b")]] == [4]
    assert set(found) == {(key, "a"), (key, "b")}
    newest = pool_histories([(key, "a")], since, limit=1)
    assert [sample.counts.ready for sample in newest[(key, "a")]] == [3]
    assert pool_histories([], since) == {}


def test_versions_and_demands_of_one_pool() -> None:
    template = world.template()
    old = template.active_version
    first, other = world.preset(old, 1), world.preset(old, 1, name="other")
    Prebuild(first, old, "failed", age=timedelta(hours=3)).save()
    Prebuild(first, old, owner=world.person().id, age=timedelta(hours=3)).save()
    Prebuild(other, old).save()
    new = world.promote(template, world.version(template, "v2"))
    Prebuild(world.preset(new, 1), new).save()
    records = [
        (row.version_name, row.created, row.failed, row.claimed)
        for row in version_records(template.id, "large")
    ]
    assert records == [("v2", 1, 0, 0), ("v1", 2, 1, 1)]
    now = timezone.now()
    for kind, hours in (("claim", 1), ("miss", 2), ("reset", 1), ("claim", 30)):
        PrebuildEvent.objects.create(
            kind=kind, created_at=now - timedelta(hours=hours), organization=template.organization,
            template=template, preset_name="large", waited=timedelta(seconds=hours),
        )  # fmt: skip
    demands = demand_events(template.id, "large", now - timedelta(hours=24))
    assert [(row.is_miss, row.waited) for row in demands] == [(True, 2.0), (False, 1.0)]
