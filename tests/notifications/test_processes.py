"""Notifiers as processes: killed without warning, and two on one database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from coder_admin.notifications.kinds import TEST
from coder_admin.notifications.models import InboxNotification, MessageStatus, NotificationMessage
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import User
from coder_admin.settings.environment import BASE_DIR
from tests.notifications.kit import MailServer, Receiver, until
from tests.people import person

pytestmark = pytest.mark.django_db(transaction=True)

#: CODER_ADMIN_MESSAGES=10000 sends the whole load of the proof; CI sends a part of it.
MESSAGES = int(os.environ.get("CODER_ADMIN_MESSAGES", "400"))
Spawn = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def spawn(receiver: Receiver) -> Iterator[Spawn]:
    """Start `manage.py notifier` on the test's database; it sends to the receiver."""
    running: list[subprocess.Popen[str]] = []

    def start(**more: str) -> subprocess.Popen[str]:
        given = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.provisioning.process_settings",
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "CODER_ADMIN_DATA": str(settings.DATA_DIR),
            "CODER_NOTIFICATIONS_METHOD": "webhook",
            "CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT": receiver.url,
            "CODER_NOTIFICATIONS_FETCH_INTERVAL": "0.2",
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, str(BASE_DIR / "manage.py"), "notifier"],
            env=given,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Notifier ")
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=10)


def sent() -> int:
    return NotificationMessage.objects.filter(status=MessageStatus.SENT).count()


def test_killed_between_send_and_record_is_sent_again(spawn: Spawn, receiver: Receiver) -> None:
    """At least once: the receiver has it, the record is missing, and the next notifier repeats it."""
    user = person("ada")
    receiver.hold = True
    first = spawn()
    notify(TEST.id, [user.id], labels={}, created_by="tests")
    until(lambda: receiver.requests, "the request")
    first.send_signal(signal.SIGKILL)
    first.wait()
    row = NotificationMessage.objects.get(method="webhook")
    assert row.status == MessageStatus.LEASED, "not lost, and not taken for sent"
    receiver.hold = False
    receiver.release.set()
    spawn()
    assert len(receiver.requests) == 1, "the lease still holds"
    NotificationMessage.objects.filter(pk=row.pk).update(leased_until=timezone.now())
    until(lambda: sent() == 2, "both methods sent")
    row.refresh_from_db()
    assert (row.status, row.attempt_count) == (MessageStatus.SENT, 1)
    assert [request.headers["x-message-id"] for request in receiver.requests] == [str(row.pk)] * 2
    assert InboxNotification.objects.count() == 1


#: The results of a notifier with this are not recorded as long as a delivery of it is under way.
RECORDS_LATE = {"CODER_NOTIFICATIONS_STORE_SYNC_INTERVAL": "3600"}


def tell(user: User) -> None:
    notify(TEST.id, [user.id], labels={}, created_by="tests")


def kill_and_follow(notifier: subprocess.Popen[str], follow: Callable[[], object]) -> None:
    """End a notifier that has an answer, and one to wait for, but no record; another takes over."""
    notifier.send_signal(signal.SIGKILL)
    notifier.wait()
    outside = NotificationMessage.objects.exclude(method="inbox")
    assert set(outside.values_list("status", "attempt_count")) == {(MessageStatus.LEASED, 0)}
    follow()
    outside.update(leased_until=timezone.now())
    until(lambda: sent() == 4, "both messages by both methods")
    assert set(outside.values_list("status", flat=True)) == {MessageStatus.SENT}


def test_killed_between_the_answer_of_the_webhook_and_the_record(spawn: Spawn, receiver: Receiver) -> None:
    """The receiver has it, the notifier knew, and nobody else ever will: it is sent once more."""
    slow, quick = person("ada"), person("bob")
    receiver.hold = True
    notifier = spawn(**RECORDS_LATE)
    tell(slow)
    until(lambda: receiver.requests, "the request that is not answered")
    receiver.hold = False
    tell(quick)
    until(lambda: receiver.taken, "the answer")
    quick_id = str(NotificationMessage.objects.get(method="webhook", user=quick).pk)
    assert receiver.taken == [quick_id]

    def follow() -> None:
        receiver.release.set()
        spawn()

    kill_and_follow(notifier, follow)
    times = Counter(request.headers["x-message-id"] for request in receiver.requests)
    slow_id = str(NotificationMessage.objects.get(method="webhook", user=slow).pk)
    assert times == {slow_id: 2, quick_id: 2}


def test_killed_between_the_answer_of_the_mail_server_and_the_record(
    spawn: Spawn, mail_server: MailServer, settings: Any
) -> None:
    settings.NOTIFICATIONS_METHOD = "smtp"
    slow, quick = person("ada"), person("bob")
    mail_server.held.add(slow.email)
    where = {
        "CODER_NOTIFICATIONS_METHOD": "smtp",
        "CODER_EMAIL_HOST": mail_server.host,
        "CODER_EMAIL_PORT": str(mail_server.port),
    }
    notifier = spawn(**where, **RECORDS_LATE)
    tell(slow)
    until(lambda: mail_server.mails, "the mail that is not answered")
    tell(quick)
    until(lambda: mail_server.quits == 1, "the goodbye that follows the answer")
    assert [address for address, _ in mail_server.mails] == [slow.email, quick.email]

    def follow() -> None:
        mail_server.held.clear()
        spawn(**where)

    kill_and_follow(notifier, follow)
    assert Counter(address for address, _ in mail_server.mails) == {slow.email: 2, quick.email: 2}


def test_stopped_in_the_middle_finishes_and_records(spawn: Spawn, receiver: Receiver) -> None:
    user = person("ada")
    receiver.hold = True
    process = spawn()
    notify(TEST.id, [user.id], labels={}, created_by="tests")
    until(lambda: receiver.requests, "the request")
    process.send_signal(signal.SIGTERM)
    receiver.release.set()
    assert process.wait(20) == 0
    assert NotificationMessage.objects.get(method="webhook").status == MessageStatus.SENT


# The whole load takes longer than a test usually may.
@pytest.mark.timeout(120 + MESSAGES // 10)
def test_two_notifiers_send_each_message_exactly_once(spawn: Spawn, receiver: Receiver) -> None:
    users = User.objects.bulk_create(
        User(username=f"user{number}", email=f"user{number}@example.com") for number in range(MESSAGES // 2)
    )
    queued = notify(TEST.id, [user.id for user in users], labels={}, created_by="tests")
    assert len(queued.ids) == len(users) * 2
    environment: dict[str, Any] = {"CODER_NOTIFICATIONS_LEASE_COUNT": "20"}
    notifiers = [spawn(**environment), spawn(**environment)]
    until(lambda: sent() == len(queued.ids), "everything sent", within=90 + MESSAGES / 20)
    for notifier in notifiers:
        notifier.send_signal(signal.SIGTERM)
        assert notifier.wait(20) == 0
    times = Counter(request.headers["x-message-id"] for request in receiver.requests)
    assert len(times) == len(users)
    assert set(times.values()) == {1}
    assert InboxNotification.objects.count() == len(users)
