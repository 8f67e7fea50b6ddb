"""Snapshots as JSON: the contract's shapes, defaults, errors that name the place, and a round trip."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given

from prebuilds.exchange import (
    Situation,
    SnapshotError,
    explain_all,
    explanations_to_json,
    situation_from_json,
    snapshot_to_json,
)
from prebuilds.services import settings_update
from prebuilds.snapshot import Config, PendingCount, PresetSnapshot, Snapshot
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.strategies import NOW, preset_snapshots
from tests.prebuilds.world import Prebuild

AT = "2026-06-01T09:00:00Z"


def explained(**snapshot: Any) -> dict[str, Any]:
    situation = situation_from_json({"now": AT, **snapshot}, default_now=NOW)
    return explanations_to_json(explain_all(situation))


def test_missing_fields_take_the_healthy_default() -> None:
    assert explained() == {"presets": []}
    (told,) = explained(presets=[{"id": "p", "desired_instances": 2}])["presets"]
    assert told["preset_id"] == "p"
    assert told["skipped"] is False
    assert told["actions"] == [{"type": "create", "count": 2}]
    assert told["state"] == {
        "actual": 0, "expired": 0, "desired": 2, "eligible": 0,
        "extraneous": 0, "starting": 0, "stopping": 0, "deleting": 0,
    }  # fmt: skip


def test_actions_are_those_that_would_be_executed() -> None:
    presets = [
        {"id": "old", "using_active_version": False},
        {"id": "dead", "deleted": True},
        {"id": "limited", "desired_instances": 1},
        {"id": "refused", "desired_instances": 1, "prebuild_status": "validation_failed"},
        {"id": "rests", "desired_instances": 1},
        {
            "id": "mixed",
            "desired_instances": 1,
            "ttl_seconds": 3600,
            "last_invalidated_at": "2026-06-01T07:00:00Z",
        },
    ]
    told = {
        row["preset_id"]: row
        for row in explained(
            presets=presets,
            running=[
                {"id": "a", "preset_id": "old", "created_at": "2026-06-01T08:59:00Z"},
                {"id": "b", "preset_id": "mixed", "created_at": "2026-06-01T06:59:00Z"},
                {"id": "c", "preset_id": "mixed", "created_at": "2026-06-01T07:30:00Z"},
            ],
            pending=[{"preset_id": "old", "count": 2}],
            backoff=[{"preset_id": "rests", "num_failed": 2, "last_build_at": "2026-06-01T08:59:00Z"}],
            hard_limited=["limited"],
        )["presets"]
    }
    assert told["old"]["actions"] == [
        {"type": "cancel_pending", "count": 2},
        {"type": "delete", "workspace_ids": ["a"], "reason": "inactive_version"},
    ]
    assert (told["dead"]["skipped"], told["dead"]["actions"]) == (True, [])
    assert told["limited"]["actions"] == told["refused"]["actions"] == []
    assert "all failed" in " ".join(told["limited"]["why"])
    assert "invalid" in " ".join(told["refused"]["why"])
    assert told["rests"]["actions"] == [{"type": "backoff", "until": "2026-06-01T09:01:00Z"}]
    assert told["mixed"]["actions"] == [
        {"type": "delete", "workspace_ids": ["c"], "reason": "expired"},
        {"type": "delete", "workspace_ids": ["b"], "reason": "invalidated"},
        {"type": "create", "count": 1},
    ]


@pytest.mark.parametrize(
    ("snapshot", "place"),
    [
        ([], "snapshot: an object"),
        ({"presets": {}}, "snapshot.presets: a list"),
        ({"presets": [3]}, "snapshot.presets[0]: an object"),
        ({"presets": [{}]}, "snapshot.presets[0].id is missing"),
        ({"presets": [{"id": "p", "ttl_seconds": "1"}]}, "snapshot.presets[0].ttl_seconds: a whole number"),
        ({"presets": [{"id": "p", "desired_instances": True}]}, "desired_instances: a whole number"),
        ({"presets": [{"id": "p", "deleted": 1}]}, "deleted: true or false"),
        ({"presets": [{"id": "p", "prebuild_status": "ill"}]}, "prebuild_status: use one of healthy"),
        ({"now": "yesterday"}, "snapshot.now"),
        ({"now": "2026-06-01T09:00:00"}, "offset"),
        ({"config": {"backoff_interval_seconds": -1}}, "snapshot.config.backoff_interval_seconds"),
        ({"hard_limited": [1]}, "snapshot.hard_limited[0]"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(snapshot: object, place: str) -> None:
    with pytest.raises(SnapshotError) as caught:
        situation_from_json(snapshot, default_now=NOW)
    assert place in str(caught.value)


@given(preset_snapshots())
def test_a_snapshot_survives_the_round_trip(part: PresetSnapshot) -> None:
    snapshot = Snapshot(
        presets=(part.preset,),
        schedules=part.schedules,
        running=(*part.running, *part.expired),
        in_progress=part.in_progress,
        pending=(PendingCount(part.preset.id, part.pending_count),),
        backoffs=(part.backoff,) if part.backoff else (),
        hard_limited=frozenset({part.preset.id}) if part.hard_limited else frozenset(),
    )
    before = Situation(NOW, Config(), snapshot)
    text = json.dumps(snapshot_to_json(before))
    after = situation_from_json(json.loads(text), default_now=NOW)
    assert snapshot_to_json(after) == snapshot_to_json(before)
    assert explanations_to_json(explain_all(after)) == explanations_to_json(explain_all(before))


@pytest.mark.django_db
def test_the_database_and_its_snapshot_are_explained_alike(tmp_path: Path) -> None:
    template = world.template()
    preset = world.preset(template.active_version, 3, scheduling_timezone="UTC")
    preset.schedules.create(cron_expression="* * * * *", desired_instances=2)
    Prebuild(preset, template.active_version).save()
    now = timezone.now().isoformat()
    direct, stored, again = StringIO(), StringIO(), StringIO()
    call_command("prebuilds_explain", "--json", "--now", now, stdout=direct)
    call_command("prebuilds_snapshot", stdout=stored)
    file = tmp_path / "snapshot.json"
    file.write_text(stored.getvalue())
    call_command("prebuilds_explain", "--snapshot", str(file), "--json", "--now", now, stdout=again)
    assert json.loads(again.getvalue()) == json.loads(direct.getvalue())
    (told,) = json.loads(direct.getvalue())["presets"]
    assert told["actions"] == [{"type": "create", "count": 1}]
    assert any('"* * * * *"' in sentence for sentence in told["why"])


@pytest.mark.django_db
def test_a_pause_is_told_and_nothing_is_done(tmp_path: Path, actor: Subject) -> None:
    world.preset(world.template().active_version, 3)
    settings_update(actor=actor, reconciliation_paused=True)
    direct, stored, again, dry = StringIO(), StringIO(), StringIO(), StringIO()
    call_command("prebuilds_explain", "--json", stdout=direct)
    call_command("prebuilds_snapshot", stdout=stored)
    file = tmp_path / "snapshot.json"
    file.write_text(stored.getvalue())
    call_command("prebuilds_explain", "--snapshot", str(file), "--json", stdout=again)
    assert json.loads(again.getvalue()) == json.loads(direct.getvalue())
    (told,) = json.loads(direct.getvalue())["presets"]
    assert told["actions"] == []
    assert "paused" in told["why"][0]
    assert any("3 prebuilds will be created" in sentence for sentence in told["why"])
    call_command("reconcile_prebuilds", "--dry-run", stdout=dry)
    assert "paused" in dry.getvalue()
    settings_update(actor=actor, reconciliation_paused=False)
    call_command("prebuilds_snapshot", stdout=(resumed := StringIO()))
    assert "reconciliation_paused" not in resumed.getvalue()


def test_a_file_is_explained_without_any_database(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    file.write_text(json.dumps({"presets": [{"id": "p", "name": "large", "desired_instances": 1}]}))
    said = StringIO()
    call_command("prebuilds_explain", "--snapshot", str(file), stdout=said)
    assert "1 prebuild will be created" in said.getvalue()
    for text in ("{", "[]", '{"presets": [' + "[" * 100_000):
        file.write_text(text)
        with pytest.raises(CommandError):
            call_command("prebuilds_explain", "--snapshot", str(file))
    with pytest.raises(CommandError, match="cannot read"):
        call_command("prebuilds_explain", "--snapshot", str(tmp_path / "none.json"))
    preset = {"id": "p", "desired_instances": 1, "scheduling_timezone": "UTC"}
    schedule = {"preset_id": "p", "cron_expression": f"* {'9' * 5000} * * *", "desired_instances": 3}
    file.write_text(json.dumps({"presets": [preset], "schedules": [schedule]}))
    call_command("prebuilds_explain", "--snapshot", str(file), stdout=(said := StringIO()))
    assert "in its hour field" in said.getvalue()
