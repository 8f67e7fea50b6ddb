"""What a template could not have set, but a database may hold: told, and the pool works on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import structlog

from coder_admin.catalog.models import TemplateVersionPreset
from prebuilds.exchange import explain_all, explanations_to_json, situation_from_json
from prebuilds.passes import Memory, reconcile_once
from prebuilds.problems import preset_problems
from prebuilds.snapshot import Preset, Schedule
from tests.prebuilds import world

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        (Preset("p"), []),
        (Preset("p", ttl_seconds=0), []),
        (Preset("p", ttl_seconds=3600), []),
        (Preset("p", ttl_seconds=31_536_000), []),
        (Preset("p", ttl_seconds=3599), ["3599 seconds", "used as it is"]),
        (Preset("p", ttl_seconds=31_536_001), ["31536001 seconds", "used as it is"]),
        (Preset("p", ttl_seconds=-1), ["-1 seconds", "No prebuild expires"]),
        (Preset("p", desired_instances=-2), ["base size is -2", "counts as 0"]),
        (Preset("p", scheduling_timezone="Europe/Berlin"), []),
        (Preset("p", scheduling_timezone="Mars/Olympus"), ["Mars/Olympus"]),
    ],
)
def test_single_values(preset: Preset, words: list[str]) -> None:
    problems = preset_problems(preset, ())
    assert len(problems) == bool(words)
    for word in words:
        assert word in problems[0]


def test_a_zone_with_schedules_is_told_once() -> None:
    preset = Preset("p", scheduling_timezone="Mars/Olympus", ttl_seconds=5)
    problems = preset_problems(preset, [Schedule("p", "* 9 * * *", 1)])
    assert [word in problem for word, problem in zip(["Mars", "5 seconds"], problems, strict=True)] == [
        True
    ] * 2


def test_an_explanation_says_it_and_judges_by_the_value() -> None:
    young = {"id": "young", "preset_id": "p", "created_at": (NOON - timedelta(seconds=59)).isoformat()}
    old = {"id": "old", "preset_id": "p", "created_at": (NOON - timedelta(seconds=61)).isoformat()}
    snapshot = {
        "presets": [{"id": "p", "desired_instances": 2, "ttl_seconds": 60}],
        "running": [young, old],
    }
    told = explanations_to_json(explain_all(situation_from_json(snapshot, default_now=NOON)))["presets"][0]
    assert any("time to live is 60 seconds" in sentence for sentence in told["why"])
    assert told["actions"][0] == {"type": "delete", "workspace_ids": ["old"], "reason": "expired"}


@pytest.mark.django_db(transaction=True)
def test_a_pass_logs_it_once_per_change() -> None:
    preset = world.preset(world.template("a").active_version, 0)
    TemplateVersionPreset.objects.update(invalidate_after_secs=7, scheduling_timezone="Mars/Olympus")
    memory = Memory()
    with structlog.testing.capture_logs() as logged:
        for seconds in (7, 7, 8):
            TemplateVersionPreset.objects.filter(id=preset.id).update(invalidate_after_secs=seconds)
            reconcile_once(memory=memory)
    told = [entry["problem"] for entry in logged if entry["event"] == "preset not usable as stored"]
    assert ["7 seconds" in problem for problem in told].count(True) == 1
    assert ["8 seconds" in problem for problem in told].count(True) == 1
    assert ["Mars" in problem for problem in told].count(True) == 2
