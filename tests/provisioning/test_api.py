"""REST: who sees jobs and workers, and what they show."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from coder_admin.organizations.models import Organization, OrganizationMember, User
from coder_admin.provisioning import selectors, services
from coder_admin.provisioning.choices import JobType
from coder_admin.provisioning.models import ProvisionerDaemon, ProvisionerJob
from rbac import PREBUILDS_USER_ID, SystemSubject, acting_as
from tests.provisioning.test_queue import take, worker

pytestmark = pytest.mark.django_db
MakeJob = Callable[..., ProvisionerJob]


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    def client(user: User) -> APIClient:
        made = APIClient()
        made.force_authenticate(user)
        return made

    return client


@pytest.fixture
def owner() -> User:
    return User.objects.create(username="boss", email="boss@example.com", rbac_roles=["owner"])


@pytest.fixture
def member(person: User, organization: Organization) -> User:
    OrganizationMember.objects.create(user=person, organization=organization)
    return person


def jobs(client: APIClient, organization: Organization, **query: Any) -> Any:
    return client.get(f"/api/v2/organizations/{organization.id}/provisionerjobs", query)


def test_jobs_are_listed_newest_first_with_their_place_in_the_queue(
    make_job: MakeJob, organization: Organization, owner: User, client_of: Any
) -> None:
    prebuild = make_job(initiator_id=uuid.UUID(PREBUILDS_USER_ID))
    first, second = make_job(), make_job()
    elsewhere = make_job(tags={"region": "moon"})
    w = worker()
    taken = take(w)
    assert taken is not None
    answer = jobs(client_of(owner), organization)
    assert answer.status_code == 200
    rows = {row["id"]: row for row in answer.json()}
    assert [row["id"] for row in answer.json()] == [str(j.id) for j in (elsewhere, second, first, prebuild)]
    shown = {
        name: (rows[str(j.id)]["queue_position"], rows[str(j.id)]["queue_size"])
        for name, j in {
            "first": first,
            "second": second,
            "prebuild": prebuild,
            "elsewhere": elsewhere,
        }.items()
    }
    assert shown == {"first": (0, 0), "second": (1, 2), "prebuild": (2, 2), "elsewhere": (1, 1)}
    assert rows[str(first.id)]["status"] == "running"
    assert rows[str(first.id)]["worker_name"] == "w"
    assert rows[str(second.id)]["available_workers"] == [str(w)]
    assert rows[str(elsewhere.id)]["available_workers"] == []


def test_the_list_can_be_narrowed(
    make_job: MakeJob, organization: Organization, owner: User, person: User, client_of: Any
) -> None:
    client = client_of(owner)
    plain, tagged = make_job(), make_job(tags={"contains": "eu"})
    make_job(initiator_id=owner.id)

    def ids(**query: Any) -> set[str]:
        answer = jobs(client, organization, **query)
        assert answer.status_code == 200, answer.json()
        return {row["id"] for row in answer.json()}

    assert ids(ids=f"{plain.id},{tagged.id}") == {str(plain.id), str(tagged.id)}
    assert ids(tags="contains=eu") == {str(tagged.id)}
    assert ids(initiator=person.id) == {str(plain.id), str(tagged.id)}
    assert ids(status="running") == set()
    assert len(ids(status="pending,running", limit=2)) == 2
    for query in ({"ids": "x"}, {"status": "odd"}, {"tags": "nonsense"}, {"limit": "-1"}):
        answer = jobs(client, organization, **query)
        assert answer.status_code == 400
        assert answer.json()["message"]


def test_one_job_and_what_it_is_for(
    make_job: MakeJob, organization: Organization, owner: User, client_of: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(selectors, "_describers", {})
    selectors.register_describer(
        JobType.TEMPLATE_VERSION_DRY_RUN, lambda found: {job.id: {"template_name": "go"} for job in found}
    )
    job = make_job(input={"template_version_id": "v1", "password": "secret"})
    path = f"/api/v2/organizations/{organization.name}/provisionerjobs/{job.id}"
    answer = client_of(owner).get(path)
    assert answer.json()["metadata"] == {"template_name": "go"}
    assert answer.json()["input"] == {"template_version_id": "v1"}
    other = Organization.objects.create(name="other")
    assert client_of(owner).get(path.replace(organization.name, other.name)).status_code == 404
    assert client_of(owner).get(path.replace(str(job.id), str(uuid.uuid4()))).status_code == 404


def test_whoever_may_not_read_jobs_sees_no_list(
    make_job: MakeJob, organization: Organization, member: User, client_of: Any
) -> None:
    job = make_job()
    stranger = User.objects.create(username="stranger", email="s@example.com")
    for user in (member, stranger):
        client = client_of(user)
        base = f"/api/v2/organizations/{organization.id}"
        assert client.get(f"{base}/provisionerjobs").status_code == 404
        assert client.get(f"{base}/provisionerjobs/{job.id}").status_code == 404
    assert APIClient().get(f"/api/v2/organizations/{organization.id}/provisionerjobs").status_code in {
        401,
        403,
    }
    assert (
        client_of(stranger).get(f"/api/v2/organizations/{organization.id}/provisionerdaemons").status_code
        == 404
    )


def test_the_list_costs_the_same_whatever_its_length(
    make_job: MakeJob, organization: Organization, owner: User, client_of: Any
) -> None:
    client = client_of(owner)
    worker()
    make_job()
    jobs(client, organization)
    with CaptureQueriesContext(
        connection,
    ) as few:
        jobs(client, organization)
    for _ in range(10):
        make_job()
    with CaptureQueriesContext(connection) as many:
        assert len(jobs(client, organization).json()) == 11
    assert len(many) == len(few)


def test_workers_show_what_they_do(
    make_job: MakeJob, organization: Organization, owner: User, client_of: Any
) -> None:
    busy, idle, gone = worker(name="busy"), worker(name="idle"), worker(name="gone")
    ProvisionerDaemon.objects.filter(id=gone).update(last_seen_at=timezone.now() - timedelta(seconds=91))
    done, current = make_job(), make_job()
    claim = take(busy)
    assert claim is not None
    services.job_complete(claim=claim, result=None)
    take(busy)
    answer = client_of(owner).get(f"/api/v2/organizations/{organization.id}/provisionerdaemons")
    rows = {row["name"]: row for row in answer.json()}
    assert {name: rows[name]["status"] for name in rows} == {
        "busy": "busy",
        "idle": "idle",
        "gone": "offline",
    }
    assert rows["busy"]["current_job"]["id"] == str(current.id)
    assert rows["busy"]["previous_job"] == {"id": str(done.id), "status": "succeeded"}
    assert rows["idle"]["id"] == str(idle)


def test_a_waiting_job_says_why_nothing_takes_it(make_job: MakeJob) -> None:
    job = make_job(tags={"region": "eu"})
    job.refresh_from_db()
    assert "No provisioner is running" in selectors.waiting_reason(job)
    worker()
    assert selectors.waiting_reason(job).startswith("No provisioner has tags region=eu.")
    assert not selectors.can_be_taken(job)
    worker({"region": "eu"}, "eu")
    assert selectors.waiting_reason(job) == ""
    assert selectors.can_be_taken(job)
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        services.job_cancel(actor=actor, job_id=job.id)
    job.refresh_from_db()
    assert selectors.waiting_reason(job) == ""
