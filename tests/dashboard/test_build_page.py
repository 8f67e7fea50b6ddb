"""The page of a build: why it waits, where its time went, what it left, and who sees that."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coder_admin.organizations.models import User
from coder_admin.provisioning.models import ProvisionerJob, ProvisionerJobTiming
from coder_admin.workspaces.models import WorkspaceBuild
from tests.provisioning.test_queue import worker
from tests.workspaces.world import World, finish, make_world

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
STATE = {
    "format": "coder-admin/embedded",
    "resources": [
        {
            "address": "coder_agent.main",
            "type": "coder_agent",
            "attributes": {"os": "linux", "token": "hush-hush"},
            "sensitive": [["token"]],
        }
    ],
}


def page(client: Client, name: str, part: str = "") -> str:
    answer = client.get(reverse("dashboard:build", args=("ada", name, 1)), {"part": part} if part else {})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def here() -> World:
    return make_world()


def test_a_waiting_build_says_its_place_and_why_nothing_takes_it(here: World, client_of: ClientOf) -> None:
    build = here.create("dev").latest_build
    assert build is not None
    client = client_of(here.ada)
    assert "No provisioner is running." in page(client, "dev")
    worker({"region": "us"}, "far")
    ProvisionerJob.objects.filter(pk=build.job_id).update(
        tags={"owner": "", "region": "eu", "scope": "organization"}
    )
    shown = page(client, "dev", "error")
    assert (
        "No provisioner has tags region=eu. Start one with: manage.py provisioner --tags region=eu" in shown
    )
    assert "It is number 1 of 1 in the queue." in page(client, "dev", "sentence")
    worker({"region": "eu"}, "near")
    assert "Nothing can take" not in page(client, "dev", "error")


def test_a_finished_build_shows_its_time_and_what_it_left(here: World, client_of: ClientOf) -> None:
    build = here.create("dev").latest_build
    assert build is not None
    finish(build)
    begin = timezone.now()
    for stage, resource, action in (
        ("plan", "", ""),
        ("apply", "", ""),
        ("apply", "null_resource.a", "create"),
    ):
        ProvisionerJobTiming.objects.create(
            job_id=build.job_id,
            stage=stage,
            resource=resource,
            action=action,
            started_at=begin,
            ended_at=begin + timedelta(seconds=2),
        )
    row = WorkspaceBuild.objects.get(pk=build.pk)
    row.provisioner_state = json.dumps(STATE).encode()
    row.save()
    shown = page(client_of(here.boss), "dev")
    for text in ("Timings", "Planning", "Applying", "null_resource.a create", "2.0 s", "<svg"):
        assert text in shown
    assert "coder_agent.main" in shown
    assert "hidden (sensitive)" in shown
    assert "hush-hush" not in shown
    own = page(client_of(here.ada), "dev")
    assert "Timings" in own
    assert 'id="build-state"' not in own, "the state is for those who manage the template"
