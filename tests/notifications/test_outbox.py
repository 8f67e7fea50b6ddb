"""Queueing: one row per method, in the caller's transaction; refusals are values (reference 1.3)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from coder_admin.notifications import services
from coder_admin.notifications.enqueue import DUPLICATE, NO_METHOD, NO_USER, NOT_ENABLED, Queued, notify
from coder_admin.notifications.kinds import TEST, Kind, register
from coder_admin.notifications.models import NotificationMessage, NotificationPreference
from coder_admin.organizations.models import User
from tests.people import person

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def queue(kind: Kind, *users: User, name: str = "dev", now: datetime = NOON, **more: object) -> Queued:
    return notify(
        kind.id,
        [u.id for u in users],
        labels={"name": name},
        created_by="tests",
        now=now,
        **more,  # type: ignore[arg-type]
    )


def test_one_row_per_method_with_the_whole_payload(user: User, kind: Kind) -> None:
    target = uuid.uuid4()
    queued = queue(kind, user, targets=[target], data={"deep": [1, {"a": "b"}]})
    rows = {row.method: row for row in NotificationMessage.objects.all()}
    assert set(rows) == {"smtp", "inbox"}
    assert set(queued.ids) == {row.id for row in rows.values()}
    assert not queued.refused
    assert rows["inbox"].payload == {
        "_version": "1.2",
        "notification_name": kind.name,
        "notification_template_id": str(kind.id),
        "user_id": str(user.id),
        "user_email": user.email,
        "user_name": user.display_name,
        "user_username": "ada",
        "actions": [{"label": "View dev", "url": f"{settings.ACCESS_URL}/@dev"}],
        "labels": {"name": "dev"},
        "data": {"deep": [1, {"a": "b"}]},
        "targets": [str(target)],
    }
    assert rows["inbox"].targets == [str(target)]


def test_only_the_inbox_when_no_mail_server_is_configured(user: User, kind: Kind, settings: object) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
    settings.EMAIL_HOST = ""  # type: ignore[attr-defined]
    queue(kind, user)
    assert [row.method for row in NotificationMessage.objects.all()] == ["inbox"]
    settings.NOTIFICATIONS_INBOX_ENABLED = False  # type: ignore[attr-defined]
    assert queue(kind, user, name="b").refused == {user.id: NO_METHOD}


def test_the_same_message_is_refused_until_the_next_utc_day(user: User, kind: Kind) -> None:
    assert len(queue(kind, user).ids) == 2
    assert queue(kind, user).refused == {user.id: DUPLICATE}
    assert queue(kind, user, now=NOON + timedelta(hours=11, minutes=59)).refused == {user.id: DUPLICATE}
    assert len(queue(kind, user, now=NOON + timedelta(hours=12)).ids) == 2
    assert len(queue(kind, user, name="other").ids) == 2
    assert len(queue(kind, user, targets=[uuid.uuid4()]).ids) == 2
    assert len(queue(kind, user, data={"x": 1}).ids) == 2


def test_a_duplicate_for_one_user_does_not_hold_up_another(user: User, kind: Kind) -> None:
    queue(kind, user)
    other = person("bob")
    queued = queue(kind, user, other)
    assert queued.refused == {user.id: DUPLICATE}
    assert len(queued.ids) == 2


def test_all_methods_or_none(user: User, kind: Kind) -> None:
    queue(kind, user)
    NotificationMessage.objects.filter(method="smtp").delete()
    assert queue(kind, user).refused == {user.id: DUPLICATE}
    assert NotificationMessage.objects.count() == 1


def test_who_switched_the_kind_off_is_refused(user: User, kind: Kind) -> None:
    NotificationPreference.objects.create(user=user, notification_template_id=kind.id, disabled=True)
    assert queue(kind, user).refused == {user.id: NOT_ENABLED}
    assert not NotificationMessage.objects.exists()


def test_a_kind_that_is_off_by_default_needs_a_preference(user: User) -> None:
    quiet = register(
        Kind(id=uuid.uuid4(), name="Quiet", title_template="t", body_template="b", enabled_by_default=False)
    )
    assert queue(quiet, user).refused == {user.id: NOT_ENABLED}
    NotificationPreference.objects.create(user=user, notification_template_id=quiet.id, disabled=False)
    assert not queue(quiet, user).refused


def test_unknown_and_deleted_users_are_refused(user: User, kind: Kind) -> None:
    gone = person("gone")
    User.objects.filter(pk=gone.pk).update(deleted=True)
    nobody = uuid.uuid4()
    queued = notify(kind.id, [nobody, gone.id, user.id], labels={"name": "x"}, created_by="tests", now=NOON)
    assert queued.refused == {nobody: NO_USER, gone.id: NO_USER}
    assert len(queued.ids) == 2


def test_an_unknown_kind_is_a_mistake_of_the_caller(user: User) -> None:
    with pytest.raises(ValueError, match="not registered"):
        notify(uuid.uuid4(), [user.id], labels={}, created_by="tests")


def test_a_rolled_back_fact_leaves_no_message(user: User, kind: Kind) -> None:
    class Oops(Exception):
        pass

    def fact() -> None:
        with transaction.atomic():
            queue(kind, user)
            raise Oops

    with pytest.raises(Oops):
        fact()
    assert not NotificationMessage.objects.exists()


def test_statements_do_not_grow_with_the_recipients(kind: Kind, db: None) -> None:
    def users(count: int, prefix: str) -> list[User]:
        return User.objects.bulk_create(
            User(username=f"{prefix}{i}", email=f"{prefix}{i}@example.com") for i in range(count)
        )

    def statements(recipients: list[User]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert len(queue(kind, *recipients).ids) == 2 * len(recipients)
        return len(captured)

    few, many = statements(users(2, "few")), statements(users(1000, "many"))
    assert few == many <= 8
    assert NotificationMessage.objects.count() == 2 * 1002


def test_the_test_message_is_never_a_duplicate(db: None) -> None:
    from tests.people import owner, subject

    boss = subject(owner())
    assert len(services.test_send(actor=boss).ids) == 2
    assert len(services.test_send(actor=boss).ids) == 2
    assert NotificationMessage.objects.filter(notification_template_id=TEST.id).count() == 4
