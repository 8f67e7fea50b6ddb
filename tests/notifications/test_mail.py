"""E-mail through a real SMTP server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
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


Script = Callable[[socket.socket, threading.Event], None]


@contextmanager
def scripted(script: Script, settings: Any) -> Iterator[None]:
    """A mail server of which each connection is played by `script`, until the event is set."""
    ended = threading.Event()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
                with connection:
                    script(connection, ended)
            except OSError:
                if ended.is_set():
                    return

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def silent(connection: socket.socket, ended: threading.Event) -> None:
    """Accepts and never greets."""
    ended.wait()


def drips(line: bytes) -> Script:
    def play(connection: socket.socket, ended: threading.Event) -> None:
        while not ended.wait(0.05):
            connection.sendall(line)

    return play


def greets_and_drips(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"220 slow\r\n")
    drips(b"250-one more line\r\n")(connection, ended)


def says_yes_and_drips_in(word: bytes) -> Script:
    """Answers as a good server does, but to `word` a byte at a time and without an end."""

    def play(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(b"220 here\r\n")
        in_data = False
        for line in connection.makefile("rb"):
            if in_data and line != b".\r\n":
                continue
            if line.upper().startswith(word):
                drips(b"x")(connection, ended)
            elif line.upper().startswith(b"EHLO"):
                connection.sendall(b"250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
            elif line.upper().startswith(b"STARTTLS"):
                connection.sendall(b"220 go on\r\n")
                drips(b"\x16\x03\x03\x40\x00")(connection, ended)  # the head of a long record
            elif line.upper().startswith(b"DATA"):
                in_data = True
                connection.sendall(b"354 go on\r\n")
            else:
                connection.sendall(b"250 yes\r\n")

    return play


@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param(silent, {}, id="never greets"),
        pytest.param(drips(b"220-wait\r\n"), {}, id="greets line by line"),
        pytest.param(drips(b"2"), {}, id="greets byte by byte"),
        pytest.param(greets_and_drips, {}, id="answers line by line"),
        pytest.param(silent, {"EMAIL_USE_SSL": True}, id="never encrypts"),
        pytest.param(drips(b"\x16\x03\x03\x40\x00"), {"EMAIL_USE_SSL": True}, id="encrypts byte by byte"),
        pytest.param(says_yes_and_drips_in(b"NOTHING"), {"EMAIL_USE_TLS": True}, id="STARTTLS"),
        pytest.param(
            says_yes_and_drips_in(b"AUTH"),
            {"EMAIL_HOST_USER": "coder", "EMAIL_HOST_PASSWORD": "secret"},
            id="login",
        ),
        pytest.param(says_yes_and_drips_in(b"MAIL"), {}, id="sender"),
        pytest.param(says_yes_and_drips_in(b".\r\n"), {}, id="data"),
    ],
)
def test_the_whole_ends_at_its_deadline(
    user: User, kind: Kind, settings: Any, script: Script, options: dict[str, Any]
) -> None:
    """Each answer comes in time, the whole does not: the socket's own timeout would never end it."""
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 0.4
    for name, value in options.items():
        setattr(settings, name, value)
    with scripted(script, settings):
        queue(kind, user)
        began = time.monotonic()
        Notifier().deliver_batch()
        took = time.monotonic() - began
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == "temporary_failure"
    assert row.status_reason == "the mail server took longer than 0.4 s"
    assert took < 3


def test_a_name_server_that_hangs_is_left_too(
    user: User, kind: Kind, settings: Any, name_server: Event
) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 0.4
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "hangs.example"
    queue(kind, user)
    began = time.monotonic()
    Notifier().deliver_batch()
    assert time.monotonic() - began < 3
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == "temporary_failure"
    assert row.status_reason == "the mail server took longer than 0.4 s"


def test_an_address_that_swallows_everything_leaves_time_for_the_next(
    user: User, kind: Kind, mail_server: MailServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFICATIONS_DISPATCH_TIMEOUT = 2
    settings.EMAIL_HOST = "two.example"
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(3):  # what the queue of connections does not hold is never answered
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        addresses = [full.getsockname(), (mail_server.host, mail_server.port)]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses],
        )
        queue(kind, user)
        began = time.monotonic()
        Notifier().deliver_batch()
        took = time.monotonic() - began
        for one in waiting:
            one.close()
    assert statuses()["smtp"] == "sent"
    assert took < 3


@pytest.mark.parametrize(
    ("code", "final"), [(421, False), (450, False), (535, False), (550, True), (554, True), (250, False)]
)
def test_which_answers_are_final(code: int, final: bool) -> None:
    assert is_final(code) is final
