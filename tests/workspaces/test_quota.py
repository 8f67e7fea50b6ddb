"""Quota: the pure decision, what counts, and builds of the real engine that are let through or stopped."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.organizations import services as people
from coder_admin.organizations.models import (
    PREBUILDS_USER_ID,
    Group,
    GroupMember,
    OrganizationMember,
    User,
)
from coder_admin.provisioning import queue
from coder_admin.provisioning.choices import JobType
from coder_admin.provisioning.context import JobContext
from coder_admin.provisioning.handlers import JobError
from coder_admin.provisioning.logs import LogFlusher
from coder_admin.provisioning.models import ProvisionerDaemon, ProvisionerJob
from coder_admin.provisioning.services import job_complete, job_fail
from coder_admin.workspaces import quota
from coder_admin.workspaces.build_job import BuildHandler
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from coder_admin.workspaces.quota import UNLIMITED, Quota, commit, decide, quota_of, quotas
from prebuilds.membership import reconcile_memberships
from tests.catalog.factories import make_file, make_version
from tests.people import client, default_organization, organization, person, subject

from .world import IMPORT, World, make_world, reread

MAIN_TF = """
data "coder_parameter" "size" {
  name    = "size"
  type    = "number"
  default = "1"
  mutable = true
}
data "coder_parameter" "region" {
  name    = "region"
  default = "eu"
}
data "coder_workspace" "me" {}
resource "terraform_data" "disk" {
  count = data.coder_workspace.me.start_count
  input = data.coder_parameter.size.value
}
resource "coder_metadata" "disk" {
  count       = data.coder_workspace.me.start_count
  resource_id = terraform_data.disk[0].id
  daily_cost  = data.coder_parameter.size.value * 5
}
"""

numbers = st.integers(0, 40)


@given(used=numbers, allowance=numbers, cost=numbers, carried=numbers, before=numbers)
def test_decision_never_books_more_than_allowed_but_for_what_does_not_grow(
    used: int, allowance: int, cost: int, carried: int, before: int
) -> None:
    found = decide(Quota(used + carried, allowance), cost=cost, carried=carried, before=before)
    if found.permitted:
        assert found.consumed == used + cost
        assert found.consumed <= allowance or cost <= before
    else:
        assert found.consumed == used + carried
        assert used + cost > allowance
        assert cost > before


def test_without_enforcement_everything_fits() -> None:
    assert decide(Quota(10**6, UNLIMITED), cost=10**6, carried=0, before=0).permitted
    assert Quota(3, UNLIMITED).unlimited
    assert (Quota(3, 5).left, Quota(7, 5).left) == (2, 0)


# --- with rows ----------------------------------------------------------------------------------------


@pytest.fixture
def shop(db: None) -> World:
    """The usual world, whose template costs five credits a day for each unit of size."""
    world = make_world()
    file = make_file(world.boss, {"main.tf": MAIN_TF})
    version = make_version(world.boss, world.organization, template=world.template, result=IMPORT, file=file)
    world.activate(version)
    return world


def allow(credits: int, group: Group | None = None) -> None:
    rows = Group.objects.filter(pk=group.pk if group else default_organization().id)
    rows.update(quota_allowance=credits)


def work(workspace: Workspace) -> WorkspaceBuild:
    """Run the waiting build with the real engine and store its end; the worker's runner cannot be used here,
    since it drops connections and with them the test's transaction."""
    daemon = ProvisionerDaemon.objects.create(name=f"w-{uuid.uuid4().hex[:6]}", provisioners=["embedded"])
    taker = queue.Taker(
        worker_id=daemon.id,
        tags={"scope": "organization", "owner": ""},
        host=uuid.uuid4(),
        types=[JobType.WORKSPACE_BUILD.value],
        provisioners=["embedded"],
    )
    claim = queue.claim(taker, now=timezone.now(), lease=timedelta(minutes=1))
    assert claim is not None
    flusher = LogFlusher()
    context = JobContext(claim, flusher.open(claim.job_id))
    context.job = ProvisionerJob.objects.get(id=claim.job_id)
    try:
        result = BuildHandler().execute(context)
    except JobError as error:
        flusher.close(context.buffer)
        job_fail(claim=claim, error=error)
    else:
        flusher.close(context.buffer)
        job_complete(claim=claim, result=result)
    build = reread(workspace).latest_build
    assert build is not None
    return build


