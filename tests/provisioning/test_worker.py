"""The worker with real threads: work, failures, cancels, logs, interruption, speed of waking."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.provisioning import services, wake
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.handlers import JobFailed
from coder_admin.provisioning.limits import OVERFLOW_NOTICE
from coder_admin.provisioning.models import ProvisionerDaemon, ProvisionerJob, ProvisionerJobLog
from coder_admin.provisioning.worker import Worker, on_start
from rbac import SystemSubject, acting_as
from tests.provisioning.conftest import Recorder, eventually

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., ProvisionerJob]


@pytest.fixture
def worker(recorder: Recorder) -> Iterator[Worker]:
    with Worker(concurrency=2, name="test", sweep_seconds=30) as running:
        yield running


def ended(job: ProvisionerJob, status: JobStatus) -> ProvisionerJob:
    def look() -> ProvisionerJob | None:
        job.refresh_from_db()
        return job if job.completed_at is not None else None

    eventually(look, what="the job's end")
    assert job.job_status == status, job.error
    return job


def cancel(job: ProvisionerJob) -> None:
    with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
        services.job_cancel(actor=actor, job_id=job.id)


def test_a_job_is_run_and_its_result_stored(worker: Worker, recorder: Recorder, make_job: MakeJob) -> None:
    def work(ctx: Any) -> str:
        with ctx.timing("plan", resource="null_resource.a", action="create"):
            ctx.log("Planning", "one\ntwo")
        return "result"

    recorder.work = work
    job = ended(make_job(input={"a": 1}), JobStatus.SUCCEEDED)
    assert recorder.completed == [(job.id, "result")]
    assert job.worker_id == worker.id
    assert job.lease_expires_at is None
    assert list(job.logs.values_list("stage", "output", "level")) == [
        ("Planning", "one", "info"),
        ("Planning", "two", "info"),
    ]
    timing = job.timings.get()
    assert (timing.stage, timing.resource, timing.action) == ("plan", "null_resource.a", "create")
    assert timing.started_at <= timing.ended_at


def test_a_failure_keeps_its_reason(worker: Worker, recorder: Recorder, make_job: MakeJob) -> None:
    def work(ctx: Any) -> None:
        ctx.log("Applying", "so far so good")
        raise JobFailed("No disk space is left.", code="disk")

    recorder.work = work
    job = ended(make_job(), JobStatus.FAILED)
    assert (job.error, job.error_code) == ("No disk space is left.", "disk")
    assert list(job.logs.values_list("level", "output")) == [
        ("info", "so far so good"),
        ("error", "No disk space is left."),
    ]
    assert [str(error) for _, error in recorder.failed] == ["No disk space is left."]


def test_an_error_of_the_program_fails_the_job_without_its_details(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    def work(ctx: Any) -> None:
        raise KeyError("password=hunter2")

    recorder.work = work
    job = ended(make_job(), JobStatus.FAILED)
    assert "KeyError" in job.error
    assert "hunter2" not in job.error


def test_a_result_that_cannot_be_stored_fails_the_job_and_leaves_nothing(
    worker: Worker, recorder: Recorder, make_job: MakeJob, organization: Any
) -> None:
    def store(job: ProvisionerJob, result: Any) -> None:
        organization.display_name = "half done"
        organization.save()
        raise RuntimeError("broken")

    recorder.on_complete = store
    ended(make_job(), JobStatus.FAILED)
    organization.refresh_from_db()
    assert organization.display_name == ""


def test_a_failure_whose_text_no_database_takes_still_ends_the_job(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    def work(ctx: Any) -> None:
        with ctx.timing("plan", resource='null_resource.a["\x00"]'):
            raise JobFailed("a\udc80.tf:1: NUL \x00 is no name.")

    recorder.work = work
    job = ended(make_job(), JobStatus.FAILED)
    assert job.error == "a?.tf:1: NUL \ufffd is no name."
    assert job.attempt == 1


def test_a_result_that_the_database_refuses_fails_at_once(
    worker: Worker, recorder: Recorder, make_job: MakeJob, organization: Any
) -> None:
    def store(job: ProvisionerJob, result: Any) -> None:
        recorder.started.append(job.id)
        type(organization).objects.create(id=organization.id, name="twice")  # the same primary key

    recorder.on_complete = store
    job = ended(make_job(), JobStatus.FAILED)
    assert "IntegrityError" in job.error
    assert recorder.started == [job.id, job.id], "run once, stored once"


def test_a_running_job_is_interrupted_by_its_cancel(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    recorder.work = lambda ctx: [ctx.wait(0.5) for _ in range(60)]
    job = make_job()
    eventually(lambda: recorder.started)
    began = time.monotonic()
    cancel(job)
    ended(job, JobStatus.CANCELED)
    assert time.monotonic() - began < 1.0
    assert job.error == ""


def test_a_cancel_from_elsewhere_is_found_within_the_poll(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    recorder.work = lambda ctx: [ctx.wait(0.5) for _ in range(60)]
    job = make_job()
    eventually(lambda: recorder.started)
    ProvisionerJob.objects.filter(id=job.id).update(canceled_at=job.created_at)  # no event in this process
    ended(job, JobStatus.CANCELED)


def test_work_that_was_done_before_its_cancel_has_succeeded(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    go = threading.Event()
    recorder.work = lambda ctx: go.wait(10)
    job = make_job()
    eventually(lambda: recorder.started)
    cancel(job)
    go.set()
    ended(job, JobStatus.SUCCEEDED)
    assert recorder.completed == [(job.id, True)]
    assert job.canceled_at is None
    assert job.logs.get().output == services.TOO_LATE


def test_a_database_that_stumbles_at_the_last_lines_loses_none_and_repeats_nothing(
    recorder: Recorder, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from coder_admin.provisioning import logs

    failures = [OperationalError("database is locked")]
    append = services.log_append

    def stumbling(**arguments: Any) -> Any:
        if failures and threading.current_thread().name.startswith("job-") and recorder.started:
            raise failures.pop()
        return append(**arguments)

    monkeypatch.setattr(logs, "log_append", stumbling)
    recorder.work = lambda ctx: ctx.log("Applying", f"a line of attempt {ctx.claim.attempt}")
    with Worker(name="last-lines", lease_seconds=5, sweep_seconds=0.2):
        job = make_job()
        ended(job, JobStatus.SUCCEEDED)
    assert failures == []
    assert job.attempt == 1
    assert [line.output for line in job.logs.all()] == ["a line of attempt 1"]


def test_a_draining_worker_is_seen_to_live(
    recorder: Recorder, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from coder_admin.provisioning import daemons

    monkeypatch.setattr(daemons, "SEEN_EVERY", timedelta(seconds=0.1))
    go = threading.Event()
    recorder.work = lambda ctx: go.wait(10)
    worker = Worker(name="draining", concurrency=1, sweep_seconds=0.1)
    worker.start()
    make_job()
    eventually(lambda: recorder.started)
    stopping = threading.Thread(target=lambda: worker.stop(grace=10, interrupt=False))
    stopping.start()
    began = timezone.now()
    seen_since = ProvisionerDaemon.objects.filter(name="draining", last_seen_at__gt=began)
    eventually(seen_since.exists)
    go.set()
    stopping.join(10)
    assert ProvisionerDaemon.objects.get(name="draining").last_seen_at is None


def test_no_more_jobs_run_at_once_than_there_are_slots(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    running, most = set(), []

    def work(ctx: Any) -> None:
        running.add(ctx.job.id)
        most.append(len(running))
        ctx.wait(0.05)
        running.discard(ctx.job.id)

    recorder.work = work
    jobs = [make_job() for _ in range(6)]
    for job in jobs:
        ended(job, JobStatus.SUCCEEDED)
    assert max(most) == 2


def test_log_lines_arrive_while_the_job_runs_and_listeners_hear_of_them(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    written: list[float] = []
    go = threading.Event()

    def work(ctx: Any) -> None:
        written.append(time.monotonic())
        ctx.log("Applying", "hello")
        go.wait(10)

    heard: list[tuple[float, dict[str, Any]]] = []
    undo = events.subscribe("job:", lambda topic, event: heard.append((time.monotonic(), dict(event))))
    recorder.work = work
    try:
        job = make_job()
        eventually(lambda: any(event["kind"] == "logs" for _, event in heard))
        arrived, event = next((at, e) for at, e in heard if e["kind"] == "logs")
        assert ProvisionerJobLog.objects.get(job=job, id__gt=event["after"]).output == "hello"
        assert arrived - written[0] < 0.5  # 0.1 s by design; a busy machine gets some more
        go.set()
        ended(job, JobStatus.SUCCEEDED)
        eventually(lambda: heard[-1][1]["kind"] == "end_of_logs")
    finally:
        go.set()
        undo()


def test_a_flood_of_lines_is_cut_at_the_limit_and_the_job_goes_on(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    recorder.work = lambda ctx: [ctx.log("Applying", "x" * 999) for _ in range(1_200)]
    job = ended(make_job(), JobStatus.SUCCEEDED)
    assert job.logs_overflowed
    assert job.logs_length <= 1_048_576
    last = job.logs.latest("id")
    assert (last.level, last.output) == ("warn", OVERFLOW_NOTICE)
    assert job.logs.count() == 1_048_576 // 999 + 1


def test_a_stopping_worker_gives_its_jobs_back(recorder: Recorder, make_job: MakeJob) -> None:
    recorder.work = lambda ctx: [ctx.wait(0.1) for _ in range(300)]
    with Worker(name="first") as first:
        job = make_job()
        eventually(lambda: recorder.started)
        assert first.stop()
    job.refresh_from_db()
    assert job.job_status == JobStatus.PENDING
    assert job.attempt == 0
    recorder.work = lambda ctx: "done"
    with Worker(name="second"):
        ended(job, JobStatus.SUCCEEDED)


def test_a_job_that_was_claimed_while_the_worker_stopped_goes_back(
    recorder: Recorder, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coder_admin.provisioning import queue

    claim, answered, stopped = queue.claim, threading.Event(), threading.Event()

    def slow(taker: Any, **arguments: Any) -> Any:
        found = claim(taker, **arguments)
        if found is not None:
            answered.set()
            stopped.wait(5)
        return found

    monkeypatch.setattr(queue, "claim", slow)
    recorder.work = lambda ctx: [ctx.wait(0.1) for _ in range(300)]
    worker = Worker(name="late", concurrency=1)
    worker.start()
    job = make_job()
    assert answered.wait(5)
    threading.Timer(0.2, stopped.set).start()
    worker.stop()
    eventually(lambda: ProvisionerJob.objects.get(pk=job.pk).job_status == JobStatus.PENDING)
    job.refresh_from_db()
    assert job.attempt == 0


def test_a_draining_worker_finishes_what_it_has(recorder: Recorder, make_job: MakeJob) -> None:
    recorder.work = lambda ctx: ctx.wait(0.3)
    running = Worker(name="drain", concurrency=1)
    running.start()
    job = make_job()
    eventually(lambda: recorder.started)
    later = make_job()
    assert running.stop(interrupt=False)
    job.refresh_from_db()
    later.refresh_from_db()
    assert (job.job_status, later.job_status) == (JobStatus.SUCCEEDED, JobStatus.PENDING)
    assert ProvisionerDaemon.objects.get(name="drain").last_seen_at is None


def test_a_database_that_stumbles_delays_a_job_only_briefly(
    recorder: Recorder, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from coder_admin.provisioning import queue

    failures = [OperationalError("database is locked") for _ in range(3)]
    claim = queue.claim

    def stumbling(taker: Any, **arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return claim(taker, **arguments)

    monkeypatch.setattr(queue, "claim", stumbling)
    with Worker(name="stumbling", sweep_seconds=300):
        ended(make_job(), JobStatus.SUCCEEDED)
    assert failures == []


def test_a_thread_goes_on_with_the_next_job(recorder: Recorder, make_job: MakeJob) -> None:
    threads: list[int] = []

    def work(ctx: Any) -> str:
        threads.append(threading.get_ident())
        return "done"

    recorder.work = work
    jobs = [make_job() for _ in range(3)]
    with Worker(name="one", concurrency=1):
        for job in jobs:
            ended(job, JobStatus.SUCCEEDED)
    assert len(threads) == 3
    assert len(set(threads)) == 1


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_cannot_renew_its_leases_gives_its_jobs_up(
    recorder: Recorder, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the end of the lease somebody else may have them: what it still did would be done twice."""
    from django.db import OperationalError

    from coder_admin.provisioning import queue

    away = threading.Event()
    look_after = queue.look_after

    def unreachable(*claims: Any, **arguments: Any) -> Any:
        if away.is_set():
            raise OperationalError("the database is away")
        return look_after(*claims, **arguments)

    def work(ctx: Any) -> str:
        if len(recorder.started) > 1:
            return "second"
        away.set()
        try:
            while True:
                ctx.wait(0.05)
        finally:
            away.clear()

    monkeypatch.setattr(queue, "look_after", unreachable)
    recorder.work = work
    with Worker(name="cut-off", lease_seconds=0.4, sweep_seconds=0.2):
        job = ended(make_job(), JobStatus.SUCCEEDED)
    assert recorder.completed == [(job.id, "second")]
    assert recorder.started == [job.id, job.id]


