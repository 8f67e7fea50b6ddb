"""What workspaces' clocks demand: the pure decision, and the executor that does it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template
from coder_admin.catalog.services import template_update
from coder_admin.foundation.leases import lease
from coder_admin.foundation.models import Lease
from coder_admin.organizations.models import User
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces import executor, notices
from coder_admin.workspaces.automation import (
    Due,
    LatestBuild,
    Step,
    TemplatePolicy,
    WorkspaceFacts,
    due,
)
from coder_admin.workspaces.choices import Transition
from coder_admin.workspaces.executor import Refusals, candidates, facts_of, next_instant, run_pass
from coder_admin.workspaces.lifecycle_loop import LEASE_NAME, LifecycleExecutor
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from tests.people import subject

from .world import World, fail, finish, reread, settled
from .world import latest_build as latest

HOUR = 3_600_000
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


POLICY = TemplatePolicy(
    allow_user_autostart=True, autostart_days=127, failure_ttl_ms=HOUR, time_til_dormant_ms=100 * HOUR
)
RUNNING = LatestBuild(ago(5), Transition.START, JobStatus.SUCCEEDED, ago(5), None)
STOPPED = replace(RUNNING, transition=Transition.STOP)
FAILED = replace(RUNNING, status=JobStatus.FAILED)
FACTS = WorkspaceFacts(
    is_prebuild=False,
    owner_active=True,
    autostart_schedule="",
    last_used_at=ago(1),
    dormant_at=None,
    deleting_at=None,
    build=RUNNING,
    policy=POLICY,
)


def step(**changes: Any) -> tuple[Step, Transition | None] | None:
    found = due(replace(FACTS, **changes), NOW)
    return (found.step, found.transition) if found else None


STOP, START, DELETE = Transition.STOP, Transition.START, Transition.DELETE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"build": None}, None),
        # autostop
        ({"build": replace(RUNNING, deadline=NOW)}, (Step.AUTOSTOP, STOP)),
        ({"build": replace(RUNNING, deadline=NOW + timedelta(seconds=1))}, None),
        ({"build": replace(STOPPED, deadline=ago(1))}, None),
        ({"build": replace(FAILED, deadline=ago(1), ended_at=ago(0.5))}, None),
        ({"owner_active": False}, (Step.AUTOSTOP, STOP)),
        # autostart: 09:00 lies between the stop five hours ago and now
        ({"build": STOPPED, "autostart_schedule": "0 9 * * *"}, (Step.AUTOSTART, START)),
        ({"build": STOPPED, "autostart_schedule": "0 12 * * *"}, (Step.AUTOSTART, START)),
        ({"build": STOPPED, "autostart_schedule": "1 12 * * *"}, None),
        ({"build": STOPPED, "autostart_schedule": "0 6 * * *"}, None),
        ({"build": STOPPED, "autostart_schedule": "nonsense"}, None),
        ({"build": STOPPED, "autostart_schedule": "0 9 * * *", "owner_active": False}, None),
        ({"build": STOPPED, "autostart_schedule": "0 9 * * *", "dormant_at": ago(1)}, None),
        ({"build": replace(STOPPED, status=JobStatus.FAILED), "autostart_schedule": "0 9 * * *"}, None),
        ({"build": replace(STOPPED, status=JobStatus.CANCELED), "autostart_schedule": "0 9 * * *"}, None),
        ({"autostart_schedule": "0 9 * * *"}, None),
        # dormancy
        ({"last_used_at": ago(101)}, (Step.DORMANCY, STOP)),
        ({"last_used_at": ago(100)}, None),
        ({"last_used_at": ago(101), "build": STOPPED}, (Step.DORMANCY, None)),
        ({"last_used_at": ago(101), "build": STOPPED, "dormant_at": ago(1)}, None),
        ({"dormant_at": ago(1)}, (Step.DORMANCY, STOP)),
        # autodelete
        ({"dormant_at": ago(9), "deleting_at": NOW, "build": STOPPED}, (Step.AUTODELETE, DELETE)),
        ({"dormant_at": ago(9), "deleting_at": NOW + timedelta(seconds=1), "build": STOPPED}, None),
        ({"deleting_at": ago(1), "build": STOPPED}, None),
        (
            {
                "dormant_at": ago(50),
                "deleting_at": ago(40),
                "build": LatestBuild(ago(23), DELETE, JobStatus.FAILED, ago(23), None),
            },
            None,
        ),
        (
            {
                "dormant_at": ago(50),
                "deleting_at": ago(40),
                "build": LatestBuild(ago(25), DELETE, JobStatus.FAILED, ago(24), None),
            },
            (Step.AUTODELETE, DELETE),
        ),
        # failure TTL
        ({"build": FAILED}, (Step.FAILEDSTOP, STOP)),
        ({"build": replace(FAILED, ended_at=ago(1))}, (Step.FAILEDSTOP, STOP)),
        ({"build": replace(FAILED, ended_at=ago(0.99))}, None),
        ({"build": replace(FAILED, transition=STOP)}, None),
        ({"build": FAILED, "policy": replace(POLICY, failure_ttl_ms=0)}, None),
        # the longest durations that a template may set lead beyond the calendar
        ({"build": FAILED, "policy": replace(POLICY, failure_ttl_ms=2**53)}, None),
        ({"last_used_at": ago(101), "policy": replace(POLICY, time_til_dormant_ms=2**53)}, None),
    ],
)
def test_what_is_due(changes: dict[str, Any], expected: tuple[Step, Transition | None] | None) -> None:
    assert step(**changes) == expected


MOMENTS = st.one_of(st.none(), st.integers(-300, 300).map(ago))
ANY_FACTS = st.builds(
    WorkspaceFacts,
    is_prebuild=st.booleans(),
    owner_active=st.booleans(),
    autostart_schedule=st.sampled_from(["", "0 9 * * *", "CRON_TZ=Asia/Tokyo 0 1 * * 1-5", "?"]),
    last_used_at=st.integers(0, 300).map(ago),
    dormant_at=MOMENTS,
    deleting_at=MOMENTS,
    build=st.one_of(
        st.none(),
        st.builds(
            LatestBuild,
            created_at=st.integers(0, 300).map(ago),
            transition=st.sampled_from(list(Transition)),
            status=st.sampled_from(list(JobStatus)),
            ended_at=MOMENTS,
            deadline=MOMENTS,
        ),
    ),
    policy=st.builds(
        TemplatePolicy,
        allow_user_autostart=st.booleans(),
        autostart_days=st.integers(0, 127),
        failure_ttl_ms=st.sampled_from([0, HOUR, 50 * HOUR]),
        time_til_dormant_ms=st.sampled_from([0, HOUR, 50 * HOUR]),
    ),
)


def after(facts: WorkspaceFacts, found: Due) -> WorkspaceFacts:
    """The world once the step is done and its build has succeeded."""
    if found.becomes_dormant:
        facts = replace(facts, dormant_at=NOW)
    if found.transition is not None:
        build = LatestBuild(NOW, found.transition, JobStatus.SUCCEEDED, NOW, None)
        facts = replace(facts, build=build)
    return facts


@given(ANY_FACTS)
def test_prebuilds_and_builds_under_way_are_never_touched_and_every_clock_comes_to_rest(
    facts: WorkspaceFacts,
) -> None:
    found = due(facts, NOW)
    active = facts.build and facts.build.status in (
        JobStatus.PENDING,
        JobStatus.RUNNING,
        JobStatus.CANCELING,
    )
    if facts.is_prebuild or facts.build is None or active:
        assert found is None
    steps = 0
    while found is not None and found.transition is not DELETE:
        if found.transition is START:
            assert facts.owner_active
            assert facts.dormant_at is None
        facts, steps = after(facts, found), steps + 1
        assert steps <= 3, "one and the same instant must not start and stop for ever"
        found = due(facts, NOW)


# --- the executor ---------------------------------------------------------------------------------


def set_template(world: World, **fields: Any) -> None:
    Template.objects.filter(pk=world.template.pk).update(**fields)
    world.template = Template.objects.select_related("active_version__job").get(pk=world.template.pk)


def test_a_start_gets_its_deadline_and_the_executor_keeps_it(world: World) -> None:
    set_template(world, default_ttl_ms=8 * HOUR, max_ttl_ms=4 * HOUR)
    workspace = world.running()
    build = latest(workspace)
    assert reread(workspace).ttl_ms == 8 * HOUR, "a new workspace takes the template's default"
    assert build.deadline == build.max_deadline, "the longest life cuts it"
    assert build.deadline is not None
    assert next_instant(timezone.now()) == build.deadline
    assert run_pass(build.deadline - timedelta(seconds=1)).done == []
    assert run_pass(build.deadline).done == [(workspace.id, Step.AUTOSTOP)]
    stop = latest(workspace)
    assert (stop.transition, stop.reason, stop.initiator_id) == ("stop", "autostop", world.ada.id)
    assert run_pass(build.deadline).done == [], "a build under way is left alone"
    finish(stop)
    row = AuditLog.objects.get(resource_type="workspace_build", action="stop")
    assert (row.username, row.additional_fields["build_reason"]) == ("ada", "autostop")


def test_autostart_on_its_schedule(world: World) -> None:
    from coder_admin.workspaces.services import WorkspaceSettings

    workspace = world.running(settings=WorkspaceSettings(autostart_schedule="0 9 * * *"))
    used = reread(workspace).last_used_at
    assert reread(workspace).next_start_at is not None
    finish(stopped(world, workspace))
    at = reread(workspace).next_start_at
    assert at is not None
    assert run_pass(at - timedelta(seconds=1)).done == []
    assert run_pass(at).done == [(workspace.id, Step.AUTOSTART)]
    build = latest(workspace)
    assert (build.transition, build.reason) == ("start", "autostart")
    assert reread(workspace).last_used_at == used, "an automatic start is no use of it"
    fail(build)
    assert run_pass(at + timedelta(days=3)).done == [], "a failed start waits for a person"


def stopped(world: World, workspace: Workspace) -> WorkspaceBuild:
    from coder_admin.workspaces import services

    return services.workspace_stop(actor=subject(world.ada), workspace=reread(workspace))


def test_an_automatic_start_follows_the_active_version_and_says_so(world: World) -> None:
    workspace = world.running()
    finish(stopped(world, workspace))
    Workspace.objects.update(
        autostart_schedule="0 9 * * *", automatic_updates="always", next_start_at=timezone.now()
    )
    world.activate(world.new_version())
    heard: list[notices.Notice] = []
    notices.register(heard.append)
    try:
        assert run_pass(timezone.now() + timedelta(days=1)).done == [(workspace.id, Step.AUTOSTART)]
    finally:
        notices._listeners.remove(heard.append)
    assert latest(workspace).template_version_id == world.version.id
    assert [(n.what, n.why) for n in heard] == [(notices.Happening.UPDATED, world.version.name)]


def test_a_refused_start_is_told_once_and_rests(world: World) -> None:
    workspace = world.running()
    finish(stopped(world, workspace))
    Workspace.objects.update(
        autostart_schedule="0 9 * * *", automatic_updates="always", next_start_at=timezone.now()
    )
    world.activate(world.new_version())
    ProvisionerJob.objects.filter(pk=world.version.job_id).update(error="gone bad")
    heard: list[notices.Notice] = []
    notices.register(heard.append)
    now, refusals = timezone.now() + timedelta(days=1), Refusals()
    try:
        first = run_pass(now, refusals)
        assert run_pass(now + timedelta(minutes=5), refusals).refused == {}
        again = run_pass(now + timedelta(minutes=16), refusals)
    finally:
        notices._listeners.remove(heard.append)
    assert "its import failed" in first.refused[workspace.id]
    assert workspace.id in again.refused
    assert [n.what for n in heard] == [notices.Happening.REFUSED]
    assert latest(workspace).build_number == 2


def test_those_that_rest_keep_nobody_from_their_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "PER_PASS", 2)
    rows = [world.running(f"dev{n}") for n in range(6)]
    now, refusals = timezone.now() + timedelta(days=9), Refusals()
    WorkspaceBuild.objects.update(deadline=now)
    for n, row in enumerate(rows):
        # Two by two of one instant: a page may end between them.
        Workspace.objects.filter(pk=row.pk).update(last_used_at=now - timedelta(hours=9 - n // 2))
        if n < 5:
            refusals.add(reread(row), now)
    assert run_pass(now, refusals).done == [(rows[5].id, Step.AUTOSTOP)]
    assert len(run_pass(now, Refusals()).done) == 2  # so many steps at most


def test_dormancy_stops_and_later_deletes(world: World) -> None:
    set_template(world, time_til_dormant_ms=100 * HOUR, time_til_dormant_autodelete_ms=10 * HOUR)
    workspace = world.running()
    now = timezone.now()
    assert run_pass(now + timedelta(hours=99)).done == []
    assert run_pass(now + timedelta(hours=101)).done == [(workspace.id, Step.DORMANCY)]
    row = reread(workspace)
    assert row.dormant_at is not None
    assert row.deleting_at == row.dormant_at + timedelta(hours=10)
    assert (latest(row).transition, latest(row).reason) == ("stop", "dormancy")
    finish(latest(row))
    assert run_pass(row.deleting_at).done == [(workspace.id, Step.AUTODELETE)]
    assert (latest(row).transition, latest(row).reason) == ("delete", "autodelete")


def test_a_stopped_workspace_falls_asleep_without_a_build(world: World) -> None:
    set_template(world, time_til_dormant_ms=HOUR)
    workspace = world.running()
    finish(stopped(world, workspace))
    heard: list[notices.Notice] = []
    notices.register(heard.append)
    try:
        assert run_pass(timezone.now() + timedelta(hours=2)).done == [(workspace.id, Step.DORMANCY)]
    finally:
        notices._listeners.remove(heard.append)
    assert latest(workspace).build_number == 2
    assert reread(workspace).deleting_at is None
    assert [n.what for n in heard] == [notices.Happening.DORMANT]


def test_a_failed_start_is_stopped_after_the_failure_ttl(world: World) -> None:
    set_template(world, failure_ttl_ms=HOUR)
    workspace = world.create()
    fail(latest(workspace))
    ended = latest(workspace).job.completed_at
    assert ended is not None
    assert run_pass(ended + timedelta(minutes=59)).done == []
    assert run_pass(ended + timedelta(hours=1)).done == [(workspace.id, Step.FAILEDSTOP)]
    assert (latest(workspace).transition, latest(workspace).reason) == ("stop", "failedstop")


def test_a_suspended_owners_workspace_is_stopped(world: World) -> None:
    workspace = world.running()
    User.objects.filter(pk=world.ada.pk).update(status="suspended")
    assert run_pass(timezone.now()).done == [(workspace.id, Step.AUTOSTOP)]


def test_prebuilds_are_exempt_from_everything(world: World) -> None:
    set_template(
        world,
        default_ttl_ms=HOUR,
        max_ttl_ms=HOUR,
        failure_ttl_ms=HOUR,
        time_til_dormant_ms=HOUR,
        time_til_dormant_autodelete_ms=HOUR,
    )
    prebuild = world.prebuild()
    assert latest(prebuild).deadline is None
    assert latest(prebuild).max_deadline is None
    broken = world.prebuild(settle=False)
    fail(latest(broken))
    Workspace.objects.update(autostart_schedule="0 9 * * *", next_start_at=timezone.now())
    assert run_pass(timezone.now() + timedelta(days=9)).done == []


def test_nobody_acts_on_a_stale_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading and the doing somebody extended it: the step vanishes."""
    set_template(world, default_ttl_ms=HOUR)
    workspace = world.running()
    deadline = latest(workspace).deadline
    assert deadline is not None
    rows = list(candidates(deadline))
    WorkspaceBuild.objects.update(deadline=deadline + timedelta(hours=1))
    monkeypatch.setattr("coder_admin.workspaces.executor.candidates", lambda now: rows)
    assert run_pass(deadline).done == []


