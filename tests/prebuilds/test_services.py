"""Settings, invalidation and reset: over HTTP, by command, and who may not."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError
from rest_framework.test import APIClient

from coder_admin.audit.models import AuditLog
from coder_admin.foundation.errors import Invalid, NotFound
from coder_admin.foundation.models import SiteConfig
from coder_admin.organizations.models import User
from coder_admin.workspaces.models import Workspace
from prebuilds.leader import LeadLost
from prebuilds.models import PrebuildEvent
from prebuilds.services import preset_reset
from prebuilds.settings import parse, reconciliation_paused
from rbac import Subject
from rbac.django import subject_for
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db

SETTINGS = "/api/v2/prebuilds/settings"


def client(user: User) -> APIClient:
    found = APIClient()
    found.force_authenticate(user)
    return found


def test_settings_are_off_at_first_and_keep_what_is_put(owner: User) -> None:
    http = client(owner)
    assert http.get(SETTINGS).json() == {"reconciliation_paused": False}
    # On a fresh deployment nothing is stored, so putting the default is a change.
    for body, status in [(False, 200), (False, 304), (True, 200), (True, 304), (False, 200)]:
        answer = http.put(SETTINGS, {"reconciliation_paused": body}, format="json")
        assert answer.status_code == status
        if status == 200:
            assert answer.json() == {"reconciliation_paused": body}
        else:
            assert answer.content == b""
        assert reconciliation_paused() is body
    rows = AuditLog.objects.filter(resource_type="prebuilds_settings").order_by("time")
    assert [row.diff["reconciliation_paused"]["new"] for row in rows] == [False, True, False]
    assert {(row.action, row.username) for row in rows} == {("write", "owner")}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reconciliation_paused": "true"},
        {"reconciliation_paused": 1},
        {"reconciliation_paused": None},
        [],
    ],
)
def test_only_a_boolean_is_a_setting(owner: User, body: Any) -> None:
    answer = client(owner).put(SETTINGS, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["validations"] == [
        {"field": "reconciliation_paused", "detail": "Send true or false."}
    ]
    assert not SiteConfig.objects.exists()


@pytest.mark.parametrize("roles", [[], ["template-admin"], ["auditor"], ["user-admin"]])
def test_only_who_may_change_the_deployment_may_pause(roles: list[str]) -> None:
    http = client(world.person("ben", roles))
    assert http.put(SETTINGS, {"reconciliation_paused": True}, format="json").status_code == 403
    assert not reconciliation_paused()


def test_anonymous_callers_are_refused() -> None:
    assert APIClient().get(SETTINGS).status_code == 401
    assert APIClient().put(SETTINGS, {"reconciliation_paused": True}, format="json").status_code == 401


@pytest.mark.parametrize(
    ("text", "paused"),
    [
        ("", False),
        ("{}", False),
        ("[]", False),
        ("{nonsense", False),
        ('{"reconciliation_paused":true}', True),
    ],
)
def test_unreadable_settings_never_pause(text: str, paused: bool) -> None:
    assert parse(text) is paused


def test_a_template_is_invalidated_with_all_presets_of_its_active_version(owner: User) -> None:
    template = world.template()
    old = world.preset(world.version(template, "v0"), name="old")
    small, large = (
        world.preset(template.active_version, None, name="small"),
        world.preset(template.active_version),
    )
    answer = client(owner).post(f"/api/v2/templates/{template.id}/prebuilds/invalidate")
    assert answer.status_code == 200
    assert answer.json() == {
        "invalidated": [
            {"template_name": "docker", "template_version_name": "v1", "preset_name": name}
            for name in ("large", "small")
        ]
    }
    for row, changed in ((old, False), (small, True), (large, True)):
        row.refresh_from_db()
        assert (row.last_invalidated_at is not None) is changed
    assert AuditLog.objects.filter(additional_fields__operation="invalidate prebuilds").count() == 2


def test_one_preset_is_invalidated_by_itself(owner: User) -> None:
    template = world.template()
    small, large = world.preset(template.active_version, name="small"), world.preset(template.active_version)
    answer = client(owner).post(f"/api/v2/templateversionpresets/{small.id}/prebuilds/invalidate")
    assert [item["preset_name"] for item in answer.json()["invalidated"]] == ["small"]
    large.refresh_from_db()
    assert large.last_invalidated_at is None


def test_a_template_without_presets_invalidates_nothing(owner: User) -> None:
    template = world.template()
    answer = client(owner).post(f"/api/v2/templates/{template.id}/prebuilds/invalidate")
    assert answer.json() == {"invalidated": []}


@pytest.mark.parametrize("action", ["invalidate", "reset"])
def test_who_may_not_update_a_template_finds_nothing(action: str) -> None:
    template = world.template()
    preset = world.preset(template.active_version)
    http = client(world.person("ben"))
    assert http.post(f"/api/v2/templateversionpresets/{preset.id}/prebuilds/{action}").status_code == 404
    assert http.post(f"/api/v2/templates/{template.id}/prebuilds/invalidate").status_code == 404
    with pytest.raises(NotFound):
        preset_reset(actor=subject_for(world.person("ben")), preset=preset)
    assert not PrebuildEvent.objects.exists()


def test_a_reset_is_stored_and_audited(owner: User) -> None:
    template = world.template()
    preset = world.preset(template.active_version, prebuild_status="validation_failed")
    answer = client(owner).post(f"/api/v2/templateversionpresets/{preset.id}/prebuilds/reset")
    assert answer.status_code == 204
    preset.refresh_from_db()
    assert preset.prebuild_status == "healthy"
    row = AuditLog.objects.get(additional_fields__operation="reset prebuilds")
    assert row.diff["prebuild_status"] == {"old": "validation_failed", "new": "healthy", "secret": False}


def test_a_preset_without_prebuilds_cannot_be_reset(actor: Subject) -> None:
    preset = world.preset(world.template().active_version, None)
    with pytest.raises(Invalid, match="no prebuilds"):
        preset_reset(actor=actor, preset=preset)


def test_commands_pause_and_resume_and_are_audited() -> None:
    said = StringIO()
    call_command("prebuilds", "pause", stderr=said)
    assert reconciliation_paused()
    call_command("prebuilds", "pause", stderr=said)
    call_command("prebuilds", "resume", stderr=said)
    assert not reconciliation_paused()
    assert said.getvalue().splitlines() == [
        "Prebuilds are paused.",
        "Prebuilds are paused already.",
        "Prebuilds are running.",
    ]
    assert AuditLog.objects.filter(resource_type="prebuilds_settings").count() == 2


def test_a_single_pass_by_command() -> None:
    world.preset(world.template().active_version, 2)
    said = StringIO()
    call_command("reconcile_prebuilds", "--once", stdout=said)
    assert "1 of 1 presets reconciled" in said.getvalue()
    assert "2 created" in said.getvalue()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LeadLost("the lease ran out"), "Another reconciler may lead by now: the lease ran out"),
        (OperationalError("the server\nwent away"), r"The database failed during the pass: the server\. "),
        (InterfaceError(""), "The database failed during the pass: InterfaceError"),
    ],
)
def test_a_single_pass_that_is_broken_off_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("prebuilds.passes.load_snapshot", broken)
    with pytest.raises(CommandError, match=rf"{words}.*run the command again"):
        call_command("reconcile_prebuilds", "--once")


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    template = world.template()
    preset = world.preset(template.active_version, 2)
    Prebuild(preset, template.active_version).save()
    said = StringIO()
    call_command("reconcile_prebuilds", "--dry-run", stdout=said)
    assert "1 prebuild will be created" in said.getvalue()
    assert Workspace.objects.count() == 1


@pytest.mark.parametrize("interval", ["0", "-1", "1e9", "nan"])
def test_an_impossible_interval_is_refused(interval: str) -> None:
    with pytest.raises(CommandError, match="interval"):
        call_command("reconcile_prebuilds", "--interval", interval)
