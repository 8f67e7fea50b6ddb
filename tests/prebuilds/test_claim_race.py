"""64 people want a workspace at once from a pool of 40, while the loop runs and prebuilds expire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.organizations.models import PREBUILDS_USER_ID, OrganizationMember, User
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from coder_admin.workspaces.services import workspace_create
from prebuilds.models import PrebuildEvent
from prebuilds.passes import reconcile_once
from prebuilds.reconciler import Reconciler
from rbac.django import subject_for
from tests.prebuilds import world
from tests.prebuilds.crowd import Crowd
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db(transaction=True)

POOL, CLAIMERS = 40, 64
TTL = timedelta(hours=1)


@dataclass
class Given:
    """One request, as who made it saw it."""

    user: UUID
    workspace: UUID
    began: datetime


def people() -> list[User]:
    users = [world.person(f"user{number}") for number in range(CLAIMERS)]
    OrganizationMember.objects.bulk_create(
        OrganizationMember(organization=world.organization(), user=user) for user in users
    )
    return users


@contextmanager
def looping() -> Iterator[None]:
    """The loop, which here hears of no claim (they happen in other processes): it looks all the time."""
    loop = Reconciler(interval=0.1)
    loop.start()
    try:
        yield
    finally:
        loop.stop()


def prebuilds(
    preset: TemplateVersionPreset, count: int, age: timedelta = timedelta(minutes=5), **fields: Any
) -> list[UUID]:
    return [Prebuild(preset, preset.template_version, age=age, **fields).save().pk for _ in range(count)]


def crowd_for(template: Template, preset: TemplateVersionPreset) -> Crowd:
    users, boss = people(), subject_for(world.person("boss", ["owner"]))
    organization = world.organization()

    def deed(number: int) -> dict[str, Any]:
        began = timezone.now().isoformat()
        workspace = workspace_create(
            actor=boss,
            owner=users[number],
            organization=organization,
            template=template,
            name="mine",
            preset_id=preset.id,
        )
        return {"user": str(users[number].pk), "workspace": str(workspace.pk), "began": began}

    return Crowd(deed, CLAIMERS)


def expire_around_now(ids: Sequence[UUID], first: timedelta, step: timedelta) -> dict[UUID, datetime]:
    """Let these prebuilds expire one after the other; returns when each does."""
    start = timezone.now() + first
    ends = {pk: start + place * step for place, pk in enumerate(ids)}
    for pk, end in ends.items():
        Workspace.objects.filter(pk=pk).update(created_at=end - TTL)
    return ends


def race(crowd: Crowd) -> list[Given]:
    """Everybody got one workspace of their own, prebuilt or cold, and each of it is accounted for."""
    crowd.release()
    answers = crowd.results()
    assert [answer["error"] for answer in answers if "error" in answer] == []
    given = [
        Given(UUID(a["user"]), UUID(a["workspace"]), datetime.fromisoformat(a["began"])) for a in answers
    ]
    assert len(given) == len({item.user for item in given}) == CLAIMERS
    assert len({item.workspace for item in given}) == CLAIMERS
    return given


def assert_accounted_for(given: Sequence[Given], pool: set[UUID]) -> set[UUID]:
    """The rows say what the claimers were told; returns the claimed."""
    rows = {
        row.pk: row
        for row in Workspace.objects.exclude(owner=PREBUILDS_USER_ID).select_related("latest_build")
    }
    assert set(rows) == {item.workspace for item in given}
    for item in given:
        row = rows[item.workspace]
        assert (row.owner_id, row.name, row.deleted) == (item.user, "mine", False)
        assert row.latest_build is not None
        stage, number = ("claim", 2) if row.pk in pool else ("none", 1)
        assert (row.latest_build.prebuild_stage, row.latest_build.build_number) == (stage, number)
    claimed = {item.workspace for item in given} & pool
    events = Counter(PrebuildEvent.objects.values_list("kind", "workspace"))
    assert events == Counter(
        ("claim" if item.workspace in pool else "miss", item.workspace) for item in given
    )
    deletions = list(WorkspaceBuild.objects.filter(transition="delete").values_list("workspace", flat=True))
    assert len(deletions) == len(set(deletions))
    assert not set(deletions) & claimed
    return claimed


def deleted() -> set[UUID]:
    return set(WorkspaceBuild.objects.filter(transition="delete").values_list("workspace", flat=True))


def refill(pool: set[UUID]) -> int:
    """How many the loop made, and began to delete nothing of."""
    return Workspace.objects.filter(owner=PREBUILDS_USER_ID).exclude(pk__in=pool).count()


def test_every_prebuild_is_claimed_once_and_the_rest_build_cold() -> None:
    """40 good ones; others have expired, and others again, never ready, do so meanwhile."""
    template, unready = world.template(), 10
    size = POOL + unready
    preset = world.preset(template.active_version, size, invalidate_after_secs=int(TTL.total_seconds()))
    good = set(prebuilds(preset, POOL))
    expired = set(prebuilds(preset, 15, age=2 * TTL))
    fading = prebuilds(preset, unready, agents=("starting",))
    crowd = crowd_for(template, preset)
    expire_around_now(fading, timedelta(), timedelta(seconds=0.05))
    with looping():
        given = race(crowd)
    pool = good | expired | set(fading)
    assert assert_accounted_for(given, pool) == good
    # The loop kept to itself: it deletes what expired, and fills up to the pool's size.
    assert deleted() <= expired | set(fading)
    reconcile_once(timezone.now() + timedelta(seconds=1))
    assert deleted() == expired | set(fading)
    assert refill(pool) == size


def test_what_expires_during_the_race_is_claimed_before_that_or_not_at_all() -> None:
    """Half of the pool crosses its time from just before the start on, one by one."""
    template = world.template()
    preset = world.preset(template.active_version, POOL, invalidate_after_secs=int(TTL.total_seconds()))
    good = set(prebuilds(preset, POOL // 2))
    fading = prebuilds(preset, POOL // 2)
    crowd = crowd_for(template, preset)
    with looping():
        ends = expire_around_now(fading, timedelta(seconds=-0.06), timedelta(seconds=0.02))
        given = race(crowd)
    pool = good | set(fading)
    claimed = assert_accounted_for(given, pool)
    assert claimed >= good
    late = [item for item in given if item.workspace in ends and item.began > ends[item.workspace]]
    assert late == []
    # Each of the others is deleted, by the loop at its time or by a pass after the race.
    reconcile_once(max(ends.values()) + timedelta(seconds=1))
    assert deleted() == pool - claimed
    assert fading[0] in deleted()
    assert refill(pool) == POOL