@pytest.mark.parametrize("offset", [0, 3, 200])
def test_the_query_finds_all_that_is_due(world: World, offset: int) -> None:
    set_template(
        world,
        default_ttl_ms=HOUR,
        failure_ttl_ms=HOUR,
        time_til_dormant_ms=50 * HOUR,
        time_til_dormant_autodelete_ms=HOUR,
    )
    world.running("runs")
    fail(latest(world.create("failed")))
    rested = world.running("rested")
    finish(stopped(world, rested))
    Workspace.objects.filter(pk=rested.pk).update(
        autostart_schedule="0 9 * * *", next_start_at=timezone.now()
    )
    asleep = world.running("asleep")
    finish(stopped(world, asleep))
    Workspace.objects.filter(pk=asleep.pk).update(dormant_at=timezone.now(), deleting_at=timezone.now())
    world.prebuild()
    now = timezone.now() + timedelta(hours=offset)
    found = {row.pk for row in candidates(now)}
    wanted = {
        row.pk
        for row in Workspace.objects.select_related("owner", "template", "latest_build__job")
        if due(facts_of(row), now) is not None
    }
    assert wanted <= found


def test_a_pass_costs_the_same_however_many_workspaces(
    world: World, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        world.running(f"w{number}")
    with django_assert_max_num_queries(2):
        run_pass(timezone.now())


def test_limits_of_any_number_of_templates_are_one_condition(
    world: World, django_assert_num_queries: Any
) -> None:
    """SQLite refuses a condition for each: its expressions are at most a thousand deep."""
    fields = {"organization": world.organization, "created_by": world.boss}
    rows = [
        Template(
            name=f"t{n}",
            time_til_dormant_ms=n * HOUR,
            failure_ttl_ms=(1000 + n) * HOUR,
            deleted=n > 300,
            **fields,
        )
        for n in range(1, 601)
    ]
    Template.objects.bulk_create(rows)
    longest = Template(name="longest", time_til_dormant_ms=2**53, failure_ttl_ms=2**53, **fields)
    longest.save()
    now = timezone.now() + timedelta(hours=10_000)
    used = Workspace.objects.filter
    asleep, awake, kept, old, new = (
        world.running(name) for name in ("asleep", "awake", "kept", "old", "new")
    )
    used(pk=asleep.pk).update(template=rows[199], last_used_at=now - timedelta(hours=200, microseconds=1))
    used(pk=awake.pk).update(template=rows[200], last_used_at=now - timedelta(hours=200))
    used(pk=kept.pk).update(template=longest)
    for row, hours in ((old, 1300), (new, 1299)):
        used(pk=row.pk).update(template=rows[299], last_used_at=now)
        ProvisionerJob.objects.filter(pk=latest(row).job_id).update(
            error="no", completed_at=now - timedelta(hours=hours)
        )
    with django_assert_num_queries(1):
        found = {row.name: due(facts_of(row), now) for row in candidates(now)}
    assert {name: todo and todo.step for name, todo in found.items()} == {
        "asleep": Step.DORMANCY,
        "old": Step.FAILEDSTOP,
    }


def test_settings_of_the_template_reach_what_was_computed_from_them(world: World) -> None:
    set_template(world, time_til_dormant_ms=HOUR)
    workspace = world.running()
    now = timezone.now()
    Workspace.objects.update(autostart_schedule="0 9 * * *", dormant_at=now, next_start_at=now)
    boss = subject(world.boss)
    template_update(actor=boss, template=world.template, time_til_dormant_autodelete_ms=2 * HOUR)
    assert reread(workspace).deleting_at == now + timedelta(hours=2)
    template_update(actor=boss, template=world.template, allow_user_autostart=False)
    assert reread(workspace).next_start_at is None
    template_update(actor=boss, template=world.template, time_til_dormant_autodelete_ms=0)
    assert reread(workspace).deleting_at is None


def test_one_executor_at_a_time(world: World) -> None:
    with lease(LEASE_NAME) as held:
        assert held is not None
        assert LifecycleExecutor(1).once() is None
        with pytest.raises(CommandError, match="another process"):
            call_command("workspace_lifecycle", once=True)
        assert held.renew()
    assert LifecycleExecutor(1).once() is not None
    Lease.objects.create(name=LEASE_NAME, expires_at=timezone.now() - timedelta(seconds=1))
    assert LifecycleExecutor(1).once() is not None, "a lease that ran out is nobody's"
    with pytest.raises(CommandError, match="above 0"):
        call_command("workspace_lifecycle", interval=0)


def test_a_claimed_prebuild_lives_like_any_other(world: World) -> None:
    set_template(world, default_ttl_ms=HOUR)
    prebuild = world.prebuild()
    Workspace.objects.filter(pk=prebuild.pk).update(owner=world.ada, name="mine", ttl_ms=HOUR)
    from django.db import transaction

    from coder_admin.workspaces import builder

    with transaction.atomic():
        builder.build(actor=subject(world.ada), workspace=reread(prebuild), transition="start", stage="claim")
    mine = settled(prebuild)
    deadline = latest(mine).deadline
    assert deadline is not None
    assert run_pass(deadline).done == [(mine.id, Step.AUTOSTOP)]
