"""E-mail through a real SMTP server."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from coder_admin.notifications.dispatcher import Notifier
from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.mail import is_final
from coder_admin.notifications.models import NotificationMessage
from coder_admin.organizations.models import User
from tests.notifications.kit import MailServer, queue, statuses
from tests.people import person

EVIL = "<img src=x onerror=alert(1)> **bold** [x](javascript:alert(1)) https://evil.example"


def sent(server: MailServer) -> Any:
    return server.mails[-1][1]


def test_a_mail_has_both_forms_and_its_headers(user: User, kind: Kind, mail_server: MailServer) -> None:
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses() == {"smtp": "sent", "inbox": "sent"}
    message = sent(mail_server)
    assert mail_server.mails[-1][0] == user.email
    assert message["From"] == "Coder Admin <admin@example.com>"
    assert message["To"] == user.email
    assert message["Subject"] == "Workspace dev deleted"
    id_ = NotificationMessage.objects.get(method="smtp").id
    assert str(id_) in message["Message-Id"]
    assert message["Message-Id"].endswith("@example.com>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    assert "dev of ada was deleted." in text
    assert "View dev: " in text
    assert "<strong>dev</strong>" in html
    assert ">View dev</a>" in html


def test_nothing_in_a_name_runs_in_a_mail(db: None, kind: Kind, mail_server: MailServer) -> None:
    user = person("eve")
    User.objects.filter(pk=user.pk).update(name=EVIL)
    queue(kind, user, name=EVIL)
    Notifier().deliver_batch()
    html = sent(mail_server).get_body(("html",)).get_content()
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert "<strong>bold</strong>" not in html
    assert 'href="https://evil' not in html
    assert "&lt;img src=x" in html


def test_a_name_with_line_ends_adds_no_header(user: User, kind: Kind, mail_server: MailServer) -> None:
    queue(kind, user, name="x\r\nBcc: all@example.com")
    Notifier().deliver_batch()
    assert sent(mail_server)["Bcc"] is None
    assert sent(mail_server)["Subject"] == "Workspace x Bcc: all@example.com deleted"


def test_a_refused_address_is_final(user: User, kind: Kind, mail_server: MailServer) -> None:
    mail_server.refusals[user.email] = "550 no such user"
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses() == {"smtp": "permanent_failure", "inbox": "sent"}
    assert "550 no such user" in NotificationMessage.objects.get(method="smtp").status_reason


def test_a_full_mailbox_is_tried_again(user: User, kind: Kind, mail_server: MailServer) -> None:
    mail_server.refusals[user.email] = "452 mailbox full"
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["smtp"] == "temporary_failure"


def test_an_address_that_no_mail_can_have_is_final(user: User, kind: Kind, mail_server: MailServer) -> None:
    User.objects.filter(pk=user.pk).update(email="ada@exa\nmple.com")
    queue(kind, user)
    Notifier().deliver_batch()
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == "permanent_failure"
    assert "cannot be written" in row.status_reason
    assert not mail_server.mails


def test_one_bad_address_does_not_stop_the_batch(db: None, kind: Kind, mail_server: MailServer) -> None:
    people = [person(f"user{number}") for number in range(4)]
    mail_server.refusals[people[1].email] = "550 gone"
    queue(kind, *people)
    Notifier().deliver_batch()
    assert sorted(address for address, _ in mail_server.mails) == sorted(
        user.email for user in people if user != people[1]
    )


def test_a_server_that_never_answers_is_cut_off(user: User, kind: Kind, settings: Any) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 0.5
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        settings.EMAIL_TIMEOUT = 0.5
        queue(kind, user)
        Notifier().deliver_batch()
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == "temporary_failure"


def test_a_server_that_drips_is_cut_off_too(user: User, kind: Kind, settings: Any) -> None:
    """Each answer comes in time, the whole does not: the socket's own timeout would never end it."""
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 0.5
    settings.EMAIL_TIMEOUT = 5
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.sendall(b"220 slow\r\n")
        with connection:
            while not ended.is_set():
                try:
                    connection.sendall(b"250-one more line\r\n")
                except OSError:
                    return
                ended.wait(0.05)

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        queue(kind, user)
        Notifier().deliver_batch()
        ended.set()
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == "temporary_failure"
    assert "longer than 0.5 s" in row.status_reason


@pytest.mark.parametrize(
    ("code", "final"), [(421, False), (450, False), (535, False), (550, True), (554, True), (250, False)]
)
def test_which_answers_are_final(code: int, final: bool) -> None:
    assert is_final(code) is final
