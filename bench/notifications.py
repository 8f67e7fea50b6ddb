"""Notifications: statements to queue one fact for 1,000 people, and deliveries into the inbox against half
the rate of Django's `bulk_create` of the same inbox rows, in turn with them: the pair with the
median ratio."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .figure import Figure
from .reconcile import database

if TYPE_CHECKING:
    from coder_admin.organizations.models import User

RECIPIENTS = 1_000
FACTS = 5  # so that 5,000 messages are delivered
ROUNDS = 5


def measure() -> list[Figure]:
    """On the database of DATABASE_URL, or on SQLite."""
    with database(), _server_loop():
        users = _people()
        gc.collect()
        gc.freeze()  # as `up` does
        return [_statements(users), *_deliveries(users)]


@contextmanager
def _server_loop() -> Iterator[None]:
    """As in `up`: events go to the server's loop, which runs on a thread of its own."""
    from coder_admin.foundation import events

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    events.bind_loop(loop)
    try:
        yield
    finally:
        events.bind_loop(None)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def _people() -> list[User]:
    from coder_admin.organizations.models import User

    return User.objects.bulk_create(
        User(username=f"bench{number}", email=f"bench{number}@example.com") for number in range(RECIPIENTS)
    )


def _queue(users: list[User], *, personal: bool) -> int:
    """One fact for everybody, or for each a fact of their own."""
    from coder_admin.notifications.services import notify
    from prebuilds.notices import RESOURCE_REPLACED

    def fact(people: list[User], number: int) -> int:
        labels = {
            "org": "coder",
            "workspace": f"box-{number}",
            "template": "go-service",
            "template_version": "v1",
            "preset": "large",
            "workspace_build_num": "2",
            "claimant": "ada",
        }
        queued = notify(
            RESOURCE_REPLACED.id,
            [user.id for user in people],
            labels=labels,
            data={"replacements": {"docker_container.main[0]": "env, image", "null_resource.x": "triggers"}},
            targets=[uuid.uuid4() for _ in range(6)],
            created_by="bench",
        )
        return len(queued.ids)

    if personal:
        return sum(fact([user], number) for number, user in enumerate(users))
    return fact(users, int(time.time_ns()))


def _statements(users: list[User]) -> Figure:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as few:
        _queue(users[:2], personal=False)
    with CaptureQueriesContext(connection) as many:
        _queue(users, personal=False)
    return Figure(f"statements for {RECIPIENTS:,} people, for 2", len(many), len(few), "")


def _deliveries(users: list[User]) -> list[Figure]:
    """Rows a second: one fact for everybody, five times; then 1,000 facts, so that each message has a text of
    its own to be rendered. Of some rounds that in which delivery and insert, measured one after the other,
    have the median ratio: what slows the machine for a while slows both of a pair."""
    from coder_admin.notifications.models import InboxNotification, NotificationMessage

    found = []
    for name, personal in (("one text", False), ("own texts", True)):
        pairs = []
        for _ in range(ROUNDS):
            NotificationMessage.objects.all().delete()
            InboxNotification.objects.all().delete()
            for _ in range(1 if personal else FACTS):
                _queue(users, personal=personal)
            NotificationMessage.objects.exclude(method="inbox").delete()
            waiting = NotificationMessage.objects.count()
            delivered = waiting / _timed_delivery()
            rows = list(InboxNotification.objects.all())
            assert len(rows) == waiting
            for row in rows:
                row.id = uuid.uuid4()
            InboxNotification.objects.all().delete()
            began = time.perf_counter()
            InboxNotification.objects.bulk_create(rows)
            bare = waiting / (time.perf_counter() - began)
            # Half of the bare rate is the goal: the ratio is goal by measured, below 1 is better.
            pairs.append(Figure(f"half of bulk_create by inbox, {name}", bare / 2, delivered, "/s"))
        found.append(sorted(pairs, key=lambda pair: pair.ratio)[ROUNDS // 2])
    return found


def _timed_delivery() -> float:
    from coder_admin.notifications.dispatcher import Notifier

    notifier = Notifier()
    began = time.perf_counter()
    while notifier.deliver_batch():
        pass
    return time.perf_counter() - began
