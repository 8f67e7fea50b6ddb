"""Whole passes on a real database with the real builder: the state of the world after them."""

from __future__ import annotations

import re
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from structlog.testing import capture_logs

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.notifications.models import NotificationIncident, NotificationMessage
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.provisioning.choices import JobPriority
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds import provision
from prebuilds.leader import leadership
from prebuilds.models import PrebuildEvent
from prebuilds.passes import Memory, Stats, reconcile_once
from prebuilds.selectors import pools
from prebuilds.services import preset_invalidate, preset_reset, settings_update
from prebuilds.snapshot import Config
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db

NAME = re.compile(r"prebuild-[a-z2-7]{15}")


def done(stats: Stats, created: int = 0, deleted: int = 0, canceled: int = 0) -> bool:
    assert stats.errors == []
    assert stats.led
    return (stats.created, stats.deleted, stats.canceled) == (created, deleted, canceled)


def pool() -> list[tuple[str, str]]:
    """(transition, job status) of every unclaimed workspace's latest build, oldest workspace first."""
    rows = Workspace.objects.filter(owner=PREBUILDS_USER_ID, deleted=False).order_by("created_at")
    return list(rows.values_list("latest_build__transition", "latest_build__job__job_status"))


def test_an_empty_pool_is_filled_once() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 3)
    assert template.active_version is not None
    template.active_version.parameters.create(name="size", default_value="small")
    preset.parameters.create(name="size", value="large")
    assert done(reconcile_once(), created=3)
    assert done(reconcile_once())
    assert pool() == [("start", "pending")] * 3
    for workspace in Workspace.objects.filter(owner=PREBUILDS_USER_ID):
        build = workspace.latest_build
        assert build is not None
        assert NAME.fullmatch(workspace.name)
        assert (workspace.automatic_updates, workspace.autostart_schedule, workspace.ttl_ms) == (
            "never",
            "",
            None,
        )
        assert (build.build_number, build.reason, build.prebuild_stage) == (1, "initiator", "create")
        assert build.initiator_id == build.job.initiator_id == PREBUILDS_USER_ID
        assert build.template_version_preset_id == preset.id
        assert list(build.parameters.values_list("name", "value")) == [("size", "large")]
        assert build.job.priority == JobPriority.PREBUILD


def test_an_expired_prebuild_is_deleted_and_replaced_in_one_pass() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1, invalidate_after_secs=3600)
    row = Prebuild(preset, template.active_version, age=timedelta(hours=2)).save()
    assert done(reconcile_once(), created=1, deleted=1)
    build = WorkspaceBuild.objects.get(workspace=row, build_number=2)
    assert (build.transition, build.prebuild_stage, build.template_version_preset_id) == (
        "delete",
        "create",
        preset.id,  # asked for without one, noted by its values (dynamic-parameters 7.3)
    )
    assert build.template_version_id == preset.template_version_id
    assert done(reconcile_once())


def test_a_promotion_cancels_waiting_builds_deletes_running_ones_and_fills_anew() -> None:
    template = world.template()
    old = template.active_version
    preset = world.preset(old, 2)
    waiting, started = Prebuild(preset, old, "pending").save(), Prebuild(preset, old, "running").save()
    running = Prebuild(preset, old, agents=("starting",)).save()
    new = world.promote(template, world.version(template, "v2"))
    world.preset(new, 2)
    assert done(reconcile_once(), created=2, deleted=1, canceled=1)
    waiting.refresh_from_db()
    first = waiting.builds.get(build_number=1)
    assert first.job.job_status == "canceled"
    assert waiting.latest_build is not None
    assert (waiting.latest_build.transition, waiting.latest_build.job.input["orphan"]) == ("delete", True)
    running.refresh_from_db()
    started.refresh_from_db()
    assert running.latest_build is not None
    assert started.latest_build is not None
    assert running.latest_build.transition == "delete"
    assert started.latest_build.transition == "start"
    # What was starting is deleted by a later pass, once it has ended.
    job = started.latest_build.job
    job.completed_at = timezone.now()
    job.save()
    assert done(reconcile_once(), deleted=1)


