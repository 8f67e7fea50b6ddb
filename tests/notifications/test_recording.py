"""Recording what became of deliveries, whatever the other side answered and the database refuses."""

from __future__ import annotations

import uuid

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from coder_admin.notifications import outbox
from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import MessageStatus, NotificationMessage
from coder_admin.organizations.models import User
from tests.notifications.kit import MailServer, Receiver, queue


def outside() -> list[NotificationMessage]:
    return list(NotificationMessage.objects.exclude(method="inbox").order_by("created_at", "id"))


def refuse(id_: uuid.UUID, status: str) -> None:
    """Have the database refuse this status for this message."""
    table = NotificationMessage._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                f"CREATE TRIGGER refuse BEFORE UPDATE ON {table} WHEN NEW.id = '{id_.hex}' "
                f"AND NEW.status = '{status}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
            return
        cursor.execute(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN "
            f"IF NEW.id = '{id_}' AND NEW.status = '{status}' THEN RAISE EXCEPTION 'refused'; END IF; "
            "RETURN NEW; END $$ LANGUAGE plpgsql"
        )
        cursor.execute(
            f"CREATE TRIGGER refuse BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("gone away".encode("utf-16-le"), "gone away"),
        (b"\x00\x01\x02 no\x7f \x1b[31mred\xc2\x9b", "no [31mred"),
        (b"\x00\x00", ""),
        ("no \ud800 half".encode("utf-8", "surrogatepass"), "no \ufffd\ufffd\ufffd half"),
    ],
)
def test_a_webhook_that_answers_bytes_holds_nobody_up(
    user: User, kind: Kind, receiver: Receiver, words: bytes, shown: str
) -> None:
    """PostgreSQL takes no NUL: the result of this message and of all behind it were never recorded."""
    receiver.answers, receiver.words = [500], words
    queue(kind, user, name="one")
    notifier = Notifier()
    notifier.deliver_batch()
    queue(kind, user, name="two")
    notifier.deliver_batch()
    failed, sent = outside()
    assert (failed.status, failed.attempt_count) == (MessageStatus.TEMPORARY_FAILURE, 1)
    assert failed.status_reason == f"the webhook answered 500: {shown}".removesuffix(": ")
    assert sent.status == MessageStatus.SENT


def test_a_mail_server_that_answers_bytes_holds_nobody_up(
    user: User, kind: Kind, mail_server: MailServer
) -> None:
    mail_server.refusals[user.email] = "452 full\x00 of\x08\tmails"
    queue(kind, user)
    Notifier().deliver_batch()
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == MessageStatus.TEMPORARY_FAILURE
    assert row.status_reason == f"the mail server refused {user.email}: 452 full of mails"


@pytest.mark.parametrize(
    ("reason", "stored"),
    [
        ("plain – ünïcode 😀", "plain – ünïcode 😀"),
        ("two\r\nlines\tand\x0ba  tab", "two lines and a  tab"),
        ("nul\x00 bell\x07 half\ud83d of\udc00 one", "nul bell half of one"),
        ("a" * 3000, "a" * 2000),
        ("\x00" * 3000 + "end", "end"),
    ],
)
def test_which_characters_of_a_reason_are_kept(reason: str, stored: str) -> None:
    assert outbox.storable_reason(reason) == stored


@pytest.mark.parametrize("poison", [0, 1, 2])
@pytest.mark.parametrize("status", [MessageStatus.TEMPORARY_FAILURE, MessageStatus.SENT])
def test_a_result_that_the_database_refuses_keeps_no_other(
    user: User, kind: Kind, receiver: Receiver, poison: int, status: MessageStatus
) -> None:
    for number in range(3):
        queue(kind, user, name=f"n{number}")
    refused = outside()[poison]
    refuse(refused.id, status)
    receiver.answers = [500] * 3 if status == MessageStatus.TEMPORARY_FAILURE else []
    notifier = Notifier()
    notifier.deliver_batch()
    found = {row.id: row.status for row in outside()}
    assert found.pop(refused.id) == MessageStatus.LEASED, "as if its notifier had been killed"
    assert set(found.values()) == {status}
    queue(kind, user, name="later")
    notifier.deliver_batch()
    assert outside()[-1].status == MessageStatus.SENT
    notifier.stop()
    assert len(receiver.requests) == 4, "nothing was sent twice"
    NotificationMessage.objects.filter(pk=refused.id).update(leased_until=timezone.now())
    Notifier().deliver_batch()
    assert len(receiver.requests) == 5, "but again when its lease had run out"


def test_results_wait_for_a_database_that_is_away(
    user: User, kind: Kind, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [500, 500]
    for number in range(2):
        queue(kind, user, name=f"n{number}")
    notifier = Notifier()

    def away(*_: object, **__: object) -> bool:
        raise OperationalError("the connection is closed")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "record_failure", away)
        with pytest.raises(OperationalError):
            notifier.deliver_batch()
        assert {row.status for row in outside()} == {MessageStatus.LEASED}
    notifier.deliver_batch()
    assert {row.status for row in outside()} == {MessageStatus.TEMPORARY_FAILURE}
    assert len(receiver.requests) == 2


def test_one_that_the_database_is_away_for_lets_the_others_pass(
    user: User, kind: Kind, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that somebody else holds locked, say."""
    receiver.answers = [500, 500]
    for number in range(2):
        queue(kind, user, name=f"n{number}")
    locked, _free = outside()
    record = outbox.record_failure

    def waits(holder: uuid.UUID, failure: outbox.Failure, *args: object, **options: object) -> bool:
        if failure.message.id == locked.id:
            raise OperationalError("canceling statement due to lock timeout")
        return record(holder, failure, *args, **options)  # type: ignore[arg-type]

    notifier = Notifier()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "record_failure", waits)
        for _ in range(2):
            with pytest.raises(OperationalError):
                notifier.deliver_batch()
        assert [row.status for row in outside()] == [
            MessageStatus.LEASED,
            MessageStatus.TEMPORARY_FAILURE,
        ]
        notifier.stop()  # does not raise: the lease of the other runs out
