"""Nothing leaves inside a transaction: found by reading the sources, and raised when it happens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import transaction
from django.test import TestCase

from coder_admin.foundation import events
from coder_admin.provisioning import wake
from tests.foundation.direct_sends import direct_sends

ROOT = Path(__file__).resolve().parents[2]
#: The ways out themselves, and the worker that listens.
ALLOWED = {
    "coder_admin/foundation/events.py": {"group_send", "_send_to_layer", "_send_in_tests"},
    "coder_admin/provisioning/wake.py": {"apply_async", "drain_queue", "nudge", "wake_local"},
    "coder_admin/provisioning/broker.py": {"wake_local"},
    "coder_admin/provisioning/tasks.py": {"wake_local"},
}


def test_no_module_sends_directly() -> None:
    found = []
    for package in ("coder_admin", "prebuilds", "rbac"):
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            allowed = ALLOWED.get(name, set())
            found += [
                f"{name}:{n} {what}" for n, what in direct_sends(path.read_text()) if what not in allowed
            ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "async_to_sync(get_channel_layer().group_send)('x', {})",
        "def f(layer):\n    layer.send('x', {})",
        "send = self.channel_layer.group_send",
        "drain_queue.delay({})",
        "drain_queue.apply_async(args=({},))",
        "app.send_task('provisioning.drain_queue')",
        "from coder_admin.provisioning.wake import nudge as poke\npoke({})",
        "wake.nudge({})",
        "events._send('x', {})",
        "getattr(layer, 'group_send')('x', {})",
        "methodcaller('delay', {})(drain_queue)",
    ],
)
def test_the_check_finds_a_send_however_it_is_written(source: str) -> None:
    assert list(direct_sends(source)) != []


def test_the_check_lets_the_helper_pass() -> None:
    source = "events.publish('x', {})\nwake.nudge_after_commit({})\nself.send(text_data='x')\n"
    assert list(direct_sends(source)) == []


EARLY: list[Callable[[], object]] = [
    partial(wake.nudge, {}),
    partial(events._send, "pools:1", {}),
    partial(lambda action: action(), partial(events._send, "pools:1", {})),
]


def inside_transactions(depth: int, send: Callable[[], object]) -> None:
    with transaction.atomic():
        if depth > 1:
            inside_transactions(depth - 1, send)
        send()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("send", EARLY)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_send_inside_a_transaction_is_an_error(send: Callable[[], object], depth: int) -> None:
    heard: list[str] = []
    stop = events.subscribe("", lambda topic, event: heard.append(topic))
    try:
        with pytest.raises(events.SentInsideTransactionError, match="before the commit"):
            inside_transactions(depth, send)
        assert heard == []
        send()  # after it everything may leave
    finally:
        stop()


@pytest.mark.django_db(transaction=True)
def test_outside_of_tests_it_is_only_logged(settings: Any) -> None:
    settings.EVENTS_STRICT = False
    with transaction.atomic():
        wake.nudge({})


@pytest.mark.django_db
def test_the_transaction_of_a_test_does_not_count() -> None:
    heard: list[str] = []
    stop = events.subscribe("pools:", lambda topic, event: heard.append(topic))
    try:
        with TestCase.captureOnCommitCallbacks(execute=True), transaction.atomic():
            events.publish("pools:1", {})
        assert heard == ["pools:1"]
    finally:
        stop()


@pytest.mark.django_db(transaction=True)
def test_the_layer_hears_nothing_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watched at the last step, below everything of ours."""
    layer = get_channel_layer()
    sent: list[str] = []

    async def group_send(group: str, message: Any) -> None:
        sent.append(group)

    monkeypatch.setattr(layer, "group_send", group_send)
    monkeypatch.setattr(layer, "groups", {"unheard.1": {"x": 0.0}, "unheard.2": {"x": 0.0}}, raising=False)
    with transaction.atomic():
        events.publish("unheard:1", {})
        events.after_commit(lambda: events.publish("unheard:2", {}))
        assert sent == []
    assert sent == ["unheard.1", "unheard.2"]
