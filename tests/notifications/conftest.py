from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from coder_admin.notifications import kinds
from coder_admin.notifications.kinds import ActionTemplate, Digest, Group, Icon, Kind
from coder_admin.organizations.models import User
from tests.notifications import kit
from tests.people import person


@pytest.fixture
def user(db: None) -> User:
    return person("ada")


@pytest.fixture
def kind() -> Iterator[Kind]:
    """A kind as a room would register it."""
    made = kinds.register(
        Kind(
            id=uuid.uuid4(),
            name="Workspace Deleted",
            title_template="Workspace {{ labels.name }} deleted",
            body_template="**{{ labels.name }}** of {{ user_name }} was deleted.\n\n- [more](/docs)",
            actions=(
                ActionTemplate("View {{ labels.name }}", "{{ base_url }}/@{{ labels.name|urlencode:'' }}"),
            ),
            group=Group.WORKSPACE,
            icon=Icon.WORKSPACE,
            digest=Digest(
                title_template="{{ data.digest.count }} more deleted in {{ labels.org }}",
                body_template=(
                    "{% for incident in data.digest.incidents %}- **{{ incident.name }}**\n{% endfor %}"
                    "{% if data.digest.more %}- and {{ data.digest.more }} more\n{% endif %}"
                ),
                actions=(ActionTemplate("View all", "{{ base_url }}/workspaces"),),
            ),
        )
    )
    yield made
    kinds._kinds.pop(made.id)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A name server that does not answer for `hangs.example` before the event is set, or the test ends."""
    answers = threading.Event()
    ask = socket.getaddrinfo

    def hang(host: Any, *args: Any, **options: Any) -> Any:
        if host in ("hangs.example", b"hangs.example"):
            answers.wait(30)
            raise socket.gaierror("not known")
        return ask(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield answers
    answers.set()


@pytest.fixture
def mail_server(settings: Any) -> Iterator[kit.MailServer]:
    """A real mail server that the application sends to."""
    with kit.mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
        settings.DEFAULT_FROM_EMAIL = "Coder Admin <admin@example.com>"
        yield server


@pytest.fixture
def receiver(settings: Any) -> Iterator[kit.Receiver]:
    """A real webhook receiver; every kind goes there."""
    with kit.receiver() as made:
        settings.NOTIFICATIONS_METHOD = "webhook"
        settings.NOTIFICATIONS_WEBHOOK_ENDPOINT = made.url
        settings.NOTIFICATIONS_WEBHOOK_SECRET = "shared"
        yield made