def made(shop: World, name: str, size: int, **choices: Any) -> WorkspaceBuild:
    return work(shop.create(name, parameters={"size": str(size)}, **choices))


def used(user: User | uuid.UUID) -> int:
    return quota_of(default_organization().id, user if isinstance(user, uuid.UUID) else user.id).consumed


def test_build_within_the_allowance_is_booked_and_one_beyond_fails_before_anything_is_made(
    shop: World,
) -> None:
    allow(12)
    first = made(shop, "a", 2)
    assert (first.job.job_status, first.daily_cost, used(shop.ada)) == ("succeeded", 10, 10)
    second = made(shop, "b", 1)
    assert (second.job.job_status, second.job.error) == ("failed", quota.ERROR)
    assert second.job.error_code == "INSUFFICIENT_QUOTA"
    assert not second.provisioner_state
    lines = list(second.job.logs.filter(stage="Commit quota").values_list("output", flat=True))
    assert [line.split()[-1] for line in lines[1:3]] == ["12", "10"]
    assert used(shop.ada) == 10


def test_who_is_over_can_stop_and_delete_and_then_has_room(shop: World) -> None:
    allow(10)
    first = made(shop, "a", 2)
    allow(4)
    stopping = shop_services().workspace_stop(actor=subject(shop.ada), workspace=reread(first.workspace))
    assert work(stopping.workspace).job.job_status == "succeeded"
    assert used(shop.ada) == 0
    shop_services().workspace_start(actor=subject(shop.ada), workspace=reread(first.workspace))
    assert work(first.workspace).job.error == quota.ERROR
    shop_services().workspace_delete(actor=subject(shop.ada), workspace=reread(first.workspace))
    assert work(first.workspace).job.job_status == "succeeded"


def shop_services() -> Any:
    from coder_admin.workspaces import services

    return services


def test_a_refused_change_goes_on_costing_what_exists(shop: World) -> None:
    allow(12)
    first = made(shop, "a", 2)
    shop_services().workspace_start(
        actor=subject(shop.ada), workspace=reread(first.workspace), parameters={"size": "4"}
    )
    assert used(shop.ada) == 10  # while it waits, too
    assert work(first.workspace).job.error == quota.ERROR
    assert used(shop.ada) == 10


def test_allowance_is_the_sum_over_the_groups_and_costs_count_per_person_and_organization(
    shop: World,
) -> None:
    boss = subject(shop.boss)
    group = people.group_create(boss, organization=shop.organization, name="devs", quota_allowance=7)
    allow(5)
    assert quota_of(shop.organization.id, shop.ada.id) == Quota(0, 5)
    people.group_update(boss, group=group, add_users=[shop.ada])
    assert quota_of(shop.organization.id, shop.ada.id) == Quota(0, 12)
    other = organization("other")
    people.member_add(boss, organization=other, user=shop.ada)
    places = [(org.id, shop.ada.id) for org in (shop.organization, other)]
    assert list(quotas(places).values()) == [Quota(0, 12), Quota(0, UNLIMITED)]


def test_reading_many_costs_a_constant_number_of_queries(shop: World, django_assert_num_queries: Any) -> None:
    users = [person(f"p{n}") for n in range(6)]
    for many in (users[:1], users):
        with django_assert_num_queries(4):
            quotas([(shop.organization.id, user.id) for user in many])


