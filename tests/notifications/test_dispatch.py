"""Delivery: leases, retries, refusals, crashes (reference 1.4)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pytest_django import DjangoAssertNumQueries

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid
from coder_admin.foundation.models import SiteConfig
from coder_admin.notifications import kinds, outbox, preferences
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import Kind, register
from coder_admin.notifications.lanes import OutsideLane
from coder_admin.notifications.models import (
    InboxNotification,
    MessageStatus,
    Method,
    NotificationMessage,
    NotificationPreference,
)
from coder_admin.notifications.services import notify
from coder_admin.organizations.models import User
from tests.notifications.kit import MailServer, Receiver, queue, statuses, until
from tests.people import person, subject

Register = Callable[[Kind], Kind]
LIMITS = outbox.Limits(
    lease=timedelta(minutes=2), batch=20, max_attempts=3, retry_interval=timedelta(minutes=5)
)
OUTSIDE = [Method.SMTP, Method.WEBHOOK]


@pytest.fixture
def registered() -> Iterator[Register]:
    """Registers kinds for one test."""
    made: list[Kind] = []

    def add(kind: Kind) -> Kind:
        made.append(register(kind))
        return kind

    yield add
    for kind in made:
        kinds._kinds.pop(kind.id)


def test_delivers_to_inbox_and_by_mail(user: User, kind: Kind) -> None:
    queue(kind, user)
    assert Notifier().deliver_batch() == 2
    assert statuses() == {"smtp": "sent", "inbox": "sent"}
    row = InboxNotification.objects.get()
    assert row.title == "Workspace dev deleted"
    assert row.content.startswith("**dev** of ")
    assert row.icon == "DEFAULT_ICON_WORKSPACE"
    assert row.actions[0]["label"] == "View dev"
    assert NotificationMessage.objects.get(method="inbox").id == row.id
    assert mail.outbox[0].subject == "Workspace dev deleted"
    assert Notifier().deliver_batch() == 0


def test_the_wait_in_the_queue_is_recorded(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationMessage.objects.update(updated_at=timezone.now() - timedelta(seconds=90))
    Notifier().deliver_batch()
    for waited in NotificationMessage.objects.values_list("queued_seconds", flat=True):
        assert waited is not None
        assert 89 < waited < 100


def test_the_open_page_is_told_after_the_row_is_there(user: User, kind: Kind, transactional_db: None) -> None:
    heard: list[tuple[str, bool]] = []

    def listen(topic: str, event: events.Event) -> None:
        heard.append((topic, InboxNotification.objects.filter(pk__in=event["ids"]).count() == 1))

    undo = events.subscribe(f"inbox:{user.id}", listen)
    queue(kind, user)
    Notifier().deliver_batch()
    undo()
    assert heard == [(f"inbox:{user.id}", True)]


def test_a_mail_server_that_is_away_is_tried_again_up_to_the_limit(
    user: User, kind: Kind, settings: Any
) -> None:
    settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS = 2
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
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


@given(st.integers(1, 50), st.floats(0, 1), st.floats(1, 10_000))
def test_waits_between_attempts_double_up_to_a_limit(attempts: int, jitter: float, seconds: float) -> None:
    interval = timedelta(seconds=seconds)
    wait = outbox.retry_delay(attempts, interval, jitter)
    plain = min(interval * 2 ** min(attempts - 1, 20), max(interval, timedelta(hours=1)))
    assert plain * 0.8 <= wait <= plain * 1.2 + timedelta(microseconds=2)
    assert outbox.retry_delay(attempts, interval, 0) <= outbox.retry_delay(attempts, interval, 1)


@pytest.mark.parametrize(
    ("title", "body", "reason"),
    [
        ("t", "{{ labels.name|nofilter }}", "Invalid filter"),
        ("{% if %}", "b", "Unexpected end of expression"),
        ("t", "{% for a, b in data.pairs %}{{ a }}{% endfor %}", "Need 2 values to unpack"),
        ("t", "{{ labels.name|add:labels.name|center:data.pairs }}", "int()"),
    ],
)
def test_a_template_that_fails_never_blocks_the_queue(
    user: User, kind: Kind, registered: Register, title: str, body: str, reason: str
) -> None:
    broken = registered(Kind(id=uuid.uuid4(), name="Broken", title_template=title, body_template=body))
    notify(broken.id, [user.id], labels={"name": "x"}, data={"pairs": [[1, 2, 3]]}, created_by="test")
    queue(kind, user)
    notifier = Notifier()
    notifier.deliver_batch()
    failed = NotificationMessage.objects.filter(notification_template_id=broken.id)
    assert {(row.method, row.status, row.attempt_count) for row in failed} == {
        ("inbox", "permanent_failure", 1),
        ("smtp", "permanent_failure", 1),
    }
    assert all(row.status_reason.startswith("the text cannot be rendered: ") for row in failed)
    assert all(reason in row.status_reason for row in failed)
    assert InboxNotification.objects.get().title == "Workspace dev deleted"
    assert [sent.subject for sent in mail.outbox] == ["Workspace dev deleted"]
    assert notifier.deliver_batch() == 0, "not tried again"


def test_many_that_fail_for_one_reason_are_recorded_together(
    kind: Kind, registered: Register, db: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    broken = registered(
        Kind(
            id=uuid.uuid4(),
            name="Broken too",
            title_template="t",
            body_template="{% for x in labels.name.y.z x %}",
        )
    )
    for number in range(30):
        queue(broken, person(f"user{number}"))
    queue(kind, person("ada"))
    NotificationMessage.objects.filter(method="smtp").delete()
    with django_assert_max_num_queries(15):
        Notifier().deliver_batch()
    failed = NotificationMessage.objects.filter(notification_template_id=broken.id)
    assert set(failed.values_list("status", "attempt_count")) == {("permanent_failure", 1)}
    assert InboxNotification.objects.get().title == "Workspace dev deleted"


def test_a_message_is_rendered_with_its_own_payload(registered: Register, db: None) -> None:
    """A text that names its reader, or something of its message, is not another's."""
    texts = {
        "Personal": "For {{ user_name }}: {{ labels.name }}",
        "Named": "{{ notification_name }}: {{ labels.name }}",
        "Plain": "{{ labels.user_name }}: {{ labels.name }}",
    }
    ada, bob = person("ada"), person("bob")
    for name, text in texts.items():
        made = registered(Kind(id=uuid.uuid4(), name=name, title_template=text, body_template=text))
        for user in (ada, bob):
            queue(made, user, name='é "\\" 😀 \u2028')
    Notifier().deliver_batch()
    for user in (ada, bob):
        found = InboxNotification.objects.filter(user=user).values_list("title", flat=True)
        assert sorted(found) == sorted([f'For {user.username}: é "\\" 😀', 'Named: é "\\" 😀', ': é "\\" 😀'])


