"""Every cause of a pass: what leaves after the commit, whose pools it is about, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.catalog.services.templates import template_delete, template_deprecate
from coder_admin.catalog.services.versions import version_promote
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.agents import agent_lifecycle
from coder_admin.workspaces.models import Workspace, WorkspaceBuild, WorkspaceResource
from coder_admin.workspaces.outcomes import BuildOutcome, store_failure, store_success
from coder_admin.workspaces.services import build_cancel
from prebuilds.claim import claim
from prebuilds.models import PoolSample
from prebuilds.reconciler import Reconciler
from prebuilds.services import (
    preset_build_one,
    preset_invalidate,
    preset_reset,
    settings_update,
    template_invalidate,
)
from prebuilds.wake import TOPIC
from rbac import Subject
from tests.prebuilds import world
from tests.prebuilds.conftest import claim_request
from tests.prebuilds.test_reconciler import eventually, quiet
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN = 2.0  # seconds: the promise is one, the rest is allowance for a busy machine


# -- the causes, through the service that a person, a worker or an agent uses ----------------------


@dataclass
class Scene:
    """One template with a pool of one, which is full."""

    actor: Subject
    template: Template
    preset: TemplateVersionPreset
    prebuild: Workspace

    def build(self) -> WorkspaceBuild:
        build = self.prebuild.latest_build
        assert build is not None
        return build


def claim_one(scene: Scene) -> None:
    with transaction.atomic():
        assert claim(claim_request(scene.preset, world.person())) is not None


def finish_a_build(scene: Scene) -> None:
    build = scene.build()
    with transaction.atomic():
        build.job.started_at = build.job.completed_at = timezone.now()
        build.job.save()
        store_success(build, BuildOutcome(state=b""))


def fail_a_build(scene: Scene) -> None:
    build = scene.build()
    with transaction.atomic():
        build.job.started_at = build.job.completed_at = timezone.now()
        build.job.error = "broken"
        build.job.save()
        store_failure(build, b"")


def report_ready(scene: Scene) -> None:
    resource = WorkspaceResource.objects.get(workspace_build=scene.build())
    agent_lifecycle(agent=resource.agents.get(), state="ready")


def promote(scene: Scene) -> None:
    version = world.version(scene.template, "v2")
    world.preset(version, 1)
    version_promote(actor=scene.actor, template=scene.template, version=version)


def deprecate(scene: Scene) -> None:
    template_deprecate(actor=scene.actor, template=scene.template, message="old")


def delete(scene: Scene) -> None:
    template_delete(actor=scene.actor, template=scene.template)


def invalidate(scene: Scene) -> None:
    template_invalidate(actor=scene.actor, template=scene.template)


def invalidate_preset(scene: Scene) -> None:
    preset_invalidate(actor=scene.actor, preset=scene.preset)


def reset(scene: Scene) -> None:
    preset_reset(actor=scene.actor, preset=scene.preset)


def cancel_a_build(scene: Scene) -> None:
    build_cancel(actor=scene.actor, build_=scene.build(), expect_status="")


def resume(scene: Scene) -> None:
    settings_update(actor=scene.actor, reconciliation_paused=False)


def build_one(scene: Scene) -> None:
    preset_build_one(actor=scene.actor, preset=scene.preset)


# -- what the loop makes of them ---------------------------------------------------------------------


def waiting(transition: str = "start") -> Callable[[Scene], bool]:
    """Whether a build of this kind was begun by the loop for the template's pool."""

    def question(scene: Scene) -> bool:
        begun = WorkspaceBuild.objects.filter(
            workspace__template=scene.template, transition=transition, job__job_status="pending"
        )
        return begun.exclude(workspace=scene.prebuild, transition="start").exists()

    return question


def both(scene: Scene) -> bool:
    return waiting("delete")(scene) and waiting("start")(scene)


