"""A job's life as a state machine: any order of workers, cancels, deaths and sweeps, on the real database.

Beside the rows runs a model of two lines: what `states` says. Workers keep claims that they lost, as a paused
process does, and try to use them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from coder_admin.foundation.errors import Invalid
from coder_admin.provisioning import daemons, handlers, queue, reaper, selectors, services
from coder_admin.provisioning.choices import JobStatus, JobType
from coder_admin.provisioning.handlers import JobFailed
from coder_admin.provisioning.limits import Line
from coder_admin.provisioning.models import ProvisionerJob, ProvisionerJobLog
from coder_admin.provisioning.reaper import MAX_ATTEMPTS
from coder_admin.provisioning.states import FINAL, Event, after
from coder_admin.provisioning.tags import matches, normalise
from rbac import PREBUILDS_USER_ID, SystemSubject, acting_as
from tests.provisioning.conftest import Recorder

HOST = uuid.uuid4()
LEASE = timedelta(seconds=30)
TAGS: list[dict[str, str]] = [{}, {"region": "eu"}]


class Jobs(RuleBasedStateMachine):
    """`model` holds what each job's status must be; `ends` how often its handler was told of an end."""

    make: Callable[..., ProvisionerJob]
    recorder: Recorder

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        ProvisionerJob.objects.all().delete()
        self.recorder.completed.clear()
        self.recorder.failed.clear()
        self.model: dict[uuid.UUID, JobStatus] = {}
        self.attempts: dict[uuid.UUID, int] = {}
        self.lines: dict[uuid.UUID, int] = {}
        self.holders: dict[uuid.UUID, queue.Claim] = {}
        now = timezone.now()
        self.workers = [
            (daemons.register(daemons.Registration(f"w{n}", normalise(tags), 1), now=now), normalise(tags))
            for n, tags in enumerate([*TAGS, {"region": "eu", "gpu": "yes"}])
        ]

    @rule(target=jobs, tags=st.sampled_from(TAGS), prebuild=st.booleans())
    def create(self, tags: dict[str, str], prebuild: bool) -> uuid.UUID:
        options: dict[str, Any] = {"initiator_id": uuid.UUID(PREBUILDS_USER_ID)} if prebuild else {}
        job = self.make(tags=tags, **options)
        self.model[job.id] = JobStatus.PENDING
        self.attempts[job.id] = self.lines[job.id] = 0
        return job.id

    @rule(target=claims)
    def create_and_acquire(self) -> Any:
        """The usual beginning, as one step: most of what can go wrong happens to a job that runs."""
        self.create({}, False)
        return self.acquire(0)

    @rule(target=claims, worker=st.integers(0, 2))
    def acquire(self, worker: int) -> Any:
        """The first that waits and fits: people before prebuilds, then by age."""
        worker_id, tags = self.workers[worker]
        expected = next(
            (
                job
                for job in ProvisionerJob.objects.order_by("priority", "created_at", "id")
                if self.model[job.id] == JobStatus.PENDING and matches(job.tags, tags)
            ),
            None,
        )
        taker = queue.Taker(worker_id, tags, HOST, JobType.values, (), ("embedded",))
        claim = queue.claim(taker, now=timezone.now(), lease=LEASE)
        assert (claim.job_id if claim else None) == (expected.id if expected else None)
        if claim is None:
            return multiple()
        self._move(claim.job_id, Event.ACQUIRE)
        self.attempts[claim.job_id] += 1
        assert claim.attempt == self.attempts[claim.job_id]
        self.holders[claim.job_id] = claim
        return claim

    @rule(claim=claims, does=st.sampled_from(["complete", "fail", "release", "write_log", "renew"]))
    def a_worker(self, claim: queue.Claim, does: str) -> None:
        """Somebody who has the job, or believes so."""
        getattr(self, f"_{does}")(claim)
        assert reaper.sweep(now=timezone.now()) == 0, "nothing is due"

    @rule(claim=claims, what=st.sampled_from(["cancel", "worker_dies"]))
    def happens_while_it_runs(self, claim: queue.Claim, what: str) -> None:
        getattr(self, f"_{what}")(claim.job_id)

    @rule(job=jobs, what=st.sampled_from(["cancel", "nobody_comes"]))
    def happens(self, job: uuid.UUID, what: str) -> None:
        getattr(self, f"_{what}")(job)

    def _complete(self, claim: queue.Claim) -> None:
        self._end(claim, Event.COMPLETE, lambda c: services.job_complete(claim=c, result=str(c)))

    def _fail(self, claim: queue.Claim) -> None:
        self._end(claim, Event.FAIL, lambda c: services.job_fail(claim=c, error=JobFailed("no")))

    def _release(self, claim: queue.Claim) -> None:
        """A worker that stops in order gives the job back; not one that is being canceled."""
        given = queue.release(claim, now=timezone.now(), count_attempt=False)
        mine = self.holders.get(claim.job_id) == claim
        assert given == (mine and self.model[claim.job_id] == JobStatus.RUNNING)
        if given:
            self._move(claim.job_id, Event.RELEASE)
            self.attempts[claim.job_id] -= 1

    def _cancel(self, job: uuid.UUID) -> None:
        with acting_as(SystemSubject.PROVISIONERD, reason="test") as actor:
            if self.model[job] in (JobStatus.PENDING, JobStatus.RUNNING):
                services.job_cancel(actor=actor, job_id=job)
                self._move(job, Event.CANCEL)
                return
            with pytest.raises(Invalid):
                services.job_cancel(actor=actor, job_id=job)

    def _worker_dies(self, job: uuid.UUID) -> None:
        """Nothing is heard of it until its lease is over; then a sweep comes."""
        if self.model[job] not in (JobStatus.RUNNING, JobStatus.CANCELING):
            return
        ProvisionerJob.objects.filter(id=job).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        reaper.sweep(now=timezone.now())
        if self.model[job] == JobStatus.CANCELING or self.attempts[job] >= MAX_ATTEMPTS:
            self._move(job, Event.REAP)
            return
        self._move(job, Event.RELEASE)
        self.lines[job] += 1  # "stopped answering"

    def _nobody_comes(self, job: uuid.UUID) -> None:
        if self.model[job] != JobStatus.PENDING:
            return
        ProvisionerJob.objects.filter(id=job).update(updated_at=timezone.now() - timedelta(minutes=31))
        reaper.sweep(now=timezone.now())
        self._move(job, Event.REAP)

    def _write_log(self, claim: queue.Claim) -> None:
        services.log_append(job_id=claim.job_id, lines=[Line(timezone.now(), "Work", "line")])
        self.lines[claim.job_id] += 1

    def _renew(self, claim: queue.Claim) -> None:
        """A worker that looks after its jobs learns which it still has and which are to end."""
        now = timezone.now()
        kept = queue.look_after([claim], now=now, renew_until=now + LEASE)
        mine = self.holders.get(claim.job_id) == claim
        assert (claim in kept.held) == mine
        assert (claim.job_id in kept.canceled) == (mine and self.model[claim.job_id] == JobStatus.CANCELING)

    @invariant()
    def rows_are_as_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        rows = {job.id: job for job in ProvisionerJob.objects.all()}
        assert {job_id: job.job_status for job_id, job in rows.items()} == self.model
        for job_id, job in rows.items():
            over = self.model[job_id] in FINAL
            assert (job.completed_at is not None) == over
            assert bool(job.error) == (self.model[job_id] == JobStatus.FAILED)
            assert (job.lease_expires_at is not None) == (job_id in self.holders)
            assert job.logs.count() >= self.lines[job_id]
        told = [job_id for job_id, _ in (*self.recorder.completed, *self.recorder.failed)]
        assert sorted(told) == sorted(j for j, status in self.model.items() if status in FINAL)

    @invariant()
    def the_queue_is_counted_right(self) -> None:
        if not hasattr(self, "model"):
            return
        waiting = [j for j, status in self.model.items() if status == JobStatus.PENDING]
        places = selectors.job_queue_positions(list(ProvisionerJob.objects.all()))
        assert {j for j, place in places.items() if place.position} == set(waiting)
        assert all(1 <= places[j].position <= places[j].size <= len(waiting) for j in waiting)

    def _end(self, claim: queue.Claim, event: Event, write: Callable[[queue.Claim], object]) -> None:
        if self.holders.get(claim.job_id) != claim:
            before = ProvisionerJobLog.objects.count()
            with pytest.raises(services.ClaimLost):
                write(claim)
            assert ProvisionerJobLog.objects.count() == before
            return
        write(claim)
        self._move(claim.job_id, event)

    def _move(self, job: uuid.UUID, event: Event) -> None:
        self.model[job] = after(self.model[job], event)
        if self.model[job] not in (JobStatus.RUNNING, JobStatus.CANCELING):
            self.holders.pop(job, None)


@pytest.mark.django_db
def test_any_order_of_events_leaves_every_job_where_the_rules_say(
    make_job: Callable[..., ProvisionerJob], recorder: Recorder
) -> None:
    assert handlers.find(JobType.TEMPLATE_VERSION_DRY_RUN) is recorder

    class Machine(Jobs):
        make = staticmethod(make_job)

    Machine.recorder = recorder
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
