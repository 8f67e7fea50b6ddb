"""Delivery: leases, retries, refusals, crashes (reference 1.4)."""

from __future__ import annotations

import smtplib
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.models import SiteConfig
from coder_admin.notifications import outbox
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import Kind, register
from coder_admin.notifications.models import (
    InboxNotification,
    MessageStatus,
    NotificationMessage,
    NotificationPreference,
)
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import User
from tests.people import person

LIMITS = outbox.Limits(
    lease=timedelta(minutes=2), batch=20, max_attempts=3, retry_interval=timedelta(minutes=5)
)


def queue(kind: Kind, user: User, name: str = "dev") -> None:
    notify(kind.id, [user.id], labels={"name": name}, created_by="tests")


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def statuses() -> dict[str, str]:
    return dict(NotificationMessage.objects.values_list("method", "status"))


def test_delivers_to_inbox_and_by_mail(user: User, kind: Kind) -> None:
    queue(kind, user)
    assert Notifier().deliver_batch() == 2
    assert statuses() == {"smtp": "sent", "inbox": "sent"}
    row = InboxNotification.objects.get()
    assert row.title == "Workspace dev deleted"
    assert row.content.startswith("**dev** of ")
    assert row.icon == "DEFAULT_ICON_WORKSPACE"
    assert row.actions[0]["label"] == "View dev"
    message = mail.outbox[0]
    assert message.subject == "Workspace dev deleted"
    assert message.to == [user.email]
    assert "dev of" in message.body
    html = message.alternatives[0][0]
    assert "<strong>dev</strong>" in html
    assert Notifier().deliver_batch() == 0


def test_the_open_page_is_told_after_the_row_is_there(user: User, kind: Kind, transactional_db: None) -> None:
    heard: list[tuple[str, bool]] = []

    def listen(topic: str, event: events.Event) -> None:
        heard.append((topic, InboxNotification.objects.filter(pk=event["id"]).exists()))

    undo = events.subscribe(f"inbox:{user.id}", listen)
    queue(kind, user)
    Notifier().deliver_batch()
    undo()
    assert heard == [(f"inbox:{user.id}", True)]