def test_what_is_due_is_found_by_its_index(db: None, kind: Kind) -> None:
    """However long the log of what was sent: the index holds only what may still have to be delivered."""
    user = person("ada")
    for n in range(50):
        queue(kind, user, name=str(n))
    log = list(NotificationMessage.objects.all())
    NotificationMessage.objects.update(status=MessageStatus.SENT)
    for _ in range(20):  # the planner chooses by what it knows: a log of 2,100 messages, of which two are due
        for message in log:
            message.id, message.dedupe_hash = uuid.uuid4(), uuid.uuid4().hex
            message.status = MessageStatus.SENT
        NotificationMessage.objects.bulk_create(log)
    queue(kind, user)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {NotificationMessage._meta.db_table}")
    for methods in ([Method.INBOX], OUTSIDE):
        assert "notification_due" in outbox.due(methods, LIMITS, timezone.now())[:20].explain()


def test_a_kind_that_nobody_registers_any_more_is_failed_with_the_reason(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationMessage.objects.update(notification_template_id=uuid.uuid4())
    Notifier().deliver_batch()
    assert set(statuses().values()) == {"permanent_failure"}
    assert "is not registered" in NotificationMessage.objects.all()[0].status_reason


def test_a_row_that_the_database_refuses_does_not_hold_up_its_batch(
    user: User, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(kind, user, name="one")
    queue(kind, user, name="two")
    NotificationMessage.objects.filter(method="smtp").delete()
    poison = NotificationMessage.objects.filter(payload__labels__name="one").get()
    # A text that the database cannot hold, as a payload of an older version might.
    with connection.cursor() as cursor:
        _forbid(cursor, poison.id)
    Notifier().deliver_batch()
    rows = dict(NotificationMessage.objects.values_list("payload__labels__name", "status"))
    assert rows == {"one": "permanent_failure", "two": "sent"}
    poison.refresh_from_db()
    assert poison.status_reason.startswith("the inbox refused it")


def _forbid(cursor: Any, id_: uuid.UUID) -> None:
    """Have the database refuse the inbox row of this id."""
    table = InboxNotification._meta.db_table
    if connection.vendor == "sqlite":
        cursor.execute(
            f"CREATE TRIGGER poison BEFORE INSERT ON {table} WHEN NEW.id = '{id_.hex}' "
            "BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
        return
    cursor.execute(
        "CREATE OR REPLACE FUNCTION poison() RETURNS trigger AS $$ BEGIN "
        f"IF NEW.id = '{id_}' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql"
    )
    cursor.execute(f"CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION poison()")


def test_switched_off_after_queueing_is_inhibited(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationPreference.objects.create(user=user, notification_template_id=kind.id, disabled=True)
    Notifier().deliver_batch()
    assert statuses() == {"smtp": "inhibited", "inbox": "inhibited"}
    assert set(NotificationMessage.objects.values_list("status_reason", flat=True)) == {"disabled by user"}
    assert not mail.outbox


def test_an_opt_in_taken_back_after_queueing_inhibits_too(
    user: User, kind: Kind, registered: Register
) -> None:
    """A kind that is off by default: ticked on the page, then no more."""
    rare = registered(replace(kind, id=uuid.uuid4(), enabled_by_default=False))
    preferences.choose(actor=subject(user), user=user, wanted={rare.id: {"inbox"}})
    queue(rare, user)
    assert statuses() == {"inbox": "pending"}
    preferences.choose(actor=subject(user), user=user, wanted={rare.id: set()})
    Notifier().deliver_batch()
    assert statuses() == {"inbox": "inhibited"}
    preferences.choose(actor=subject(user), user=user, wanted={rare.id: {"inbox"}})
    assert queue(rare, user, name="later").ids


def test_a_method_switched_off_after_queueing_is_inhibited_alone(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationPreference.objects.create(
        user=user, notification_template_id=kind.id, method="smtp", disabled=True
    )
    Notifier().deliver_batch()
    assert statuses() == {"smtp": "inhibited", "inbox": "sent"}


def test_paused_means_queued_and_not_sent(user: User, kind: Kind) -> None:
    SiteConfig.objects.create(key="notifications_settings", value='{"notifier_paused": true}')
    queue(kind, user)
    assert Notifier().deliver_batch() == 0
    assert statuses() == {"smtp": "pending", "inbox": "pending"}


def test_a_lease_keeps_others_away_and_its_loser_cannot_record(user: User, kind: Kind) -> None:
    queue(kind, user)
    now = timezone.now()
    first, second = uuid.uuid4(), uuid.uuid4()
    taken = outbox.acquire(first, OUTSIDE, LIMITS, now)
    assert len(taken) == 1
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status_reason == f"Leased by notifier {first}"
    assert row.leased_until == now + timedelta(minutes=2)
    assert outbox.acquire(second, OUTSIDE, LIMITS, now + timedelta(minutes=1)) == []
    again = outbox.acquire(second, OUTSIDE, LIMITS, now + timedelta(minutes=3))
    assert {m.id for m in again} == {m.id for m in taken}
    assert outbox.record_sent(first, taken, now) == 0
    assert statuses()["smtp"] == "leased"
    assert outbox.record_sent(second, again, now) == 1
    assert statuses()["smtp"] == "sent"


def test_a_message_that_ends_every_notifier_is_given_up(user: User, kind: Kind, settings: Any) -> None:
    settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS = 3
    queue(kind, user)
    now = timezone.now()
    for _ in range(4):  # the first, and three whose lease ran out
        assert len(outbox.acquire(uuid.uuid4(), OUTSIDE, LIMITS, now)) == 1
        now += timedelta(minutes=3)
    assert outbox.acquire(uuid.uuid4(), OUTSIDE, LIMITS, now) == []
    assert outbox.give_up(now) == 1
    row = NotificationMessage.objects.get(method="smtp")
    assert (row.status, row.status_reason) == ("permanent_failure", outbox.UNCONFIRMED)


def test_what_failed_more_often_than_is_allowed_now_is_given_up(
    user: User, kind: Kind, settings: Any
) -> None:
    """The limit was lowered: what waited for its next attempt would never have one, nor an end."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    queue(kind, user)
    Notifier().deliver_batch()
    before = NotificationMessage.objects.get(method="smtp")
    settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS = 2
    assert outbox.give_up(timezone.now()) == 0, "one attempt is left"
    settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS = 1
    assert outbox.give_up(timezone.now()) == 1
    row = NotificationMessage.objects.get(method="smtp")
    assert (row.status, row.attempt_count) == (MessageStatus.PERMANENT_FAILURE, 1)
    assert row.status_reason == f"{outbox.NO_MORE}: {before.status_reason}"
    assert row.next_retry_after is None
    assert outbox.give_up(timezone.now()) == 0


def test_oldest_first_and_no_more_than_a_batch(kind: Kind, db: None) -> None:
    for number in range(3):
        queue(kind, person(f"user{number}"))
    limits = outbox.Limits(timedelta(minutes=1), 2, 5, timedelta(minutes=5))
    taken = outbox.acquire(uuid.uuid4(), OUTSIDE, limits, timezone.now())
    assert len(taken) == 2
    mails = NotificationMessage.objects.filter(method="smtp").order_by("created_at", "id")
    assert [m.id for m in taken] == list(mails.values_list("id", flat=True)[:2])


def test_old_messages_are_cleaned_up(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationMessage.objects.filter(method="smtp").update(updated_at=timezone.now() - timedelta(days=8))
    assert outbox.clean_up(timezone.now()) == 1
    assert list(statuses()) == ["inbox"]


def test_the_metrics_of_the_reference(user: User, kind: Kind, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    def sample(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"coderd_notifications_{name}", labels) or 0.0

    id_ = str(kind.id)
    queue(kind, user)
    before = {method: sample("queued_seconds_count", method=method) for method in ("inbox", "smtp")}
    sends = {method: sample("dispatcher_send_seconds_count", method=method) for method in ("inbox", "smtp")}
    synced = sample("synced_updates_total")
    Notifier().deliver_batch()
    attempts = "dispatch_attempts_total"
    assert sample(attempts, method="inbox", template_id=id_, result="success") == 1
    assert sample(attempts, method="smtp", template_id=id_, result="temp_fail") == 1
    assert sample("retry_count", method="smtp", template_id=id_) == 1
    assert sample("inflight_dispatches", method="smtp", template_id=id_) == 0
    for method in ("inbox", "smtp"):
        assert sample("queued_seconds_count", method=method) == before[method] + 1
        assert sample("dispatcher_send_seconds_count", method=method) == sends[method] + 1
    assert sample("synced_updates_total") == synced + 1
    assert sample("pending_updates") == 0


@pytest.mark.django_db(transaction=True)
def test_the_running_notifier_delivers_at_once(kind: Kind) -> None:
    user = person("ada")
    notifier = Notifier()
    notifier.start()
    try:
        queue(kind, user)
        # The fetch interval is 15 s: sooner means that it was woken.
        until(InboxNotification.objects.exists, "delivery", within=10)
        until(lambda: set(statuses().values()) == {"sent"}, "both recorded", within=10)
    finally:
        notifier.stop()
    assert not [t for t in threading.enumerate() if t.name.startswith("notifier") and "send" not in t.name]


@pytest.mark.django_db(transaction=True)
def test_two_notifiers_send_each_message_once(kind: Kind, settings: Any) -> None:
    settings.NOTIFICATIONS_LEASE_COUNT = 5
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


def test_mails_that_hang_leave_webhooks_their_places(
    user: User, kind: Kind, mail_server: MailServer, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFICATIONS_LEASE_COUNT = 2
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 20
    mail_server.held.add(user.email)
    settings.NOTIFICATIONS_METHOD = "smtp"
    for number in range(3):
        queue(kind, user, name=f"n{number}")
    settings.NOTIFICATIONS_METHOD = "webhook"
    lane = OutsideLane(uuid.uuid4(), replace(LIMITS, batch=2))
    lane.step()
    until(lambda: len(mail_server.mails) == 2, "two mails under way")
    for number in range(3):
        queue(kind, user, name=f"m{number}")
    until(lambda: lane.step() == 0.0 and len(receiver.requests) == 3, "all webhooks", within=10)
    assert len(mail_server.mails) == 2, "the third waits for a place of its own method"
    mail_server.held.clear()
    lane.close()


def test_a_dispatch_longer_than_the_lease_is_refused_at_the_start(settings: Any) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 120.0
    settings.NOTIFICATIONS_LEASE_PERIOD = 120.0
    with pytest.raises(Invalid, match="LEASE_PERIOD"):
        Notifier()


def test_messages_of_one_batch_stay_in_the_order_of_their_facts(user: User, kind: Kind) -> None:
    names = [f"box-{number}" for number in range(12)]
    for name in names:
        queue(kind, user, name=name)
    Notifier().deliver_batch()
    titles = list(InboxNotification.objects.values_list("title", flat=True))  # newest first
    assert titles == [f"Workspace {name} deleted" for name in reversed(names)]
