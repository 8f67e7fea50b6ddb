"""64 people want a workspace at once from a pool of 40, while the loop runs and other prebuilds expire."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from coder_admin.organizations.models import PREBUILDS_USER_ID, OrganizationMember, User
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from coder_admin.workspaces.services import workspace_create
from prebuilds.models import PrebuildEvent
from prebuilds.reconciler import Reconciler
from rbac.django import subject_for
from tests.prebuilds import world
from tests.prebuilds.world import Prebuild

READY, EXPIRED, CLAIMERS, THREADS = 40, 15, 64, 8


def people() -> list[User]:
    users = [world.person(f"user{number}") for number in range(CLAIMERS)]
    OrganizationMember.objects.bulk_create(
        OrganizationMember(organization=world.organization(), user=user) for user in users
    )
    return users


@pytest.mark.django_db(transaction=True)
def test_every_prebuild_is_claimed_once_and_the_rest_build_cold() -> None:
    template = world.template()
    preset = world.preset(template.active_version, READY, invalidate_after_secs=3600)
    ready = {Prebuild(preset, template.active_version).save().pk for _ in range(READY)}
    expired = {
        Prebuild(preset, template.active_version, age=timedelta(hours=2)).save().pk for _ in range(EXPIRED)
    }
    users = people()
    given: list[tuple[User, Workspace]] = []
    errors: list[Exception] = []
    barrier = threading.Barrier(THREADS + 1)
    boss = subject_for(world.person("boss", ["owner"]))

    def work(mine: list[User]) -> None:
        try:
            barrier.wait(30)
            for user in mine:
                workspace = workspace_create(
                    actor=boss,
                    owner=user,
                    organization=world.organization(),
                    template=template,
                    name="mine",
                    preset_id=preset.id,
                )
                given.append((user, workspace))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    loop = Reconciler(interval=0.2)
    threads = [threading.Thread(target=work, args=(users[n::THREADS],)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    loop.start()
    barrier.wait(30)
    for thread in threads:
        thread.join(100)
    loop.stop()

    assert errors == []
    assert len(given) == CLAIMERS
    claimed = [workspace.pk for _, workspace in given if workspace.pk in ready]
    assert (len(claimed), set(claimed)) == (READY, ready)
    # The expired were left to the loop, and what the loop made meanwhile was not ready.
    cold = {workspace.pk for _, workspace in given} - ready
    assert len(cold) == CLAIMERS - READY
    assert not cold & expired
    for user, workspace in given:
        row = Workspace.objects.select_related("latest_build").get(pk=workspace.pk)
        assert (row.owner_id, row.name, row.deleted) == (user.pk, "mine", False)
        assert row.latest_build is not None
        stage, number = ("claim", 2) if workspace.pk in ready else ("none", 1)
        assert (row.latest_build.prebuild_stage, row.latest_build.build_number) == (stage, number)
    assert PrebuildEvent.objects.filter(kind="claim").count() == READY
    assert PrebuildEvent.objects.filter(kind="miss").count() == CLAIMERS - READY
    # The loop kept to itself: it deleted the expired and never made more than the pool's size.
    deletions = WorkspaceBuild.objects.filter(transition="delete").values_list("workspace", flat=True)
    assert set(deletions) <= expired
    assert Workspace.objects.filter(owner=PREBUILDS_USER_ID).exclude(pk__in=expired).count() <= READY