def test_settings_turn_quotas_on_and_off(shop: World, settings: Any) -> None:
    place = (shop.organization.id, shop.ada.id)
    assert quota_of(*place).unlimited
    assert not quota.enforced(shop.organization.id)
    settings.WORKSPACE_QUOTAS = "on"
    assert quota_of(*place) == Quota(0, 0)
    assert quota.enforced(shop.organization.id)
    allow(3)
    settings.WORKSPACE_QUOTAS = "off"
    assert quota_of(*place).unlimited


def test_pool_pays_from_its_own_group_and_a_claim_from_its_owner(shop: World) -> None:
    allow(50)
    reconcile_memberships()
    group = Group.objects.get(name="coderprebuiltworkspaces")
    GroupMember.objects.get(group=group, user=PREBUILDS_USER_ID)
    allow(0)
    allow(45, group)
    first = work(shop.prebuild(settle=False))  # size 8: 40 credits
    assert (first.job.job_status, used(PREBUILDS_USER_ID)) == ("succeeded", 40)
    refused = work(shop.prebuild(settle=False))
    assert refused.job.error == quota.ERROR
    # The pool's workspace is ready, but its new owner has no allowance: the pool keeps it.
    from coder_admin.workspaces.models import WorkspaceAgent, WorkspaceResource

    resource = WorkspaceResource.objects.filter(workspace_build=first).first()
    assert resource is not None
    WorkspaceAgent.objects.create(
        resource=resource, name="main", auth_token=uuid.uuid4(), lifecycle_state="ready"
    )
    before = Workspace.objects.filter(owner=PREBUILDS_USER_ID).count()
    answer = client(shop.ada).post(
        f"/api/v2/organizations/{shop.organization.name}/members/me/workspaces",
        {"name": "mine", "template_id": str(shop.template.id), "template_version_preset_id": preset(shop)},
        format="json",
    )
    assert answer.status_code == 403, answer.content
    assert "It costs 40 credits a day; 0 of 0 are used." in answer.json()["detail"]
    assert Workspace.objects.filter(owner=PREBUILDS_USER_ID).count() == before
    allow(40)
    claimed = shop.create("mine", preset_id=uuid.UUID(preset(shop)))
    assert claimed.pk == first.workspace_id
    assert used(shop.ada) == 40
    assert work(claimed).job.job_status == "succeeded"
    assert (used(shop.ada), used(PREBUILDS_USER_ID)) == (40, 0)


def preset(shop: World) -> str:
    return str(shop.version.presets.get(name="big").id)


def test_api_tells_used_and_allowed_to_who_may_see_the_member(shop: World) -> None:
    allow(12)
    made(shop, "a", 2)
    org = shop.organization.name
    url = f"/api/v2/organizations/{org}/members/{{}}/workspace-quota"
    expected = {"credits_consumed": 10, "budget": 12}
    assert client(shop.ada).get(url.format("me")).json() == expected
    assert client(shop.ada).get("/api/v2/workspace-quota/me").json() == expected
    assert client(shop.boss).get(url.format("ada")).json() == expected
    assert client(person("ben")).get(url.format("ada")).status_code == 404
    allow(0)
    assert client(shop.ada).get(url.format("me")).json() == {"credits_consumed": 10, "budget": -1}


@pytest.mark.django_db(transaction=True)
def test_two_builds_of_one_person_cannot_both_take_the_last_credits() -> None:
    world = make_world()
    allow(10)
    builds = []
    for name in ("a", "b", "c"):
        with transaction.atomic():
            builds.append(world.create(name).latest_build)
    start, found = threading.Barrier(3), []

    def take(build: WorkspaceBuild) -> None:
        start.wait()
        found.append(commit(build, 6).permitted)
        connections.close_all()

    threads = [threading.Thread(target=take, args=(build,)) for build in builds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, False, True]
    assert OrganizationMember.objects.filter(user=world.ada).exists()
    assert used(world.ada) == 6