@pytest.mark.parametrize("change", [{"deleted": True}, {"deprecation_message": "use another"}])
def test_a_template_that_ends_takes_its_pool_along(change: dict[str, Any]) -> None:
    template = world.template()
    preset = world.preset(template.active_version, 2, invalidate_after_secs=3600)
    for age in (1, 200):
        Prebuild(preset, template.active_version, age=timedelta(minutes=age)).save()
    Template.objects.filter(pk=template.pk).update(**change)
    assert done(reconcile_once(), deleted=2)
    assert pool() == [("delete", "pending")] * 2
    assert done(reconcile_once())


def test_a_deleted_template_leaves_nothing_behind() -> None:
    template = world.template()
    version = template.active_version
    preset = world.preset(version, 4)
    for status in ("succeeded", "failed", "canceled", "pending"):
        Prebuild(preset, version, status).save()
    for named in (preset, None):  # a person's build need not name the preset
        world.add_build(Prebuild(preset, version).save(), version, named, transition="stop")
    person = world.person()
    mine = Prebuild(preset, version, "failed", owner=person.id).save()
    Template.objects.filter(pk=template.pk).update(deleted=True)
    for _ in range(2):
        reconcile_once()
    left = Workspace.objects.filter(deleted=False).exclude(latest_build__transition="delete")
    assert set(left.values_list("name", flat=True)) == {mine.name}


def test_schedule_edges_change_the_size() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 0, scheduling_timezone="Europe/Berlin")
    preset.schedules.create(cron_expression="* 9-17 * * 1-5", desired_instances=2)
    nine = datetime(2027, 6, 1, 7, 0, tzinfo=UTC)
    assert done(reconcile_once(nine - timedelta(microseconds=1)))
    stats = reconcile_once(nine - timedelta(minutes=30))
    assert stats.next_due == nine
    assert done(reconcile_once(nine), created=2)
    for row in Workspace.objects.filter(owner=PREBUILDS_USER_ID):
        world.add_build(row, template.active_version, preset)
    assert done(reconcile_once(nine + timedelta(hours=9)), deleted=2)


def test_the_failure_limit_stops_creation_and_is_told_once() -> None:
    admin = world.person("admin", ["template-admin"])
    template = world.template()
    preset = world.preset(template.active_version, 1)
    later = timezone.now() + timedelta(hours=2)
    for minute in range(3):
        Prebuild(preset, template.active_version, "failed", age=timedelta(minutes=minute)).save()
    assert done(reconcile_once(later))
    preset.refresh_from_db()
    assert preset.prebuild_status == "hard_limited"
    assert done(reconcile_once(later))
    messages = NotificationMessage.objects.filter(
        notification_template_id="414d9331-c1fc-4761-b40c-d1f4702279eb", method="inbox"
    )
    assert template.active_version is not None
    told = Counter(message.user_id for message in messages)
    assert told == {admin.id: 1, template.active_version.created_by_id: 1}
    labels = messages[0].payload["labels"]
    assert labels == {"org": "coder", "template": "docker", "template_version": "v1", "preset": "large"}
    # The next broken version of the same template reaches its author, and administrators with the digest.
    new = world.promote(template, world.version(template, "v2"))
    preset2 = world.preset(new, 1)
    for minute in range(3):
        Prebuild(preset2, new, "failed", age=timedelta(minutes=minute)).save()
    reconcile_once(later + timedelta(hours=1))
    preset2.refresh_from_db()
    assert preset2.prebuild_status == "hard_limited"
    assert messages.filter(user=admin).count() == 1
    assert messages.exclude(user=admin).count() == 2
    assert NotificationIncident.objects.get().recipients == [str(admin.id)]


def test_a_reset_lets_a_limited_preset_try_again(actor: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    for minute in range(3):
        Prebuild(preset, template.active_version, "failed", age=timedelta(minutes=minute)).save()
    later = timezone.now() + timedelta(hours=2)
    assert done(reconcile_once(later))
    preset_reset(actor=actor, preset=preset)
    assert done(reconcile_once(later), created=1)
    preset.refresh_from_db()
    assert preset.prebuild_status == "healthy"


def test_a_recent_failure_rests_the_preset_completely() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 2, invalidate_after_secs=60)
    Prebuild(preset, template.active_version, "failed", age=timedelta(seconds=10)).save()
    Prebuild(preset, template.active_version, age=timedelta(minutes=5)).save()
    now = timezone.now()
    stats = reconcile_once(now)
    assert done(stats)
    assert stats.next_due is not None
    assert timedelta(seconds=45) < stats.next_due - now < timedelta(seconds=55)
    assert done(reconcile_once(stats.next_due), created=2, deleted=1)


