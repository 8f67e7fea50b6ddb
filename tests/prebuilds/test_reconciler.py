"""The loop's thread: a pass at start, within a second of a wake-up, and an end that can be asked twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction

from coder_admin.foundation import events
from coder_admin.organizations.models import PREBUILDS_USER_ID
from coder_admin.workspaces.models import Workspace
from prebuilds.claim import claim
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
    assert eventually(lambda: pooled() == 1) < 3


@pytest.mark.parametrize("topic", ["pools:{org}", "template:{template}"])
def test_announcements_of_other_rooms_wake_the_loop(reconciler: Reconciler, topic: str) -> None:
    template = world.template()
    reconciler.start()
    time.sleep(0.3)
    world.preset(template.active_version, 1)
    name = topic.format(org=template.organization_id, template=template.id)
    events.publish(name, {"template_id": str(template.id)})
    eventually(lambda: pooled() == 1)


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
    assert scope.template_ids == {one.id, two.id}
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
