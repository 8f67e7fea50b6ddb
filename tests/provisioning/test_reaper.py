"""Jobs that nobody will finish."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from coder_admin.provisioning import reaper, services
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.handlers import JobCanceled, JobReaped
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.reaper import MAX_ATTEMPTS, PER_SWEEP, Row, Verdict, judge
from rbac import SystemSubject, acting_as
from tests.provisioning.conftest import Recorder
from tests.provisioning.test_queue import take, worker

MakeJob = Callable[..., ProvisionerJob]
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "silent", "lease", "attempt", "verdict"),
    [
        (JobStatus.RUNNING, 10, 20, 1, Verdict.KEEP),
        (JobStatus.RUNNING, 40, -1, 1, Verdict.RELEASE),
        (JobStatus.RUNNING, 40, -1, MAX_ATTEMPTS, Verdict.LOST),
        (JobStatus.RUNNING, 299, 20, 1, Verdict.KEEP),
        (JobStatus.RUNNING, 300, 20, 1, Verdict.HUNG),
        (JobStatus.RUNNING, 300, None, 1, Verdict.HUNG),
        (JobStatus.CANCELING, 40, -1, 1, Verdict.CANCEL),
        (JobStatus.CANCELING, 10, 20, 1, Verdict.KEEP),
        (JobStatus.PENDING, 1799, None, 0, Verdict.KEEP),
        (JobStatus.PENDING, 1800, None, 0, Verdict.PENDING),
        (JobStatus.SUCCEEDED, 9999, None, 1, Verdict.KEEP),
        (JobStatus.FAILED, 9999, -1, 1, Verdict.KEEP),
    ],
)
def test_the_verdict(
    status: JobStatus, silent: int, lease: int | None, attempt: int, verdict: Verdict
) -> None:
    expires = None if lease is None else NOW + timedelta(seconds=lease)
    assert judge(Row(status, NOW - timedelta(seconds=silent), expires, attempt), now=NOW) is verdict


def age(job: ProvisionerJob, **fields: object) -> None:
    ProvisionerJob.objects.filter(id=job.id).update(**fields)


@pytest.mark.django_db
def test_a_job_whose_worker_died_goes_back_to_the_queue(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    take(worker(name="gone"))
    now = timezone.now() + timedelta(seconds=31)
    assert reaper.sweep(now=now) == 1
    job.refresh_from_db()
    assert (job.job_status, job.worker_id, job.attempt) == (JobStatus.PENDING, None, 1)
    line = job.logs.get()
    assert line.level == "warn"
    assert '"gone" stopped answering' in line.output
    assert recorder.failed == []
    assert reaper.sweep(now=now) == 0


@pytest.mark.django_db
def test_a_job_that_no_worker_survives_is_given_up(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    now = timezone.now()
    for _ in range(MAX_ATTEMPTS):
        assert take(worker()) is not None
        age(job, lease_expires_at=now)
        assert reaper.sweep(now=now + timedelta(seconds=1)) == 1
    job.refresh_from_db()
    assert job.job_status == JobStatus.FAILED
    assert job.error.startswith("Coder: Build was given up")
    assert [type(error) for _, error in recorder.failed] == [JobReaped]


@pytest.mark.django_db
def test_a_job_that_waited_too_long_is_ended_with_five_lines(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    age(job, updated_at=timezone.now() - timedelta(minutes=31))
    assert reaper.sweep(now=timezone.now()) == 1
    job.refresh_from_db()
    text = "Coder: Build has been detected as pending for 30 minutes and has been terminated by the reaper."
    assert (job.job_status, job.error) == (JobStatus.FAILED, text)
    assert job.started_at is not None
    lines = list(job.logs.values_list("level", "stage", "output"))
    assert len(lines) == 5
    assert {(level, stage) for level, stage, _ in lines} == {("error", "Unknown")}
    assert lines[2][2] == text


@pytest.mark.django_db
def test_a_hung_job_is_ended_under_its_last_stage(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    take(worker())
    services.log_append(job_id=job.id, lines=[Line(timezone.now(), "Applying", "still here")])
    age(job, updated_at=timezone.now() - timedelta(minutes=6), lease_expires_at=None)
    assert reaper.sweep(now=timezone.now()) == 1
    job.refresh_from_db()
    assert "detected as hung for 5 minutes" in job.error
    assert set(job.logs.values_list("stage", flat=True)) == {"Applying"}


@pytest.mark.django_db
def test_log_counters_that_somebody_else_has_moved_are_read_anew(make_job: MakeJob) -> None:
    job, lines = make_job(), [Line(timezone.now(), "Applying", "12345")]
    seen = services.log_append(job_id=job.id, lines=lines)
    services.log_append(job_id=job.id, lines=lines)
    assert services.log_append(job_id=job.id, lines=lines, known=seen) == services.LogCount(15, False)
    job.refresh_from_db()
    assert (job.logs_length, job.logs.count()) == (15, 3)
    assert services.log_append(job_id=uuid.uuid4(), lines=lines) is None


@pytest.mark.django_db
def test_a_canceled_job_whose_worker_died_is_canceled(make_job: MakeJob, recorder: Recorder) -> None:
    job = make_job()
    take(worker())
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        services.job_cancel(actor=actor, job_id=job.id)
    reaper.sweep(now=timezone.now() + timedelta(minutes=1))
    job.refresh_from_db()
    assert job.job_status == JobStatus.CANCELED
    assert [type(error) for _, error in recorder.failed] == [JobCanceled]


@pytest.mark.django_db
def test_a_canceled_job_that_its_worker_does_not_let_go_of_is_ended_after_the_grace(
    make_job: MakeJob, recorder: Recorder, settings: Any
) -> None:
    settings.TERRAFORM_GRACE_SECONDS = 180
    job = make_job()
    claim = take(worker())
    assert claim is not None
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        services.job_cancel(actor=actor, job_id=job.id)
    alive = timezone.now() + timedelta(hours=1)
    age(job, lease_expires_at=alive)
    assert reaper.sweep(now=timezone.now() + timedelta(seconds=230)) == 0
    assert reaper.sweep(now=timezone.now() + timedelta(seconds=250)) == 1
    job.refresh_from_db()
    assert job.job_status == JobStatus.CANCELED
    # The worker that comes back at last finds that the job is no longer its own.
    with pytest.raises(services.ClaimLost):
        services.job_complete(claim=claim, result=None)
    assert [type(error) for _, error in recorder.failed] == [JobCanceled]


@pytest.mark.django_db
def test_one_job_that_cannot_be_ended_does_not_hold_up_the_others(
    make_job: MakeJob, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, other = make_job(), make_job()
    for n, job in enumerate((poison, other)):
        age(job, updated_at=timezone.now() - timedelta(minutes=40 - n))

    def fail(job: ProvisionerJob, error: Exception) -> None:
        if job.id == poison.id:
            raise RuntimeError("poison")

    monkeypatch.setattr(recorder, "fail", fail)
    assert reaper.sweep(now=timezone.now()) == 1
    poison.refresh_from_db()
    other.refresh_from_db()
    assert (poison.job_status, other.job_status) == (JobStatus.PENDING, JobStatus.FAILED)


@pytest.mark.django_db
def test_a_sweep_is_bounded(make_job: MakeJob, recorder: Recorder) -> None:
    for _ in range(PER_SWEEP + 2):
        age(make_job(), updated_at=timezone.now() - timedelta(minutes=31))
    assert reaper.sweep(now=timezone.now()) == PER_SWEEP
    assert reaper.sweep(now=timezone.now()) == 2
