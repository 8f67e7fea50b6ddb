"""E-mail through a real SMTP server."""

from __future__ import annotations

import errno
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


def test_a_machine_without_ipv6_uses_the_address_behind_it(
    user: User, kind: Kind, mail_server: MailServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_HOST = "both.example"
    addresses = [
        (socket.AF_INET6, ("::1", mail_server.port, 0, 0)),
        (socket.AF_INET, (mail_server.host, mail_server.port)),
    ]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(f, socket.SOCK_STREAM, 6, "", a) for f, a in addresses]
    )

    class WithoutIPv6(socket.socket):
        def __init__(self, family: int = -1, *args: Any, **options: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *args, **options)

    monkeypatch.setattr(socket, "socket", WithoutIPv6)
    queue(kind, user)
    Notifier().deliver_batch()
    assert statuses()["smtp"] == "sent"


def answers(refused: dict[bytes, bytes]) -> Script:
    """A good server but for its answers to these commands (`HI`: its greeting; a dot: the mail itself)."""

    def play(connection: socket.socket, ended: threading.Event) -> None:
        in_data = False

        def say(word: bytes, otherwise: bytes) -> bool:
            connection.sendall(refused.get(word, otherwise) + b"\r\n")
            return word not in refused

        say(b"HI", b"220 here")
        for line in connection.makefile("rb"):
            word = line.strip().upper()[:4]
            if in_data:
                if word == b".":
                    in_data = False
                    say(word, b"250 taken")
            elif word == b"DATA":
                in_data = say(word, b"354 go on")
            elif word == b"EHLO":
                say(word, b"250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS")
            else:
                say(word, b"250 yes")

    return play


LOGIN = {"EMAIL_HOST_USER": "coder", "EMAIL_HOST_PASSWORD": "secret"}


@pytest.mark.parametrize(
    ("refused", "options", "status"),
    [
        pytest.param({}, {}, "sent", id="nothing"),
        # What concerns the deployment can be corrected before the next attempt.
        pytest.param({b"HI": b"554 no service for you"}, {}, "temporary_failure", id="greeting"),
        pytest.param(
            {b"EHLO": b"550 who?", b"HELO": b"550 who?"}, {}, "temporary_failure", id="our own name"
        ),
        pytest.param({b"STAR": b"554 no keys"}, {"EMAIL_USE_TLS": True}, "temporary_failure", id="STARTTLS"),
        pytest.param({b"AUTH": b"535 wrong"}, LOGIN, "temporary_failure", id="login"),
        pytest.param({b"AUTH": b"554 locked"}, LOGIN, "temporary_failure", id="locked login"),
        pytest.param({b"MAIL": b"553 sender not allowed"}, {}, "temporary_failure", id="sender"),
        pytest.param({b"MAIL": b"530 log in first"}, {}, "temporary_failure", id="login missing"),
        pytest.param({b"RCPT": b"530 log in first"}, {}, "temporary_failure", id="login missing, late"),
        # What concerns the message will be said again.
        pytest.param({b"RCPT": b"550 no such user"}, {}, "permanent_failure", id="recipient"),
        pytest.param({b"DATA": b"554 not this one"}, {}, "permanent_failure", id="data"),
        pytest.param({b".": b"554 spam"}, {}, "permanent_failure", id="mail"),
        pytest.param({b"RCPT": b"452 full"}, {}, "temporary_failure", id="full"),
        pytest.param({b"DATA": b"451 later"}, {}, "temporary_failure", id="later"),
        pytest.param({b".": b"421 shutting down"}, {}, "temporary_failure", id="shutting down"),
    ],
)
def test_which_refusals_are_final(
    user: User, kind: Kind, settings: Any, refused: dict[bytes, bytes], options: dict[str, Any], status: str
) -> None:
    for name, value in options.items():
        setattr(settings, name, value)
    with scripted(answers(refused), settings):
        queue(kind, user)
        Notifier().deliver_batch()
    row = NotificationMessage.objects.get(method="smtp")
    assert row.status == status
    for answer in refused.values():
        assert answer.decode() in row.status_reason
