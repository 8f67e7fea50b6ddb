"""Taking jobs: who is first, who may, and never twice."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from coder_admin.foundation.errors import Invalid, NotFound, PreconditionFailed
from coder_admin.provisioning import daemons, queue, services
from coder_admin.provisioning.choices import JobPriority, JobStatus, JobType
from coder_admin.provisioning.handlers import JobCanceled
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.tags import UNTAGGED, normalise
from rbac import PREBUILDS_USER_ID, SystemSubject, acting_as
from tests.provisioning.conftest import Recorder

MakeJob = Callable[..., ProvisionerJob]
LEASE = timedelta(seconds=30)
HERE, ELSEWHERE = uuid.uuid4(), uuid.uuid4()


def worker(tags: dict[str, str] | None = None, name: str = "w") -> uuid.UUID:
    registration = daemons.Registration(name, normalise(tags), 1)
    return daemons.register(registration, now=timezone.now())


def take(
    worker_id: uuid.UUID, tags: dict[str, str] | None = None, *, at: datetime | None = None, **facts: Any
) -> queue.Claim | None:
    described = {"host": HERE, "types": JobType.values, "provisioners": ("embedded",), **facts}
    taker = queue.Taker(worker_id, normalise(tags), **described)
    return queue.claim(taker, now=at or timezone.now(), lease=LEASE)


@pytest.mark.django_db
def test_people_come_before_prebuilds_and_then_the_oldest(make_job: MakeJob) -> None:
    prebuild = make_job(initiator_id=uuid.UUID(PREBUILDS_USER_ID))
    first, second = make_job(), make_job()
    assert prebuild.priority == JobPriority.PREBUILD
    w = worker()
    taken = [claim.job_id for claim in iter(lambda: take(w), None)]
    assert taken == [first.id, second.id, prebuild.id]


@pytest.mark.django_db
def test_a_claim_says_who_has_the_job(make_job: MakeJob) -> None:
    job = make_job()
    w = worker()
    claim = take(w)
    assert claim == queue.Claim(job.id, w, 1)
    job.refresh_from_db()
    assert job.job_status == JobStatus.RUNNING
    assert job.worker_id == w
    assert job.lease_expires_at is not None
    assert job.started_at is not None


@pytest.mark.django_db
def test_tags_decide_who_may_take_a_job(make_job: MakeJob) -> None:
    plain, european = make_job(), make_job(tags={"region": "eu"})
    assert take(worker({"region": "us"}, "us"), {"region": "us"}) is None
    eu = worker({"region": "eu", "gpu": "yes"}, "eu")
    claim = take(eu, {"region": "eu", "gpu": "yes"})
    assert claim is not None
    assert claim.job_id == european.id
    assert take(eu, {"region": "eu"}) is None
    claim = take(worker(name="plain"))
    assert claim is not None
    assert claim.job_id == plain.id


@pytest.mark.django_db
def test_a_job_behind_many_that_nobody_here_can_run_is_found(make_job: MakeJob) -> None:
    for _ in range(queue.HEAD + 5):
        make_job(tags={"region": "moon"})
    mine = make_job(tags={"region": "eu", "b": "1"})
    claim = take(worker({"region": "eu"}), {"b": "1", "region": "eu"})
    assert claim is not None
    assert claim.job_id == mine.id


@pytest.mark.django_db(transaction=True)
def test_many_workers_never_take_one_job_twice(make_job: MakeJob) -> None:
    jobs = {make_job().id for _ in range(24)}
    taken: list[uuid.UUID] = []
    workers = [worker(name=f"w{n}") for n in range(6)]
    start = threading.Barrier(len(workers))

    def run(worker_id: uuid.UUID) -> None:
        start.wait()
        while (claim := take(worker_id)) is not None:
            taken.append(claim.job_id)
        connection.close()

    threads = [threading.Thread(target=run, args=(w,)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(jobs)
    assert set(taken) == jobs


@pytest.mark.django_db
def test_only_the_holder_renews_and_learns_of_a_cancel(make_job: MakeJob) -> None:
    make_job()
    w = worker()
    claim = take(w)
    assert claim is not None
    later = timezone.now() + timedelta(minutes=1)
    stale = queue.Claim(claim.job_id, w, claim.attempt - 1)
    kept = queue.look_after([claim, stale], now=later, renew_until=later + LEASE)
    assert kept.held == {claim}
    assert kept.canceled == frozenset()
    assert ProvisionerJob.objects.get().lease_expires_at == later + LEASE
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        services.job_cancel(actor=actor, job_id=claim.job_id)
    assert queue.look_after([claim], now=later, renew_until=None).canceled == {claim.job_id}


@pytest.mark.django_db
def test_a_lost_claim_stores_nothing(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    old = take(worker(name="old"))
    assert old is not None
    assert queue.release(old, now=timezone.now(), count_attempt=True)
    new = take(worker(name="new"))
    assert new is not None
    assert new.attempt == 2
    with pytest.raises(services.ClaimLost):
        services.job_complete(claim=old, result="from the dead")
    assert recorder.completed == []
    services.job_complete(claim=new, result="kept")
    assert recorder.completed == [(job.id, "kept")]
    assert ProvisionerJob.objects.get().job_status == JobStatus.SUCCEEDED


@pytest.mark.django_db
def test_canceling_a_waiting_job_ends_it_at_once(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        ended = services.job_cancel(actor=actor, job_id=job.id, expect_status="pending")
        assert ended.completed_at is not None
        job.refresh_from_db()
        assert job.job_status == JobStatus.CANCELED
        assert [type(error) for _, error in recorder.failed] == [JobCanceled]
        assert take(worker()) is None
        with pytest.raises(Invalid, match="already completed"):
            services.job_cancel(actor=actor, job_id=job.id)


@pytest.mark.django_db
def test_canceling_answers_by_status(make_job: MakeJob) -> None:
    job = make_job()
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        for expected, error in (("running", PreconditionFailed), ("done", Invalid)):
            with pytest.raises(error):
                services.job_cancel(actor=actor, job_id=job.id, expect_status=expected)
        take(worker())
        services.job_cancel(actor=actor, job_id=job.id)
        job.refresh_from_db()
        assert job.job_status == JobStatus.CANCELING
        with pytest.raises(Invalid, match="already"):
            services.job_cancel(actor=actor, job_id=job.id)
        with pytest.raises(NotFound):
            services.job_cancel(actor=actor, job_id=uuid.uuid4())


@pytest.mark.django_db
def test_tags_are_settled_when_the_job_is_made(make_job: MakeJob, person: Any) -> None:
    assert make_job().tags == dict(UNTAGGED)
    assert make_job(tags={"scope": "user"}).tags == {"scope": "user", "owner": str(person.id)}


@pytest.mark.django_db
def test_a_job_goes_to_a_worker_that_has_its_engine(make_job: MakeJob, settings: Any) -> None:
    settings.PROVISIONER_ENGINE = "terraform"
    job = make_job()
    w = worker()
    assert take(w) is None
    claim = take(w, provisioners=("embedded", "terraform"))
    assert claim is not None
    assert claim.job_id == job.id


@pytest.mark.django_db
def test_what_was_left_half_done_goes_first_to_the_machine_that_knows_of_it(make_job: MakeJob) -> None:
    job = make_job()
    w = worker()
    local: dict[str, Any] = {"local_types": [job.type]}
    claim = take(w, **local)
    assert claim is not None
    now = timezone.now()
    assert queue.release(claim, now=now, count_attempt=True)
    job.refresh_from_db()
    assert job.host == HERE
    assert take(w, host=ELSEWHERE, **local) is None
    assert take(w, host=ELSEWHERE) is not None, "nothing is left of other types"
    ProvisionerJob.objects.filter(id=job.id).update(started_at=None, worker=None, host=HERE, updated_at=now)
    assert take(w, host=ELSEWHERE, at=now + timedelta(minutes=4, seconds=59), **local) is None
    assert take(w, host=ELSEWHERE, at=now + timedelta(minutes=5), **local) is not None
