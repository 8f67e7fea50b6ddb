"""The policy about failures: reset, one prebuild by hand, the bounds on evidence and on patience."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.foundation.errors import Conflict, Invalid, NotFound
from coder_admin.organizations.models import PREBUILDS_USER_ID, User
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds.loader import configured, load_snapshot
from prebuilds.models import PrebuildEvent
from prebuilds.passes import reconcile_once
from prebuilds.selectors import pool_of
from prebuilds.services import preset_build_one, settings_update
from rbac import Subject
from rbac.django import subject_for
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db


def client(user: User) -> APIClient:
    http = APIClient()
    http.force_login(user)
    return http


def limited(size: int = 1, **fields: Any) -> TemplateVersionPreset:
    """A preset whose newest three builds failed a moment ago: it rests, and it is limited."""
    active = world.template().active_version
    preset = world.preset(active, size, prebuild_status="hard_limited", **fields)
    for minutes in (1, 2, 3):
        Prebuild(preset, active, status="failed", age=timedelta(minutes=minutes)).save()
    return preset


def newest() -> WorkspaceBuild:
    return WorkspaceBuild.objects.order_by("-created_at")[0]


# -- one prebuild by hand --------------------------------------------------------------------------


def test_one_prebuild_is_begun_whatever_backoff_limit_and_pause_say(owner: User, actor: Subject) -> None:
    preset = limited()
    settings_update(actor=actor, reconciliation_paused=True)
    answer = client(owner).post(f"/api/v2/templateversionpresets/{preset.id}/prebuilds/build")
    assert answer.status_code == 201
    build = newest()
    assert answer.json() == {
        "workspace_id": str(build.workspace_id),
        "workspace_name": build.workspace.name,
        "build_id": str(build.id),
        "job_id": str(build.job_id),
    }
    assert (build.initiator_id, build.workspace.owner_id) == (PREBUILDS_USER_ID, PREBUILDS_USER_ID)
    assert (build.template_version_preset_id, build.prebuild_stage) == (preset.id, "create")
    row = AuditLog.objects.get(additional_fields__operation="build one prebuild")
    assert (row.user_id, row.additional_fields["workspace_id"]) == (owner.id, str(build.workspace_id))


def test_its_success_lifts_the_hard_limit(actor: Subject) -> None:
    preset = limited()
    later = timezone.now() + timedelta(hours=2)
    assert reconcile_once(later).created == 0
    build = preset_build_one(actor=actor, preset=preset)
    assert reconcile_once(later).created == 0  # it fills the pool
    build.job.started_at = build.job.completed_at = timezone.now()
    build.job.save()
    pool = pool_of(actor, preset)
    assert pool is not None
    assert (pool.condition, pool.state.actual) == ("healthy", 1)


def test_what_cannot_be_built_is_refused_and_leaves_nothing(owner: User, actor: Subject) -> None:
    template = world.template()
    plain = world.preset(template.active_version, None)
    with pytest.raises(Invalid, match="no prebuilds"):
        preset_build_one(actor=actor, preset=plain)
    old = world.preset(template.active_version, 1, name="old")
    world.promote(template, world.version(template, "v2"))
    with pytest.raises(Conflict, match="keeps no pool"):
        preset_build_one(actor=actor, preset=old)
    with pytest.raises(NotFound):
        preset_build_one(actor=subject_for(world.person("ben")), preset=old)
    broken = world.promote(template, world.version(template, "v3", status="failed"))
    preset = world.preset(broken, 1)
    answer = client(owner).post(f"/api/v2/templateversionpresets/{preset.id}/prebuilds/build")
    assert answer.status_code == 400
    assert "import failed" in answer.json()["message"]
    assert not Workspace.objects.exists()
    assert not AuditLog.objects.filter(additional_fields__operation="build one prebuild").exists()


def test_commands_name_a_preset_in_three_ways() -> None:
    preset = limited(name="a/b")
    said = StringIO()
    call_command("prebuilds", "reset", "docker/a/b", stderr=said)
    call_command("prebuilds", "invalidate", f"{world.organization().name}/docker/a/b", stderr=said)
    call_command("prebuilds", "build-one", str(preset.id), stderr=said)
    assert said.getvalue().splitlines() == [
        "Preset a/b is tried again.",
        "The prebuilds of preset a/b count as expired.",
        f"Prebuild {newest().workspace.name} of preset a/b is on the way.",
    ]
    preset.refresh_from_db()
    assert preset.prebuild_status == "healthy"
    assert preset.last_invalidated_at is not None
    operations = AuditLog.objects.values_list("additional_fields__operation", flat=True)
    assert {"reset prebuilds", "invalidate prebuilds", "build one prebuild"} <= set(operations)
    with pytest.raises(CommandError, match='No preset "docker/none"'):
        call_command("prebuilds", "reset", "docker/none")
    with pytest.raises(CommandError):
        call_command("prebuilds", "reset")


def test_a_command_says_why_nothing_was_built() -> None:
    world.preset(world.template(deprecation_message="old").active_version, 1)
    with pytest.raises(CommandError, match="keeps no pool"):
        call_command("prebuilds", "build-one", "docker/large")


@pytest.mark.parametrize("how", ["waiting", "canceled"])
def test_a_trial_lifts_no_limit_before_it_succeeds(actor: Subject, how: str) -> None:
    preset = limited(size=5)
    later = timezone.now() + timedelta(hours=2)
    assert reconcile_once(later).created == 0
    build = preset_build_one(actor=actor, preset=preset)
    if how == "canceled":
        ProvisionerJob.objects.filter(pk=build.job_id).update(
            started_at=timezone.now(), canceled_at=timezone.now(), completed_at=timezone.now()
        )
    assert reconcile_once(later).created == 0
    assert not PrebuildEvent.objects.filter(kind="recovered").exists()
    ProvisionerJob.objects.filter(pk=build.job_id).update(
        started_at=timezone.now(), canceled_at=None, completed_at=timezone.now()
    )
    assert reconcile_once(later).created == 4
    assert PrebuildEvent.objects.filter(kind="recovered").count() == 1


def test_a_trial_that_fails_counts(actor: Subject) -> None:
    preset = limited(size=5)
    later = timezone.now() + timedelta(hours=2)
    build = preset_build_one(actor=actor, preset=preset)
    ProvisionerJob.objects.filter(pk=build.job_id).update(
        started_at=timezone.now(), completed_at=timezone.now(), error="still broken"
    )
    assert reconcile_once(later).created == 0
    assert load_snapshot(later, configured()).hard_limited == {str(preset.id)}


# -- the pool over HTTP ----------------------------------------------------------------------------


def test_the_condition_that_holds_is_shown_beside_the_stored_one(owner: User) -> None:
    preset = limited()
    http = client(owner)
    told = http.get(f"/api/v2/templateversionpresets/{preset.id}/prebuilds").json()
    assert (told["prebuild_status"], told["condition"], told["failed"]) == ("hard_limited", "hard_limited", 3)
    assert told["state"]["desired"] == 1
    Workspace.objects.all().update(deleted=True)
    told = http.get(f"/api/v2/templateversionpresets/{preset.id}/prebuilds").json()
    assert (told["prebuild_status"], told["condition"], told["failed"]) == ("hard_limited", "healthy", 0)
    assert told["why"]
    stranger = client(world.person("ben")).get(f"/api/v2/templateversionpresets/{preset.id}/prebuilds")
    assert stranger.status_code == 404
    plain = world.preset(preset.template_version, None, name="plain")
    assert http.get(f"/api/v2/templateversionpresets/{plain.id}/prebuilds").status_code == 404


# -- incidents -------------------------------------------------------------------------------------


def test_a_limit_that_comes_back_is_a_new_incident() -> None:
    """The stored status stays as it is, so the incidents are told apart by what happened between."""
    active = world.template().active_version
    preset = world.preset(active, 1)
    now = timezone.now()

    def failures(at: datetime) -> None:
        Workspace.objects.all().update(deleted=True)
        for minutes in (1, 2, 3):
            Prebuild(preset, active, status="failed", age=timedelta(minutes=minutes)).save(at)

    for hour in (0, 1):
        at = now + timedelta(hours=hour)
        failures(at)
        reconcile_once(at)
        reconcile_once(at)
        Workspace.objects.all().update(deleted=True)
        reconcile_once(at + timedelta(minutes=30))
        reconcile_once(at + timedelta(minutes=31))
    kinds = PrebuildEvent.objects.order_by("created_at").values_list("kind", flat=True)
    assert list(kinds) == ["hard_limited", "recovered"] * 2
    preset.refresh_from_db()
    assert preset.prebuild_status == "hard_limited"


# -- bounds ----------------------------------------------------------------------------------------


def deleting() -> set[str]:
    rows = WorkspaceBuild.objects.filter(transition="delete").values_list("workspace__name", flat=True)
    return set(rows)


def test_failed_prebuilds_are_kept_for_ever_unless_a_retention_is_set(settings: Any) -> None:
    preset = limited(size=0)
    old = Prebuild(preset, preset.template_version, status="failed", age=timedelta(hours=3)).save()
    later = timezone.now() + timedelta(minutes=30)
    reconcile_once(later)
    assert deleting() == set()
    settings.PREBUILDS_FAILED_RETENTION = 3600
    stats = reconcile_once(later, config=configured())
    assert deleting() == {old.name}
    # The three newest hold up the hard limit; they are due when it is lifted, not by time alone.
    reconcile_once(later + timedelta(hours=5), config=configured())
    assert deleting() == {old.name}
    assert stats.next_due is not None
    template = preset.template_version.template
    assert template is not None
    world.promote(template, world.version(template, "v2"))
    reconcile_once(later + timedelta(hours=5), config=configured())
    assert len(deleting()) == 4


def test_a_retention_shorter_than_a_build_does_not_keep_a_preset_from_its_limit(settings: Any) -> None:
    settings.PREBUILDS_FAILED_RETENTION = 1800
    active = world.template().active_version
    preset = world.preset(active, 0)
    for hours in (3, 2):
        Prebuild(preset, active, "failed", age=timedelta(hours=hours)).save()
    reconcile_once(config=configured())
    assert deleting() == set()
    Prebuild(preset, active, "failed", age=timedelta(hours=1)).save()
    reconcile_once(config=configured())
    preset.refresh_from_db()
    assert (deleting(), preset.prebuild_status) == (set(), "hard_limited")


def test_failures_before_a_success_are_no_evidence_for_a_limit(settings: Any) -> None:
    settings.PREBUILDS_FAILED_RETENTION = 1800
    active = world.template().active_version
    preset = world.preset(active, 1)
    old = Prebuild(preset, active, "failed", age=timedelta(hours=3)).save()
    Prebuild(preset, active, age=timedelta(hours=1)).save()
    reconcile_once(timezone.now(), config=configured())
    assert deleting() == {old.name}


def test_a_prebuild_that_never_becomes_ready_is_replaced_once_a_bound_is_set(settings: Any) -> None:
    active = world.template().active_version
    preset = world.preset(active, 3)
    stuck = Prebuild(preset, active, agents=["start_error"], age=timedelta(minutes=20)).save()
    Prebuild(preset, active, agents=["starting"], age=timedelta(minutes=5)).save()
    Prebuild(preset, active, age=timedelta(hours=9)).save()
    assert reconcile_once().deleted == 0
    settings.PREBUILDS_NOT_READY_LIMIT = 900
    stats = reconcile_once(config=configured())
    assert (stats.created, stats.deleted) == (1, 1)
    assert deleting() == {stuck.name}
    # The one that still starts is due in ten minutes.
    assert stats.next_due is not None
    assert timedelta(minutes=9) < stats.next_due - timezone.now() < timedelta(minutes=11)


def test_patience_counts_from_the_end_of_the_build(settings: Any) -> None:
    """A build that takes longer than the bound would else be replaced for ever."""
    active = world.template().active_version
    preset = world.preset(active, 1)
    row = Prebuild(preset, active, agents=["starting"], age=timedelta(hours=1)).save()
    assert row.latest_build is not None
    row.latest_build.job.completed_at = timezone.now() - timedelta(minutes=1)
    row.latest_build.job.save()
    settings.PREBUILDS_NOT_READY_LIMIT = 900
    assert reconcile_once(config=configured()).deleted == 0
