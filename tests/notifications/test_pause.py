"""Pausing and resuming: what waited leaves at once, not at the next look into the outbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from coder_admin.foundation import events
from coder_admin.notifications import config
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import InboxNotification
from tests.notifications.kit import queue, until
from tests.people import owner, person, subject

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def woken() -> Iterator[list[str]]:
    """The topics by which notifiers were woken so far."""
    found: list[str] = []
    undo = events.subscribe("notifications:wake", lambda topic, _: found.append(topic))
    yield found
    undo()


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The threads that have seen whether sending is paused."""
    found: set[str] = set()
    look = config.is_paused

    def seen() -> bool:
        paused = look()
        found.add(threading.current_thread().name)
        return paused

    monkeypatch.setattr(config, "is_paused", seen)
    return found


def test_resuming_wakes_a_running_notifier(kind: Kind, settings: Any, looked: set[str]) -> None:
    settings.NOTIFICATIONS_FETCH_INTERVAL = 3600.0
    boss = subject(owner())
    config.settings_update(actor=boss, notifier_paused=True)
    queue(kind, person("ada"))
    notifier = Notifier()
    notifier.start()
    try:
        until(lambda: {"notifier-inbox", "notifier-outside"} <= looked, "the pause seen", within=10)
        config.settings_update(actor=boss, notifier_paused=False)
        until(lambda: InboxNotification.objects.exists() and mail.outbox, "the messages", within=10)
    finally:
        notifier.stop()


def test_only_resuming_wakes_and_only_after_the_commit(woken: list[str]) -> None:
    boss = subject(owner())
    config.settings_update(actor=boss, notifier_paused=True)
    with pytest.raises(config.Unchanged):
        config.settings_update(actor=boss, notifier_paused=True)
    assert woken == []
    with transaction.atomic():
        config.settings_update(actor=boss, notifier_paused=False)
        transaction.set_rollback(True)
    assert woken == [], "nothing was resumed"
    with transaction.atomic():
        config.settings_update(actor=boss, notifier_paused=False)
        assert woken == [], "not yet"
    assert woken == ["notifications:wake"]
