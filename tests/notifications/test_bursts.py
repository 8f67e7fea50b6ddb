"""Bursts: the first incident at once, its like together when the window ends."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import QuerySet
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from coder_admin.notifications import bursts, digests, kinds
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.enqueue import DUPLICATE
from coder_admin.notifications.kinds import Digest, Kind
from coder_admin.notifications.models import (
    InboxNotification,
    NotificationBurst,
    NotificationIncident,
    NotificationMessage,
    NotificationPreference,
    NotificationTold,
)
from coder_admin.notifications.services import message_retry, notify
from coder_admin.organizations.models import User
from tests.notifications.kit import queue
from tests.people import owner, person, subject

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPIC = uuid.uuid4()


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def in_inbox() -> list[str]:
    Notifier().deliver_batch()
    return [row.title for row in InboxNotification.objects.order_by("created_at")]


def test_many_incidents_become_two_messages(user: User, kind: Kind) -> None:
    assert queue(kind, user, name="one", topic=TOPIC, now=NOON).ids
    for number in range(30):
        queued = queue(kind, user, name=f"n{number}", topic=TOPIC, now=minutes(1 + number))
        assert queued.held == (user.id,)
        assert not queued.ids
    assert in_inbox() == ["Workspace one deleted"]
    assert digests.tell_due(minutes(59)) == 0, "the window has not ended"
    assert digests.tell_due(minutes(61)) == 1
    assert in_inbox() == ["Workspace one deleted", "30 more deleted in coder"]
    digest = InboxNotification.objects.get(title__startswith="30")
    assert digest.content.count("**") == 20
    assert "and 20 more" in digest.content
    assert digest.actions[0]["label"] == "View all"
    payload = NotificationMessage.objects.get(pk=digest.pk).payload
    assert payload["labels"] == {"org": "coder"}, "what all of them share"
    assert payload["data"]["digest"]["count"] == 30
    assert not NotificationIncident.objects.exists()
    assert digests.tell_due(minutes(200)) == 0


def test_a_burst_that_goes_on_is_told_once_a_window(user: User, kind: Kind) -> None:
    for minute in range(0, 300, 5):
        digests.tell_due(minutes(minute))
        queue(kind, user, name=f"n{minute}", topic=TOPIC, now=minutes(minute))
    digests.tell_due(minutes(400))
    assert NotificationMessage.objects.filter(method="inbox").count() == 6


def test_after_a_quiet_window_the_next_is_told_at_once(user: User, kind: Kind) -> None:
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    assert queue(kind, user, name="two", topic=TOPIC, now=minutes(61)).ids


def test_a_single_one_that_was_held_reads_as_it_would_have(user: User, kind: Kind) -> None:
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    queue(kind, user, name="two", topic=TOPIC, now=minutes(1))
    digests.tell_due(minutes(61))
    assert in_inbox() == ["Workspace one deleted", "Workspace two deleted"]


def test_what_was_told_today_or_is_held_is_not_told_again(user: User, kind: Kind) -> None:
    """By a second process, or by one that began anew: in its words it is the same incident."""

    def comes(name: str, minute: float) -> tuple[int, int, list[str]]:
        queued = queue(kind, user, name=name, topic=TOPIC, now=minutes(minute))
        return len(queued.ids), len(queued.held), list(queued.refused.values())

    duplicate = (0, 0, [DUPLICATE])
    assert queue(kind, user, name="one", topic=TOPIC, now=NOON).ids
    assert comes("one", 1) == duplicate, "told at once before"
    assert comes("two", 2) == (0, 1, [])
    assert comes("two", 3) == duplicate, "held"
    assert digests.tell_due(minutes(61)) == 1
    assert comes("two", 62) == duplicate, "told by itself when the window ended"
    assert comes("three", 63) == (0, 1, [])
    assert comes("four", 64) == (0, 1, [])
    assert digests.tell_due(minutes(130)) == 1
    assert in_inbox() == ["Workspace one deleted", "Workspace two deleted", "2 more deleted in coder"]
    for minute, name in enumerate(("one", "two", "three", "four"), start=300):
        assert comes(name, minute) == duplicate, "told with others"
    assert comes("five", 310)[0] == 2, "repetitions begin no window: a message, by mail and in the inbox"
    assert comes("three", 12 * 60 + 1)[0] == 2, "the next day it is news"
    assert digests.tell_due(minutes(3000)) == 0


def test_what_is_held_over_midnight_is_told_once(user: User, kind: Kind) -> None:
    for name, minute in (("one", 11 * 60 + 50), ("two", 11 * 60 + 55), ("two", 12 * 60 + 5)):
        queue(kind, user, name=name, topic=TOPIC, now=minutes(minute))
    assert digests.tell_due(minutes(13 * 60)) == 1
    assert in_inbox() == ["Workspace one deleted", "Workspace two deleted"]


def test_whoever_has_not_heard_of_it_is_told(user: User, kind: Kind) -> None:
    other = person("bob")
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    queued = queue(kind, user, other, name="one", topic=TOPIC, now=minutes(1))
    assert (queued.held, dict(queued.refused)) == ((other.id,), {user.id: DUPLICATE})
    digests.tell_due(minutes(61))
    in_inbox()
    readers = InboxNotification.objects.values_list("user__username", "title")
    assert sorted(readers) == [("ada", "Workspace one deleted"), ("bob", "Workspace one deleted")]


def test_what_was_told_is_remembered_for_its_day(user: User, kind: Kind) -> None:
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    digests.forget_old(minutes(11 * 60 + 59))
    assert NotificationTold.objects.exists()
    digests.forget_old(minutes(12 * 60))
    assert not NotificationTold.objects.exists()
    assert NotificationBurst.objects.exists()


def test_topics_and_kinds_do_not_hold_up_each_other(user: User, kind: Kind) -> None:
    assert queue(kind, user, name="one", topic=TOPIC, now=NOON).ids
    assert queue(kind, user, name="one", topic=uuid.uuid4(), now=NOON).refused, "a duplicate, not held"
    assert queue(kind, user, name="two", topic=uuid.uuid4(), now=NOON).ids
    assert queue(kind, user, name="three", now=NOON).ids, "no topic, no burst"


def test_nobody_hears_of_what_was_not_for_them(user: User, kind: Kind) -> None:
    other = person("bob")
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    queue(kind, user, name="two", topic=TOPIC, now=minutes(1))
    queue(kind, user, other, name="three", topic=TOPIC, now=minutes(2))
    digests.tell_due(minutes(61))
    Notifier().deliver_batch()
    assert [row.title for row in InboxNotification.objects.filter(user=other)] == ["Workspace three deleted"]
    assert InboxNotification.objects.filter(user=user, title="2 more deleted in coder").exists()


def test_a_window_of_zero_holds_nothing_back(user: User, kind: Kind, settings: Any) -> None:
    settings.NOTIFICATIONS_DIGEST_WINDOW = 0.0
    for name in ("one", "two"):
        assert queue(kind, user, name=name, topic=TOPIC, now=NOON).ids


def test_it_holds_nothing_back_of_a_kind_with_a_window_of_its_own_either(user: User, settings: Any) -> None:
    digest = Digest(title_template="more", body_template="more", window=timedelta(days=1))
    made = kinds.register(
        Kind(id=uuid.uuid4(), name="Own", title_template="t", body_template="b", digest=digest)
    )
    try:
        assert queue(made, user, name="one", topic=TOPIC, now=NOON).ids
        assert queue(made, user, name="two", topic=TOPIC, now=minutes(120)).held, "its own window is longer"
        settings.NOTIFICATIONS_DIGEST_WINDOW = 0.0
        assert queue(made, user, name="three", topic=TOPIC, now=minutes(121)).ids
    finally:
        kinds._kinds.pop(made.id)


def test_a_digest_names_its_topic_as_it_is_called_last(user: User, kind: Kind) -> None:
    for minute, org in enumerate(("before", "before", "after")):
        notify(
            kind.id,
            [user.id],
            labels={"name": f"n{minute}", "org": org},
            created_by="tests",
            topic=TOPIC,
            now=minutes(minute),
        )
    digests.tell_due(minutes(61))
    assert in_inbox() == ["Workspace n0 deleted", "2 more deleted in after"]
    told = NotificationMessage.objects.get(payload__data__has_key="digest", method="inbox")
    assert told.payload["labels"] == {"org": "after"}, "the names of single incidents are none of all"


def test_what_was_held_of_a_kind_that_is_gone_fails_with_the_reason(user: User, kind: Kind) -> None:
    for number in range(3):
        queue(kind, user, name=f"n{number}", topic=TOPIC, now=minutes(number))
    in_inbox()
    kinds._kinds.pop(kind.id)
    try:
        with capture_logs() as logs:
            assert digests.tell_due(minutes(61)) == 1
        assert digests.tell_due(minutes(200)) == 0
        in_inbox()
    finally:
        kinds.register(kind)
    assert [(one["kind"], one["incidents"]) for one in logs if one["log_level"] == "warning"] == [
        (str(kind.id), 2)
    ]
    told = NotificationMessage.objects.get(payload__data__has_key="digest", method="inbox")
    assert (told.status, told.status_reason) == (
        "permanent_failure",
        f"kind {kind.id} is not registered",
    )
    assert told.payload["data"]["digest"]["count"] == 2
    # It can be sent again once somebody registers the kind.
    message_retry(actor=subject(owner()), message_id=told.pk)
    assert "2 more deleted in coder" in in_inbox()


def test_preferences_count_when_the_digest_is_told(user: User, kind: Kind) -> None:
    for minute in range(3):
        queue(kind, user, name=f"n{minute}", topic=TOPIC, now=minutes(minute))
    NotificationPreference.objects.create(user=user, notification_template_id=kind.id, disabled=True)
    digests.tell_due(minutes(61))
    assert NotificationMessage.objects.filter(method="inbox").count() == 1
    assert not NotificationIncident.objects.exists()


@pytest.mark.parametrize(
    ("change", "audience", "hears"),
    [
        ({}, ("owner", "template-admin"), True),
        ({"rbac_roles": ["owner"]}, ("owner", "template-admin"), True),
        ({"rbac_roles": ["user-admin"]}, ("owner", "template-admin"), False),
        ({"rbac_roles": []}, ("owner", "template-admin"), False),
        ({"rbac_roles": []}, (), True),  # named as a person
        ({"status": "dormant"}, ("template-admin",), True),
        ({"status": "suspended"}, ("template-admin",), False),
        ({"status": "suspended"}, (), False),
        ({"deleted": True}, (), False),
    ],
)
def test_who_is_no_longer_meant_when_it_is_told_does_not_hear_of_it(
    user: User, kind: Kind, change: dict[str, Any], audience: tuple[str, ...], hears: bool
) -> None:
    User.objects.filter(pk=user.pk).update(rbac_roles=["template-admin"])
    stays = person("zoe", roles=["template-admin"])
    for minute in range(3):
        queue(kind, user, stays, name=f"n{minute}", topic=TOPIC, audience=audience, now=minutes(minute))
    User.objects.filter(pk=user.pk).update(**change)
    assert digests.tell_due(minutes(61)) == 1
    told = NotificationMessage.objects.filter(payload__data__has_key="digest", method="inbox")
    assert {row.user_id for row in told} == ({user.id} if hears else set()) | {stays.id}
    assert not NotificationIncident.objects.exists()


def test_a_kind_for_holders_of_a_role_needs_no_audience_of_each_message(user: User, kind: Kind) -> None:
    made = kinds.register(replace(kind, id=uuid.uuid4(), audience=("template-admin",)))
    try:
        User.objects.filter(pk=user.pk).update(rbac_roles=["template-admin"])
        for minute in range(3):
            queue(made, user, name=f"n{minute}", topic=TOPIC, now=minutes(minute))
        User.objects.filter(pk=user.pk).update(rbac_roles=[])
        assert digests.tell_due(minutes(61)) == 1
        assert NotificationMessage.objects.filter(method="inbox").count() == 1
    finally:
        kinds._kinds.pop(made.id)


def test_old_bursts_are_forgotten(user: User, kind: Kind) -> None:
    queue(kind, user, topic=TOPIC, now=NOON)
    digests.forget_old(minutes(61))
    assert NotificationBurst.objects.exists()
    digests.forget_old(NOON + timedelta(days=2))
    assert not NotificationBurst.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_burst_that_is_forgotten_while_an_incident_comes_loses_none(kind: Kind) -> None:
    """The chore looks at the old burst while a fact holds its row, and would delete it with the incident."""
    user = person("ada")
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    started = threading.Event()
    errors: list[BaseException] = []

    def forget() -> None:
        try:
            started.set()
            digests.forget_old(NOON + timedelta(days=2))
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    chore = threading.Thread(target=forget)
    with transaction.atomic():
        assert queue(kind, user, name="two", topic=TOPIC, now=minutes(1)).held
        chore.start()
        started.wait(10)
        chore.join(1)
    chore.join(10)
    assert not errors
    assert NotificationIncident.objects.get().labels["name"] == "two"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_an_incident_whose_burst_is_forgotten_at_that_moment_begins_another(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = person("ada")
    queue(kind, user, name="one", topic=TOPIC, now=NOON)
    insert = QuerySet.bulk_create
    forgotten: list[threading.Thread] = []

    def forget() -> None:
        try:
            digests.forget_old(NOON + timedelta(days=2))
        finally:
            connections.close_all()

    def then_forget(rows: QuerySet[Any], *args: Any, **options: Any) -> Any:
        made = insert(rows, *args, **options)
        if rows.model is NotificationBurst and not forgotten:
            forgotten.append(threading.Thread(target=forget))
            forgotten[0].start()
            forgotten[0].join(10)
        return made

    monkeypatch.setattr(QuerySet, "bulk_create", then_forget)
    assert queue(kind, user, name="two", topic=TOPIC, now=NOON + timedelta(days=2)).ids
    assert len(forgotten) == 1
    assert NotificationBurst.objects.get().quiet_until == NOON + timedelta(days=2, hours=1)


@pytest.mark.django_db(transaction=True)
def test_of_incidents_at_the_same_moment_one_is_first(kind: Kind) -> None:
    user = person("ada")
    barrier = threading.Barrier(4)
    errors: list[BaseException] = []

    def incident(number: int) -> None:
        try:
            barrier.wait(10)
            queue(kind, user, name=f"n{number}", topic=TOPIC)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=incident, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert NotificationMessage.objects.filter(method="inbox").count() == 1
    assert NotificationIncident.objects.count() == 3


USERS = [str(uuid.uuid4()) for _ in range(4)]
incidents = st.lists(
    st.builds(
        lambda users, name: bursts.Incident(tuple(sorted(users)), {"name": name}, {}, (name,), "t", NOON),
        st.sets(st.sampled_from(USERS), min_size=1),
        st.text(max_size=3),
    ),
    max_size=12,
)


@given(incidents)
def test_everybody_is_told_of_each_of_their_incidents_once(held: list[bursts.Incident]) -> None:
    counts = dict.fromkeys(USERS, 0)
    for told in bursts.together(held):
        number = told.data["digest"]["count"] if told.data else 1
        for user in told.recipients:
            assert counts[str(user)] == 0, "one message for each"
            counts[str(user)] = number
    assert counts == {user: sum(user in one.recipients for one in held) for user in USERS}
