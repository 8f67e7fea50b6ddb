"""The loop's thread: a pass at start, within a second of a wake-up, and an end that can be asked twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, transaction
from django.utils import timezone
from prometheus_client import CollectorRegistry

from coder_admin.foundation import events
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.models import Workspace, WorkspaceBuild
from prebuilds import provision
from prebuilds import reconciler as reconciler_module
from prebuilds.claim import claim
from prebuilds.leader import leadership
from prebuilds.metrics import register_collectors
from prebuilds.passes import reconcile_once
from prebuilds.reconciler import Reconciler, Wakeups
from prebuilds.wake import wake
from tests.prebuilds import world
from tests.prebuilds.conftest import claim_request
from tests.prebuilds.world import Prebuild

pytestmark = pytest.mark.django_db(transaction=True)


def eventually(question: Callable[[], bool], within: float = 10) -> float:
    """Seconds until the answer was yes."""
    begun = time.monotonic()
    while not question():
        assert time.monotonic() - begun < within, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - begun


def pooled() -> int:
    return Workspace.objects.filter(owner=PREBUILDS_USER_ID).count()


@pytest.fixture
def reconciler() -> Iterator[Reconciler]:
    loop = Reconciler(interval=3600)
    yield loop
    loop.stop()


def test_the_first_pass_comes_at_start(reconciler: Reconciler) -> None:
    world.preset(world.template().active_version, 2)
    reconciler.start()
    eventually(lambda: pooled() == 2)


def test_a_claim_is_replaced_within_a_second(reconciler: Reconciler) -> None:
    template = world.template()
    preset = world.preset(template.active_version, 1)
    Prebuild(preset, template.active_version).save()
    reconciler.start()
    time.sleep(0.3)  # the pass at start has nothing to do; what follows must come from the wake-up
    with transaction.atomic():
        assert claim(claim_request(preset, world.person())) is not None
    # The promise is a second; the rest is allowance for a busy machine.
    assert eventually(lambda: pooled() == 1) < 2


def test_what_is_due_is_not_put_off_by_a_steady_stream_of_events(reconciler: Reconciler) -> None:
    template, noisy = world.template(), world.template("noisy")
    preset = world.preset(template.active_version, 1, invalidate_after_secs=3600)
    Prebuild(preset, template.active_version, age=timedelta(seconds=3598)).save()
    quiet = threading.Event()

    def noise() -> None:
        while not quiet.wait(0.005):
            reconciler._wakeups.add(noisy.pk)

    stream = threading.Thread(target=noise)
    reconciler.start()
    stream.start()
    try:
        eventually(lambda: WorkspaceBuild.objects.filter(transition="delete").exists(), within=8)
    finally:
        quiet.set()
        stream.join()


def test_a_pass_that_failed_is_made_again_soon(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = reconcile_once, [OperationalError("the database is away")] * 2

    def stumbling(**arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(**arguments)

    monkeypatch.setattr(reconciler_module, "reconcile_once", stumbling)
    world.preset(world.template().active_version, 2)
    reconciler.start()
    eventually(lambda: pooled() == 2)
    assert failures == []


def passes() -> float:
    results = ("done", "paused", "error", "not_leader")
    return sum(REGISTRY.get_sample_value(f"{WAKE}_passes_total", {"result": r}) or 0 for r in results)


def quiet() -> None:
    """Wait until the loop has nothing to do: the pass at start is over, and what it woke."""
    eventually(lambda: passes() > 0)
    seen = -1.0
    while seen != passes():
        seen = passes()
        time.sleep(0.3)


WAKE = "coderd_prebuilds_reconciliation"
REGISTRY = CollectorRegistry()
register_collectors(REGISTRY)


@pytest.mark.parametrize("topic", ["pools:{org}", "template:{template}"])
def test_announcements_of_other_rooms_wake_the_loop(reconciler: Reconciler, topic: str) -> None:
    template = world.template()
    reconciler.start()
    quiet()
    world.preset(template.active_version, 1)
    name = topic.format(org=template.organization_id, template=template.id)
    events.publish(name, {"template_id": str(template.id)})
    eventually(lambda: pooled() == 1)


def test_the_edge_of_a_schedule_is_not_missed(reconciler: Reconciler) -> None:
    with time_machine.travel("2026-06-01T08:59:58.500Z", tick=True):
        preset = world.preset(world.template().active_version, 0, scheduling_timezone="UTC")
        preset.schedules.create(cron_expression="* 9 * * *", desired_instances=2)
        reconciler.start()
        eventually(lambda: passes() > 0)
        assert eventually(lambda: pooled() == 2) < 5
        assert timezone.now() >= datetime(2026, 6, 1, 9, tzinfo=UTC)


def test_a_prebuild_is_replaced_when_its_time_is_over(reconciler: Reconciler) -> None:
    preset = world.preset(world.template().active_version, 1, invalidate_after_secs=3600)
    Prebuild(preset, preset.template_version, age=timedelta(seconds=3598.5)).save()
    reconciler.start()
    assert eventually(lambda: pooled() == 2) < 5


def test_a_standby_looks_again_at_what_woke_it(reconciler: Reconciler) -> None:
    """The leader may have been in a pass that began before the change."""
    template = world.template()
    reconciler.start()
    quiet()
    with leadership() as lead:
        assert lead is not None
        world.preset(template.active_version, 1)
        wake(template_id=template.id)
        before = passes()
        eventually(lambda: passes() > before + 2)  # whoever leads may take longer than one look
        assert pooled() == 0
    assert eventually(lambda: pooled() == 1) < 2


def test_a_start_while_another_leads_looks_again(reconciler: Reconciler) -> None:
    """As after a kill: the lease of the one before runs on for a while."""
    world.preset(world.template().active_version, 1)
    with leadership() as lead:
        assert lead is not None
        before = passes()
        reconciler.start()
        eventually(lambda: passes() > before + 2)
    assert eventually(lambda: pooled() == 1) < 2


def test_a_write_that_failed_is_made_again_soon(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = provision.create_prebuild, [OperationalError("database is locked")] * 2

    def stumbling(**arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(**arguments)

    monkeypatch.setattr(provision, "create_prebuild", stumbling)
    world.preset(world.template().active_version, 2)
    reconciler.start()
    eventually(lambda: pooled() == 2)


def test_stopping_may_come_twice_or_first() -> None:
    never = Reconciler()
    never.stop()
    never.start()
    never.stop()
    loop = Reconciler(interval=3600)
    loop.start()
    loop.stop()
    loop.stop()


def test_wake_ups_are_collected_into_one_pass() -> None:
    wakeups = Wakeups()
    assert wakeups.take(0.0) is None
    one, two = world.template("one"), world.template("two")
    for template_id in (one.id, two.id, one.id):
        wakeups.add(template_id)
    scope = wakeups.take(0.0)
    assert scope is not None
    assert scope.template_ids == frozenset({one.id, two.id})
    assert wakeups.take(0.0) is None
    wakeups.add(one.id)
    wakeups.add(None)
    everything = wakeups.take(0.0)
    assert everything is not None
    assert everything.template_ids is None


def test_a_wake_up_inside_a_transaction_leaves_after_it(recorded_events: list[tuple[str, object]]) -> None:
    with transaction.atomic():
        wake()
        transaction.set_rollback(True)
    assert recorded_events == []
    with transaction.atomic():
        wake()
        assert recorded_events == []
    assert recorded_events == [("prebuilds:wake", {})]
