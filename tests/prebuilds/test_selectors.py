"""What pages show of pools: sentences, failures, demand, the week; and only what the viewer may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coder_admin.foundation.errors import NotFound
from prebuilds.claim import claim
from prebuilds.selectors import pool_of, pools, preset_week
from rbac import ANONYMOUS, Subject
from tests.prebuilds import world
from tests.prebuilds.conftest import claim_request
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db


def test_a_pool_with_everything_in_it(actor: Subject) -> None:
    template = world.template()
    active = template.active_version
    preset = world.preset(active, 4, invalidate_after_secs=3600)
    Prebuild(preset, active).save()
    Prebuild(preset, active, agents=("starting",)).save()
    Prebuild(preset, active, "running").save()
    Prebuild(preset, active, age=timedelta(hours=2)).save()
    Prebuild(preset, active, "failed", age=timedelta(hours=3)).save()
    newest = Prebuild(preset, active, "failed", age=timedelta(minutes=90)).save()
    claim(claim_request(preset, world.person()))
    claim(claim_request(preset, world.person()))
    (pool,) = pools(actor)
    assert (pool.wish, pool.ready, pool.starting, pool.expired, pool.failed) == (4, 0, 2, 1, 2)
    assert pool.last_failure is not None
    assert (pool.last_failure.workspace_id, pool.last_failure.error) == (newest.pk, "the template is broken")
    assert (pool.demand.claims, pool.demand.misses, pool.demand.hit_rate) == (1, 1, 0.5)
    assert pool.demand.last_claim_at is not None
    assert pool.health == "filling"
    assert pool.sentence == "Filling: 0 ready of 4 wanted, 2 on the way."
    assert pool.resettable


def test_sentences_for_the_states_of_a_pool(actor: Subject) -> None:
    template = world.template()
    active = template.active_version
    full = world.preset(active, 1, name="a full")
    Prebuild(full, active).save()
    world.preset(active, 0, name="b idle")
    limited = world.preset(active, 1, name="c limited")
    for hours in (2, 3, 4):
        Prebuild(limited, active, "failed", age=timedelta(hours=hours)).save()
    world.preset(active, 1, name="d refused", prebuild_status="validation_failed")
    resting = world.preset(active, 1, name="e resting")
    Prebuild(resting, active, "failed", age=timedelta(seconds=5)).save()
    found = {pool.preset.name: pool for pool in pools(actor)}
    assert {name: pool.health for name, pool in found.items()} == {
        "a full": "ready",
        "b idle": "idle",
        "c limited": "failing",
        "d refused": "failing",
        "e resting": "paused",
    }
    assert found["a full"].sentence == "Full: 1 ready of 1 wanted."
    assert "repeated failures" in found["c limited"].sentence
    assert "invalid" in found["d refused"].sentence
    assert "Waiting until" in found["e resting"].sentence


def test_the_next_change_of_a_scheduled_pool(actor: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1, scheduling_timezone="Europe/Berlin")
    preset.schedules.create(cron_expression="* 9-17 * * 1-5", desired_instances=5)
    now = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)
    (pool,) = pools(actor, now=now)
    assert pool.next_change is not None
    assert (pool.next_change.at, pool.next_change.instances) == (datetime(2026, 6, 1, 7, tzinfo=UTC), 5)
    week, changes, problems = preset_week(preset, now=now, limit=3)
    assert [len(row) for row in week.hours] == [24] * 7
    assert (week.hours[0][8], week.hours[0][9], week.hours[5][9]) == (1, 5, 1)
    assert [change.instances for change in changes] == [5, 1, 5]
    assert problems == ()


def test_broken_schedules_are_told_on_the_presets_page(actor: Subject) -> None:
    preset = world.preset(world.template().active_version, 2, scheduling_timezone="Mars/Olympus")
    preset.schedules.create(cron_expression="* * * * *", desired_instances=5)
    week, changes, problems = preset_week(preset)
    assert set(week.hours[0]) == {2}
    assert changes == []
    assert "Mars/Olympus" in problems[0]
    assert "base size 2 applies" in pools(actor)[0].sentence


def test_viewers_see_only_the_pools_of_templates_they_may_read(actor: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    assert len(pools(actor)) == 1
    assert pools(ANONYMOUS) == []
    assert pool_of(actor, preset) is not None
    with pytest.raises(NotFound):
        pool_of(ANONYMOUS, preset)


def test_a_preset_of_an_old_version_says_that_it_keeps_no_pool(actor: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    Prebuild(preset, template.active_version).save()
    world.promote(template, world.version(template, "v2"))
    assert pools(actor) == []
    found = pool_of(actor, preset)
    assert found is not None
    assert found.sentence == "No pool is kept for this version."


def test_the_list_costs_the_same_whatever_the_number_of_pools(actor: Subject) -> None:
    counts = []
    for number in range(3):
        template = world.template(f"t{number}")
        preset = world.preset(template.active_version)
        Prebuild(preset, template.active_version, "failed").save()
        with CaptureQueriesContext(connection) as queries:
            assert len(pools(actor, now=timezone.now())) == number + 1
        counts.append(len(queries))
    assert len(set(counts)) == 1