def test_a_mail_server_that_is_away_is_tried_again_up_to_the_limit(
    user: User, kind: Kind, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS = 2  # type: ignore[attr-defined]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # type: ignore[attr-defined]
    queue(kind, user)
    notifier = Notifier()
    notifier.deliver_batch()
    row = NotificationMessage.objects.get(method="smtp")
    assert (row.status, row.attempt_count) == (MessageStatus.TEMPORARY_FAILURE, 1)
    assert "mail server" in row.status_reason
    assert row.next_retry_after is not None
    assert notifier.deliver_batch() == 0, "not before its time"
    NotificationMessage.objects.update(next_retry_after=timezone.now())
    notifier.deliver_batch()
    row.refresh_from_db()
    assert (row.status, row.attempt_count) == (MessageStatus.PERMANENT_FAILURE, 2)
    assert statuses()["inbox"] == "sent"


def test_a_refused_address_is_final(user: User, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise smtplib.SMTPRecipientsRefused({user.email: (550, b"no such user")})

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses() == {"smtp": "permanent_failure", "inbox": "sent"}


def test_a_template_that_fails_never_blocks_the_queue(user: User, kind: Kind) -> None:
    broken = register(
        Kind(id=uuid.uuid4(), name="Broken", title_template="t", body_template="{{ labels.name|nofilter }}")
    )
    queue(broken, user)
    queue(kind, user)
    Notifier().deliver_batch()
    failed = NotificationMessage.objects.filter(notification_template_id=broken.id)
    assert {row.status for row in failed} == {"permanent_failure"}
    assert all("cannot be rendered" in row.status_reason for row in failed)
    assert InboxNotification.objects.count() == 1


def test_switched_off_after_queueing_is_inhibited(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationPreference.objects.create(user=user, notification_template_id=kind.id, disabled=True)
    Notifier().deliver_batch()
    assert statuses() == {"smtp": "inhibited", "inbox": "inhibited"}
    assert set(NotificationMessage.objects.values_list("status_reason", flat=True)) == {"disabled by user"}
    assert not mail.outbox


def test_paused_means_queued_and_not_sent(user: User, kind: Kind) -> None:
    SiteConfig.objects.create(key="notifications_settings", value='{"notifier_paused": true}')
    queue(kind, user)
    assert Notifier().deliver_batch() == 0
    assert statuses() == {"smtp": "pending", "inbox": "pending"}


def test_a_crash_between_delivery_and_record_repeats_without_a_second_row(user: User, kind: Kind) -> None:
    queue(kind, user)
    Notifier().deliver_batch()
    # As if the process had died after the insert and before the record.
    long_ago = timezone.now() - timedelta(minutes=10)
    NotificationMessage.objects.filter(method="inbox").update(
        status=MessageStatus.LEASED, leased_until=long_ago, lease_holder=uuid.uuid4()
    )
    assert Notifier().deliver_batch() == 1
    assert statuses()["inbox"] == "sent"
    assert InboxNotification.objects.count() == 1


def test_a_lease_keeps_others_away_and_its_loser_cannot_record(user: User, kind: Kind) -> None:
    queue(kind, user)
    now = timezone.now()
    first, second = uuid.uuid4(), uuid.uuid4()
    taken = outbox.acquire(first, LIMITS, now)
    assert len(taken) == 2
    assert outbox.acquire(second, LIMITS, now + timedelta(minutes=1)) == []
    again = outbox.acquire(second, LIMITS, now + timedelta(minutes=3))
    assert {m.id for m in again} == {m.id for m in taken}
    outbox.record_sent(first, taken, now)
    assert set(statuses().values()) == {"leased"}
    outbox.record_sent(second, again, now)
    assert set(statuses().values()) == {"sent"}


def test_oldest_first_and_no_more_than_a_batch(kind: Kind, db: None) -> None:
    for number in range(3):
        queue(kind, person(f"user{number}"))
    limits = outbox.Limits(timedelta(minutes=1), 2, 5, timedelta(minutes=5))
    taken = outbox.acquire(uuid.uuid4(), limits, timezone.now())
    assert len(taken) == 2
    oldest = list(NotificationMessage.objects.order_by("created_at", "id").values_list("id", flat=True)[:2])
    assert [m.id for m in taken] == oldest


def test_old_messages_are_cleaned_up(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationMessage.objects.filter(method="smtp").update(updated_at=timezone.now() - timedelta(days=8))
    assert outbox.clean_up(timezone.now()) == 1
    assert list(statuses()) == ["inbox"]


@pytest.mark.django_db(transaction=True)
def test_the_running_notifier_delivers_at_once(kind: Kind) -> None:
    user = person("ada")
    notifier = Notifier()
    notifier.start()
    try:
        queue(kind, user)
        # The fetch interval is 15 s: sooner means that it was woken.
        until(InboxNotification.objects.exists, "delivery")
        until(lambda: set(statuses().values()) == {"sent"}, "both recorded")
    finally:
        notifier.stop()
    assert not [t for t in threading.enumerate() if t.name == "notifier"]


@pytest.mark.django_db(transaction=True)
def test_two_notifiers_send_each_message_once(kind: Kind, settings: object) -> None:
    settings.NOTIFICATIONS_LEASE_COUNT = 5  # type: ignore[attr-defined]
    user = person("ada")
    for number in range(60):
        queue(kind, user, name=f"n{number}")
    notifiers = [Notifier(), Notifier()]
    for notifier in notifiers:
        notifier.start()
    try:
        until(lambda: not NotificationMessage.objects.exclude(status="sent").exists(), "all sent")
    finally:
        for notifier in notifiers:
            notifier.stop()
    assert InboxNotification.objects.count() == 60
    assert len(mail.outbox) == 60
    assert len({m.subject for m in mail.outbox}) == 60


def test_a_dispatch_longer_than_the_lease_is_refused_at_the_start(settings: object) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 120.0  # type: ignore[attr-defined]
    settings.NOTIFICATIONS_LEASE_PERIOD = 120.0  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match="LEASE_PERIOD"):
        Notifier()
