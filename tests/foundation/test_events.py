"""Events leave after the commit, reach both kinds of listener, and never hurt the sender."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
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


@pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis (REDIS_URL)")
async def test_a_quiet_listener_on_redis_still_hears_later() -> None:
    """The layer's wait for a message must not end by the client's own limit on a read (5 s both)."""
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add("quiet", channel)
    listening = asyncio.ensure_future(layer.receive(channel))
    done, _ = await asyncio.wait({listening}, timeout=7)
    assert not done, listening.exception() if listening.done() else None
    await layer.group_send("quiet", {"type": "late"})
    assert await asyncio.wait_for(listening, 5) == {"type": "late"}