def test_an_invalid_request_marks_the_preset_and_leaves_no_workspace(actor: Subject) -> None:
    template = world.template()
    world.promote(template, world.version(template, "broken", status="failed"))
    preset = world.preset(template.active_version, 3)
    healthy = world.template("healthy")
    world.preset(healthy.active_version, 1)
    stats = reconcile_once()
    assert (stats.created, len(stats.errors)) == (1, 1)
    preset.refresh_from_db()
    assert preset.prebuild_status == "validation_failed"
    assert not Workspace.objects.filter(template=template).exists()
    (pool,) = (pool for pool in pools(actor) if pool.preset.id == str(preset.id))
    assert "import" in pool.refusal
    assert done(reconcile_once())
    assert PrebuildEvent.objects.filter(kind="refused").count() == 1
    preset_reset(actor=actor, preset=preset)
    assert [pool.refusal for pool in pools(actor)] == ["", ""]


def test_a_version_that_is_still_importing_is_tried_again() -> None:
    template = world.template()
    world.promote(template, world.version(template, "slow", status="running"))
    preset = world.preset(template.active_version, 2)
    assert len(reconcile_once().errors) == 2
    preset.refresh_from_db()
    assert preset.prebuild_status == "healthy"


def test_a_pause_stops_everything_until_it_is_lifted(actor: Subject) -> None:
    template = world.template()
    world.preset(template.active_version, 1)
    assert settings_update(actor=actor, reconciliation_paused=True)
    stats = reconcile_once()
    assert stats.paused
    assert done(stats)
    assert settings_update(actor=actor, reconciliation_paused=False)
    assert done(reconcile_once(), created=1)


def test_an_invalidated_pool_is_replaced(actor: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version, 2)
    for _ in range(2):
        Prebuild(preset, template.active_version).save()
    items = preset_invalidate(actor=actor, preset=preset)
    assert [(item.template_name, item.preset_name) for item in items] == [("docker", "large")]
    assert done(reconcile_once(), created=2, deleted=2)


def test_a_prebuild_that_was_claimed_meanwhile_is_left_alone(orchestrator: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    row = Prebuild(preset, template.active_version, owner=world.person().id).save()
    with leadership() as lead:
        assert lead is not None
        with pytest.raises(provision.Superseded):
            provision.delete_prebuild(actor=orchestrator, lead=lead, workspace_id=str(row.pk))
    assert row.builds.count() == 1


def test_nothing_is_created_for_a_version_replaced_meanwhile(orchestrator: Subject) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    world.promote(template, world.version(template, "v2"))
    with leadership() as lead:
        assert lead is not None
        with pytest.raises(provision.Superseded):
            provision.create_prebuild(actor=orchestrator, lead=lead, preset_id=str(preset.id))
    assert not Workspace.objects.exists()


def test_broken_schedules_fill_to_the_base_size() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1, scheduling_timezone="Mars/Olympus")
    preset.schedules.create(cron_expression="* * * * *", desired_instances=9)
    memory = Memory()
    with capture_logs() as logged:
        assert done(reconcile_once(memory=memory), created=1)
        reconcile_once(memory=memory)
        preset.scheduling_timezone = "Mars/Base"
        preset.save()
        reconcile_once(memory=memory)
    told = [entry["problem"] for entry in logged if entry["event"] == "preset not usable as stored"]
    assert len(told) == 2  # once per change
    assert "Mars/Olympus" in told[0]
    assert "Mars/Base" in told[1]


def test_a_smaller_limit_of_the_configuration_is_respected() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    Prebuild(preset, template.active_version, "failed", age=timedelta(hours=2)).save()
    assert done(reconcile_once(config=Config(failure_hard_limit=1)))
    assert done(reconcile_once(config=Config(failure_hard_limit=0)), created=1)
    assert PrebuildEvent.objects.filter(kind="hard_limited").count() == 1


@pytest.mark.django_db(transaction=True)
def test_reconcilers_at_once_never_create_too_many() -> None:
    template = world.template()
    presets = [world.preset(template.active_version, 3, name=f"p{number}") for number in range(3)]
    stats: list[Stats] = []
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        try:
            for _ in range(3):
                barrier.wait(30)
                stats.append(reconcile_once())
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert sum(found.created for found in stats) == 9
    for preset in presets:
        assert TemplateVersionPreset.objects.get(pk=preset.pk).workspace_builds.count() == 3