def test_nothing_is_announced_before_the_commit(recorder: Recorder, make_job: MakeJob) -> None:
    heard: list[dict[str, str]] = []
    undo = wake.listen(lambda tags: heard.append(dict(tags)))
    try:
        with transaction.atomic():
            make_job()
            assert heard == []
        assert len(heard) == 1
    finally:
        undo()


def test_a_new_job_is_begun_long_before_the_next_sweep(
    worker: Worker, recorder: Recorder, make_job: MakeJob
) -> None:
    taken: list[float] = []
    begun: dict[Any, float] = {}
    recorder.work = lambda ctx: begun.setdefault(ctx.job.id, time.monotonic())
    for _ in range(11):
        created = time.monotonic()
        job = ended(make_job(), JobStatus.SUCCEEDED)
        taken.append(begun[job.id] - created)
    # Milliseconds on a quiet machine; what matters here is that nobody waited for the sweep of 5 s.
    assert statistics.median(taken) < 1.0, taken


def test_start_hooks_run_once_per_start_and_never_stop_a_worker(recorder: Recorder) -> None:
    from coder_admin.provisioning import worker as module

    calls: list[int] = []

    def hook() -> None:
        calls.append(1)
        raise RuntimeError("broken hook")

    before = list(module._start_hooks)
    on_start(hook)
    on_start(hook)
    try:
        with Worker(name="hooked"):
            assert calls == [1]
    finally:
        module._start_hooks[:] = before
