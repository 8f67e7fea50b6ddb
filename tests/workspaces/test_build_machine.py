"""Any order of what people, workers and clocks do to a workspace: its builds follow a small model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from coder_admin.catalog.models import Template
from coder_admin.foundation.errors import Conflict, NotFound, ServiceError
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces import agents, builder, scheduling, services
from coder_admin.workspaces.build_job import BuildFailed, BuildHandler
from coder_admin.workspaces.executor import run_pass
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceBuild
from coder_admin.workspaces.statuses import workspace_status
from tests.people import subject

from .world import World, agent_result, fail, latest_build, make_world, outcome, reread

ACTIVE = ("pending", "running", "canceling")
HOUR = 3_600_000
names = (f"w{number}" for number in itertools.count())


class Builds(RuleBasedStateMachine):
    """The model: the transitions and fates of all builds, whether it sleeps, what state is stored."""

    world: World
    fates: list[tuple[str, str]]
    asleep: bool

    @initialize(prebuilt=st.booleans())
    def begin(self, prebuilt: bool) -> None:
        self.workspace = self.world.prebuild(settle=False) if prebuilt else self.world.create(next(names))
        self.fates = [("start", "pending")]
        self.asleep = False
        self.states: list[bytes | None] = [None]
        self.prebuilt = prebuilt

    # --- reading ---

    @property
    def row(self) -> Workspace:
        return reread(self.workspace)

    @property
    def latest(self) -> WorkspaceBuild:
        return WorkspaceBuild.objects.select_related("job", "workspace__template").get(
            pk=latest_build(self.workspace).pk
        )

    @property
    def fate(self) -> str:
        return self.fates[-1][1]

    @property
    def deleted(self) -> bool:
        return self.fates[-1] == ("delete", "succeeded")

    def is_active(self) -> bool:
        return self.fate in ACTIVE

    # --- people ---

    @rule(transition=st.sampled_from(["start", "stop", "delete"]), orphan=st.booleans())
    def ask(self, transition: str, orphan: bool) -> None:
        orphan = orphan and transition == "delete"
        before = WorkspaceBuild.objects.filter(workspace=self.workspace).count()
        refusal = self._refusal(transition)
        if refusal is not None:
            with pytest.raises(refusal):
                self._build(transition, orphan=orphan)
            assert WorkspaceBuild.objects.filter(workspace=self.workspace).count() == before
            return
        begun = self._build(transition, orphan=orphan)
        assert begun.build_number == len(self.fates) + 1
        carried = None if orphan else self.states[-1]
        if orphan:  # no worker lives in this test, so the server ends it itself
            self.fates.append(("delete", "succeeded"))
            self.states.append(b"")
            return
        assert (bytes(begun.provisioner_state) if begun.provisioner_state is not None else None) == carried
        self.fates.append((transition, "pending"))
        self.states.append(carried)

    def _build(self, transition: str, *, orphan: bool) -> WorkspaceBuild:
        with transaction.atomic():
            return builder.build(
                actor=subject(self.world.boss), workspace=self.row, transition=transition, orphan=orphan
            )

    def _refusal(self, transition: str) -> type[ServiceError] | None:
        if self.deleted:
            return NotFound
        if self.is_active():
            return Conflict
        return Conflict if self.asleep and transition == "start" else None

    @precondition(lambda self: self.fates and not self.deleted and not self.row.is_prebuild)
    @rule(dormant=st.booleans())
    def sleep_or_wake(self, dormant: bool) -> None:
        changed = scheduling.workspace_set_dormant(
            actor=subject(self.world.ada), workspace=self.row, dormant=dormant
        )
        assert changed == (dormant != self.asleep)
        self.asleep = dormant

    @rule(expect=st.sampled_from(["", "pending", "running"]))
    def cancel(self, expect: str) -> None:
        call: Callable[[], Any] = lambda: services.build_cancel(  # noqa: E731
            actor=subject(self.world.boss), build_=self.latest, expect_status=expect
        )
        if self.fate in ("pending", "running") and expect in ("", self.fate):
            call()
            fate = "canceled" if self.fate == "pending" else "canceling"
            self.fates[-1] = (self.fates[-1][0], fate)
            return
        with pytest.raises(ServiceError):
            call()

    @precondition(lambda self: self.prebuilt and self.fates == [("start", "succeeded")])
    @rule()
    def claim(self) -> None:
        Workspace.objects.filter(pk=self.workspace.pk).update(
            owner=self.world.ada, name=next(names), ttl_ms=HOUR
        )
        with transaction.atomic():
            builder.build(
                actor=subject(self.world.ada), workspace=self.row, transition="start", stage="claim"
            )
        self.fates.append(("start", "pending"))
        self.states.append(self.states[-1])

    # --- workers ---

    @precondition(lambda self: self.fate == "pending")
    @rule()
    def take(self) -> None:
        ProvisionerJob.objects.filter(pk=self.latest.job_id).update(started_at=timezone.now())
        self.fates[-1] = (self.fates[-1][0], "running")

    @precondition(lambda self: self.fate == "running")
    @rule(data=st.binary(max_size=4))
    def succeed(self, data: bytes) -> None:
        build = self.latest
        state = b"state " + data
        made = (agent_result(),) if build.transition == "start" else ()
        with transaction.atomic():
            ProvisionerJob.objects.filter(pk=build.job_id).update(completed_at=timezone.now())
            BuildHandler().complete(ProvisionerJob.objects.get(pk=build.job_id), outcome(*made, state=state))
        self.fates[-1] = (build.transition, "succeeded")
        self.states[-1] = state

    @precondition(lambda self: self.fate == "running")
    @rule(keeps=st.booleans())
    def break_down(self, keeps: bool) -> None:
        build = self.latest
        fail(build, BuildFailed("it broke", b"half") if keeps else None)
        self.fates[-1] = (build.transition, "failed")
        self.states[-1] = b"half" if keeps else self.states[-1]

    @precondition(lambda self: self.fate == "canceling")
    @rule()
    def give_in(self) -> None:
        ProvisionerJob.objects.filter(pk=self.latest.job_id).update(completed_at=timezone.now())
        self.fates[-1] = (self.fates[-1][0], "canceled")

    # --- clocks ---

    @rule(hours=st.sampled_from([0, 2, 30]))
    def time_passes(self, hours: int) -> None:
        """The executor may begin one build, and only where none is under way and it is nobody's prebuild."""
        before, prebuild = self.row, self.row.is_prebuild
        run_pass(timezone.now() + timedelta(hours=hours))
        after = self.latest
        if after.build_number == len(self.fates):
            self.asleep = self.row.dormant_at is not None
            return
        assert not prebuild
        assert not self.deleted
        assert not self.is_active()
        assert after.build_number == len(self.fates) + 1
        assert after.reason in ("autostop", "dormancy", "autodelete", "failedstop")
        assert before.owner_id == after.initiator_id
        self.fates.append((after.transition, "pending"))
        self.states.append(self.states[-1])
        self.asleep = self.row.dormant_at is not None

    # --- what always holds ---

    @invariant()
    def numbers_run_without_gaps_and_at_most_one_is_active(self) -> None:
        rows = WorkspaceBuild.objects.filter(workspace=self.workspace).select_related("job")
        found = [(b.build_number, b.transition, b.job.job_status) for b in rows.order_by("build_number")]
        expected = [(number, *fate) for number, fate in enumerate(self.fates, 1)]
        assert found == expected
        assert sum(status in ACTIVE for _, _, status in found) <= 1

    @invariant()
    def the_row_says_what_the_last_build_did(self) -> None:
        row = self.row
        assert row.latest_build is not None
        assert row.latest_build.build_number == len(self.fates)
        assert row.deleted == self.deleted
        assert (row.dormant_at is not None) == self.asleep
        status = workspace_status(*self.fates[-1])
        assert status == workspace_status(row.latest_build.transition, row.latest_build.job.job_status)

    @invariant()
    def exactly_the_agents_of_the_last_success_may_speak(self) -> None:
        ended = [number for number, (_, fate) in enumerate(self.fates, 1) if fate == "succeeded"]
        rows = WorkspaceAgent.objects.filter(resource__workspace_build__workspace=self.workspace)
        for agent in rows.select_related("resource__workspace_build"):
            number = agent.resource.workspace_build.build_number
            speaks = agents.agent_by_token(str(agent.auth_token)) is not None
            assert speaks == (not self.deleted and number == ended[-1])

    @invariant()
    def only_running_ones_of_people_have_deadlines(self) -> None:
        build = self.latest
        if self.row.is_prebuild or self.fates[-1] != ("start", "succeeded"):
            assert build.deadline is None
        else:
            assert build.deadline is not None


@pytest.mark.django_db
def test_builds_follow_the_model() -> None:
    world = make_world()
    Template.objects.update(
        default_ttl_ms=HOUR,
        failure_ttl_ms=HOUR,
        time_til_dormant_ms=20 * HOUR,
        time_til_dormant_autodelete_ms=5 * HOUR,
    )
    world.template.refresh_from_db()
    Builds.world = world
    run_machine(
        Builds,
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            phases=(Phase.reuse, Phase.generate),  # shrinking takes minutes; the steps are readable as found
            suppress_health_check=list(HealthCheck),
        ),
    )
