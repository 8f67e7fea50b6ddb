"""Events leave after the commit, reach both kinds of listener, and never hurt the sender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from coder_admin.foundation import events

Seen = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def seen() -> Iterator[Seen]:
    heard: Seen = []
    unsubscribe = events.subscribe("pools:", lambda topic, event: heard.append((topic, dict(event))))
    yield heard
    unsubscribe()


@pytest.mark.django_db(transaction=True)
def test_an_event_waits_for_the_commit(seen: Seen) -> None:
    with transaction.atomic():
        events.publish("pools:1", {"kind": "x"})
        with transaction.atomic():
            events.publish("pools:2", {"kind": "y"})
        assert seen == []
    assert seen == [("pools:1", {"kind": "x"}), ("pools:2", {"kind": "y"})]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_fact_is_never_announced(seen: Seen) -> None:
    with transaction.atomic():
        events.publish("pools:1", {})
        transaction.set_rollback(True)
    assert seen == []


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_leaves_at_once_and_only_to_its_prefix(seen: Seen) -> None:
    events.publish("pools:7", {})
    events.publish("workspace:7", {})
    assert seen == [("pools:7", {})]


@pytest.mark.django_db(transaction=True)
def test_a_failing_subscriber_hurts_nobody(seen: Seen) -> None:
    def broken(topic: str, event: events.Event) -> None:
        raise RuntimeError("broken")

    unsubscribe = events.subscribe("", broken)
    try:
        events.publish("pools:1", {})
    finally:
        unsubscribe()
    assert seen == [("pools:1", {})]


@pytest.mark.django_db(transaction=True)
def test_the_channel_layer_carries_it_to_consumers() -> None:
    from asgiref.sync import async_to_sync

    layer = get_channel_layer()
    assert layer is not None

    async def listen() -> str:
        channel: str = await layer.new_channel()
        await layer.group_add(events.group_name("inbox:5"), channel)
        return channel

    channel = async_to_sync(listen)()
    events.publish("inbox:5", {"count": 3})
    message = async_to_sync(layer.receive)(channel)
    assert message == {"type": "event.message", "topic": "inbox:5", "event": {"count": 3}}
