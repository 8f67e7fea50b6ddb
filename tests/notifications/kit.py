"""What the tests of delivery share: queueing, waiting, a mail server and a webhook receiver that are real."""

from __future__ import annotations

import asyncio
import email
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from coder_admin.notifications.kinds import Kind
from coder_admin.notifications.models import NotificationMessage
from coder_admin.notifications.services import Queued, notify
from coder_admin.organizations.models import User


def queue(kind: Kind, *users: User, name: str = "dev", **more: Any) -> Queued:
    return notify(
        kind.id,
        [user.id for user in users],
        labels={"name": name, "org": "coder"},
        created_by="tests",
        **more,
    )


def until(condition: Callable[[], object], what: str, within: float = 60) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def statuses() -> dict[str, str]:
    return dict(NotificationMessage.objects.values_list("method", "status"))


@dataclass
class Received:
    """One request that the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A webhook's receiver. `answers` are given in turn: a status, or `(status, Location)`; then 200s. All
    say `words`.
    With `hold` it takes a request and does not answer before `release` is set. `taken`: the ids of messages
    whose sender has its answer, and has closed the connection upon it."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: list[int | tuple[int, str]] = field(default_factory=list)
    words: bytes = b"seen <b>"
    hold: bool = False
    release: threading.Event = field(default_factory=threading.Event)
    taken: list[str] = field(default_factory=list)

    def next(self) -> tuple[int, str]:
        answer = self.answers.pop(0) if self.answers else 200
        return answer if isinstance(answer, tuple) else (answer, "")


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A real HTTP server on a free port, or an HTTPS server."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.requests.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            if made.hold:
                made.release.wait(20)
            status, location = made.next()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            answer = b"" if status == 204 else made.words
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            with suppress(OSError):
                self.connection.settimeout(20)
                self.connection.recv(1)
            made.taken.append(self.headers["X-Message-Id"])

        def log_message(self, format: str, *args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # else a burst of connections is reset

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.release.set()
        server.shutdown()
        server.server_close()


@dataclass
class MailServer:
    """A real SMTP server. `refusals`: the answer to RCPT for an address. A mail to an address in `held` is
    not answered as long as it is there. `quits`: senders that had their answer and said goodbye."""

    host: str = "127.0.0.1"
    port: int = 0
    refusals: dict[str, str] = field(default_factory=dict)
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    quits: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=default)
        self.mails.append((envelope.rcpt_tos[0], message))
        while envelope.rcpt_tos[0] in self.held:
            await asyncio.sleep(0.02)
        return "250 OK"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        self.quits += 1
        return "221 Bye"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    made = MailServer()
    controller = Controller(made, hostname="127.0.0.1", port=_free_port())
    controller.start()
    made.port = controller.port
    try:
        yield made
    finally:
        controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
