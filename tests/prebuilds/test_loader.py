"""The snapshot from real rows: each query's exact conditions, and the number of statements."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.workspaces.models import Workspace, WorkspaceAgent
from prebuilds.loader import Scope, load_snapshot
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.snapshot import Config, Snapshot
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db

CONFIG = Config()


def load(**config: object) -> Snapshot:
    return load_snapshot(timezone.now(), Config(**config))  # type: ignore[arg-type]


def test_a_preset_is_read_with_its_names_and_settings() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 3, scheduling_timezone="UTC", invalidate_after_secs=3600)
    world.preset(template.active_version, None, name="no pool")
    preset.schedules.create(cron_expression="* 9 * * *", desired_instances=7, position=1)
    preset.schedules.create(cron_expression="* 8 * * *", desired_instances=6, position=0)
    snapshot = load()
    (seen,) = snapshot.presets
    assert (seen.id, seen.name, seen.template_name, seen.template_version_name, seen.organization_name) == (
        str(preset.id), "large", "docker", "v1", "coder"
    )  # fmt: skip
    assert seen.is_active
    assert (seen.desired_instances, seen.ttl_seconds, seen.scheduling_timezone) == (3, 3600, "UTC")
    assert [(row.cron_expression, row.desired_instances) for row in snapshot.schedules] == [
        ("* 8 * * *", 6),
        ("* 9 * * *", 7),
    ]


def test_dead_versions_are_read_only_while_something_is_left_of_them() -> None:
    template = world.template()
    old = template.active_version
    left, empty = world.preset(old, 1, name="left"), world.preset(old, 1, name="empty")
    prebuild = Prebuild(left, old).save()
    Prebuild(empty, old, owner=world.person().id).save()
    world.promote(template, world.version(template, "v2"))
    assert [preset.name for preset in load().presets] == ["left"]
    assert not load().presets[0].using_active_version
    Workspace.objects.filter(pk=prebuild.pk).update(deleted=True)
    assert load().presets == ()


@pytest.mark.parametrize("change", [{"deleted": True}, {"deprecation_message": "use another"}])
def test_deleted_and_deprecated_templates_are_read_while_prebuilds_are_left(
    change: dict[str, object],
) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    preset.schedules.create(cron_expression="* * * * *", desired_instances=7)
    Prebuild(preset, template.active_version).save()
    Template.objects.filter(pk=template.pk).update(**change)
    snapshot = load()
    assert len(snapshot.running) == 1
    assert [seen.is_active for seen in snapshot.presets] == [False]
    assert snapshot.schedules == ()


@pytest.mark.parametrize(
    ("agents", "ready"),
    [
        ((), False),
        (("ready",), True),
        (("ready", "ready"), True),
        (("ready", "starting"), False),
        (("start_error",), False),
    ],
)
def test_ready_means_every_agent_and_at_least_one(agents: tuple[str, ...], ready: bool) -> None:
    template = world.template()
    Prebuild(world.preset(template.active_version), template.active_version, agents=agents).save()
    assert [row.ready for row in load().running] == [ready]


def test_deleted_and_sub_agents_do_not_count_for_readiness() -> None:
    template = world.template()
    row = Prebuild(world.preset(template.active_version), template.active_version).save()
    agent = WorkspaceAgent.objects.get(resource__workspace_build=row.latest_build)
    for extra in ({"deleted": True}, {"parent": agent}):
        WorkspaceAgent.objects.create(resource=agent.resource, name="x", auth_token=row.id, **extra)
    assert load().running[0].ready


@pytest.mark.parametrize("status", ["pending", "running", "failed", "canceled", "canceling"])
@pytest.mark.parametrize("transition", ["start", "stop", "delete"])
def test_only_succeeded_starts_run(status: str, transition: str) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    Prebuild(preset, template.active_version, status, transition).save()
    snapshot = load()
    assert snapshot.running == ()
    expected = [(str(preset.id), transition, 1)] if status in ("pending", "running") else []
    assert [(row.preset_id, row.transition, row.count) for row in snapshot.in_progress] == expected


def test_claimed_deleted_and_stopped_workspaces_are_not_in_the_pool() -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    Prebuild(preset, template.active_version, owner=world.person().id).save()
    Prebuild(preset, template.active_version, fields={"deleted": True}).save()
    Prebuild(preset, template.active_version, transition="stop").save()
    snapshot = load()
    assert (snapshot.running, snapshot.in_progress) == ((), ())


def test_the_current_preset_is_that_of_the_newest_start_that_names_one() -> None:
    template = world.template()
    active = template.active_version
    first, second = world.preset(active, name="first"), world.preset(active, name="second")
    row = Prebuild(first, active).save()
    world.add_build(row, active, second)
    world.add_build(row, active, first, transition="stop")
    world.add_build(row, active, None, agents=["ready"])
    assert [seen.preset_id for seen in load().running] == [str(second.id)]
    Prebuild(None, active).save()
    assert {seen.preset_id for seen in load().running} == {str(second.id), None}


def test_deletions_under_way_count_for_the_preset_of_their_workspace() -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    row = Prebuild(preset, template.active_version).save()
    world.add_build(row, template.active_version, None, transition="delete", status="running")
    assert [(seen.preset_id, seen.transition, seen.count) for seen in load().in_progress] == [
        (str(preset.id), "delete", 1)
    ]


def test_builds_of_people_and_of_inactive_versions_are_not_in_progress() -> None:
    template = world.template()
    old = template.active_version
    preset = world.preset(old)
    Prebuild(preset, old, "running", initiator=world.person().id).save()
    assert load().in_progress == ()
    Prebuild(preset, old, "running").save()
    world.promote(template, world.version(template, "v2"))
    assert load().in_progress == ()


def test_pending_first_builds_of_inactive_versions_are_counted() -> None:
    template = world.template()
    old = template.active_version
    preset = world.preset(old)
    for status in ("pending", "pending", "running", "canceled", "canceling", "succeeded"):
        Prebuild(preset, old, status).save()
    Prebuild(preset, old, "pending", transition="delete").save()
    Prebuild(preset, old, "pending", number=2).save()
    taken = Prebuild(preset, old, "pending").save()
    assert taken.latest_build is not None
    taken.latest_build.job.worker = world.worker()
    taken.latest_build.job.save()
    assert load().pending == ()
    world.promote(template, world.version(template, "v2"))
    assert [(row.preset_id, row.count) for row in load().pending] == [(str(preset.id), 2)]


def failing(preset: TemplateVersionPreset, *statuses: str, minutes: int = 1) -> None:
    """Latest builds of the pool, newest first, a minute apart."""
    for position, status in enumerate(statuses):
        age = timedelta(minutes=minutes + position)
        Prebuild(preset, preset.template_version, status, age=age).save()


def test_backoff_looks_at_the_newest_and_counts_the_whole_lookback() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 2)
    failing(preset, "succeeded", "failed", "succeeded", "failed", "failed")
    (row,) = load().backoffs
    assert (row.preset_id, row.num_failed) == (str(preset.id), 3)
    assert timezone.now() - row.last_build_at < timedelta(minutes=2, seconds=30)


def test_no_backoff_when_the_newest_builds_succeeded_or_the_failure_is_old() -> None:
    template = world.template()
    calm = world.preset(template.active_version, 2, name="calm")
    failing(calm, "succeeded", "succeeded", "failed")
    old = world.preset(template.active_version, 2, name="old")
    failing(old, "failed", minutes=61)
    assert load().backoffs == ()
    assert len(load(backoff_lookback=timedelta(hours=2)).backoffs) == 1


def test_backoff_takes_the_size_wanted_now_and_at_least_one() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 0, scheduling_timezone="UTC")
    failing(preset, "failed", "succeeded", "failed")
    assert len(load().backoffs) == 1
    calm = world.preset(template.active_version, 0, name="scheduled", scheduling_timezone="UTC")
    failing(calm, "succeeded", "succeeded", "failed")
    assert len(load().backoffs) == 1
    calm.schedules.create(cron_expression="* * * * *", desired_instances=3)
    assert len(load().backoffs) == 2


def test_the_hard_limit_wants_all_newest_builds_failed_and_enough_of_them() -> None:
    template = world.template()
    limited = world.preset(template.active_version, 1, name="limited")
    failing(limited, "failed", "failed", "failed", "succeeded", minutes=6000)
    failing(world.preset(template.active_version, 1, name="few"), "failed", "failed")
    failing(world.preset(template.active_version, 1, name="mixed"), "failed", "succeeded", "failed", "failed")
    assert load().hard_limited == {str(limited.id)}
    assert load(failure_hard_limit=0).hard_limited == frozenset()
    assert len(load(failure_hard_limit=2).hard_limited) == 2


def test_deleting_a_failed_prebuild_lifts_the_limit() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    failing(preset, "failed", "failed", "failed")
    assert load().hard_limited
    newest = Workspace.objects.order_by("-created_at").first()
    assert newest
    world.add_build(newest, template.active_version, None, transition="delete")
    assert load().hard_limited == frozenset()


def test_a_reset_forgives_what_failed_before_it() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    failing(preset, "failed", "failed", "failed", "failed")
    PrebuildEvent.objects.create(
        kind=PrebuildEventKind.RESET,
        organization=template.organization,
        template=template,
        preset=preset,
        preset_name=preset.name,
        created_at=timezone.now() - timedelta(seconds=150),
    )
    snapshot = load(failure_hard_limit=3)
    assert snapshot.hard_limited == frozenset()
    assert [row.num_failed for row in snapshot.backoffs] == [2]
    assert load(failure_hard_limit=2).hard_limited == {str(preset.id)}


def test_claimed_failures_are_the_claimers_business() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    Prebuild(preset, template.active_version, "failed", owner=world.person().id).save()
    assert (load().backoffs, load(failure_hard_limit=1).hard_limited) == ((), frozenset())


def test_the_number_of_statements_does_not_grow_with_the_rows() -> None:
    counts = []
    for generation in range(1, 4):
        for number in range(generation * 3):
            template = world.template(f"t{generation}-{number}")
            preset = world.preset(template.active_version, 2, scheduling_timezone="UTC")
            preset.schedules.create(cron_expression="* 9 * * *", desired_instances=7)
            failing(preset, "failed", "succeeded", "running")
            gone = world.template(f"gone{generation}-{number}")
            failing(world.preset(gone.active_version), "failed", "canceled")
            Template.objects.filter(pk=gone.pk).update(deleted=True)
        with CaptureQueriesContext(connection) as queries:
            load(failed_retention=timedelta(days=1))
        counts.append(len(queries))
    assert counts[0] == counts[-1]
    assert counts[0] <= 9  # of ten: on PostgreSQL one more begins the view


def test_a_scope_reads_the_named_templates_only() -> None:
    one, two = world.template("one"), world.template("two")
    for template in (one, two):
        preset = world.preset(template.active_version, 1)
        preset.schedules.create(cron_expression="* 9 * * *", desired_instances=7)
        failing(preset, "failed", "succeeded", "running")
    snapshot = load_snapshot(timezone.now(), Config(failure_hard_limit=1), Scope(frozenset({one.id})))
    assert {preset.template_id for preset in snapshot.presets} == {str(one.id)}
    assert len(snapshot.schedules) == len(snapshot.running) == len(snapshot.in_progress) == 1
    full = load_snapshot(timezone.now(), CONFIG)
    assert len(full.presets) == len(full.running) == len(full.in_progress) == 2