def sampled(**counts: int) -> Callable[[Scene], bool]:
    """Whether the loop saw these counts."""

    def question(scene: Scene) -> bool:
        last = PoolSample.objects.filter(template=scene.template).order_by("at", "id").last()
        return last is not None and all(getattr(last, name) == count for name, count in counts.items())

    return question


@dataclass(frozen=True)
class Case:
    """What happens to a pool of one, in which state its prebuild is, and what the loop makes of it."""

    act: Callable[[Scene], None]
    effect: Callable[[Scene], bool]
    status: str = "succeeded"
    agents: tuple[str, ...] = ("ready",)
    everywhere: bool = False
    before: Callable[[Scene], None] = lambda scene: None


def break_it(scene: Scene) -> None:
    """The pool is empty and the preset was refused."""
    Workspace.objects.filter(pk=scene.prebuild.pk).update(deleted=True)
    TemplateVersionPreset.objects.filter(pk=scene.preset.pk).update(prebuild_status="validation_failed")


def pause_while_empty(scene: Scene) -> None:
    Workspace.objects.filter(pk=scene.prebuild.pk).update(deleted=True)
    settings_update(actor=scene.actor, reconciliation_paused=True)


CASES = [
    Case(claim_one, waiting()),
    Case(finish_a_build, sampled(starting=0, unready=1), status="running"),
    Case(fail_a_build, sampled(starting=0, unready=0), status="running"),
    Case(cancel_a_build, waiting(), status="pending"),
    Case(report_ready, sampled(ready=1), agents=("starting",)),
    Case(promote, both),
    Case(deprecate, waiting("delete")),
    Case(delete, waiting("delete")),
    Case(invalidate, both),
    Case(invalidate_preset, both),
    Case(reset, waiting(), before=break_it),
    Case(build_one, sampled(starting=1)),
    Case(resume, waiting(), everywhere=True, before=pause_while_empty),
]


def scene_of(case: Case, actor: Subject) -> Scene:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    agents = case.agents if case.status == "succeeded" else ()
    prebuild = Prebuild(preset, template.active_version, case.status, agents=agents).save()
    scene = Scene(actor, template, preset, prebuild)
    case.before(scene)
    return scene


def of(case: Case) -> str:
    return case.act.__name__


@pytest.fixture
def loop() -> Iterator[Reconciler]:
    """Its timer never comes."""
    made = Reconciler(interval=3600)
    yield made
    made.stop()


@pytest.mark.parametrize("case", CASES, ids=of)
def test_each_cause_is_told_after_its_commit_and_of_its_template_alone(
    case: Case, actor: Subject, recorded_events: list[tuple[str, dict[str, Any]]]
) -> None:
    scene = scene_of(case, actor)
    recorded_events.clear()
    with transaction.atomic():
        case.act(scene)
        assert recorded_events == []
    told = [event.get("template_id") for topic, event in recorded_events if topic == TOPIC]
    assert set(told) == {None if case.everywhere else str(scene.template.id)}


@pytest.mark.parametrize("case", CASES, ids=of)
def test_what_is_undone_wakes_nobody(
    case: Case, actor: Subject, recorded_events: list[tuple[str, dict[str, Any]]]
) -> None:
    scene = scene_of(case, actor)
    recorded_events.clear()
    with transaction.atomic():
        case.act(scene)
        transaction.set_rollback(True)
    assert recorded_events == []


@pytest.mark.parametrize("case", CASES, ids=of)
def test_each_cause_takes_effect_at_once_in_its_pool_alone(
    case: Case, actor: Subject, loop: Reconciler
) -> None:
    scene = scene_of(case, actor)
    other = world.template("other")
    loop.start()
    quiet()
    assert not case.effect(scene)
    # Written behind the loop's back: only a pass over everything finds that this pool is empty.
    world.preset(other.active_version, 1)
    case.act(scene)
    took = eventually(lambda: case.effect(scene))
    quiet()
    assert took < WITHIN
    filled = Workspace.objects.filter(template=other, owner=PREBUILDS_USER_ID).exists()
    assert filled == case.everywhere
