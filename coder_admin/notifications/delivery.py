"""How a message reaches a person: the inbox (a batch at a time) and e-mail (one by one)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import make_msgid
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from coder_admin.foundation import events

from . import outbox
from .models import InboxNotification, NotificationMessage
from .rendering import Rendered, helpers, to_html, to_text


class DeliveryError(Exception):
    """Not delivered. `retryable` says whether another attempt may succeed."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its rendered text."""

    message: NotificationMessage
    text: Rendered
    icon: str

    @property
    def actions(self) -> list[dict[str, str]]:
        found = self.message.payload.get("actions")
        return found if isinstance(found, list) else []


def to_inbox(holder: uuid.UUID, letters: Sequence[Letter], now: datetime) -> None:
    """Insert the inbox rows and mark the messages as sent, in one transaction; then tell open pages.

    A row has its message's id, so a delivery that is repeated after a crash inserts nothing twice.
    """
    rows = [
        InboxNotification(
            id=letter.message.id,
            user_id=letter.message.user_id,
            template_id=letter.message.notification_template_id,
            targets=letter.message.targets,
            title=letter.text.title,
            content=letter.text.body,
            icon=letter.icon,
            actions=letter.actions,
            created_at=now,
        )
        for letter in letters
    ]
    with transaction.atomic():
        InboxNotification.objects.bulk_create(rows, ignore_conflicts=True)
        outbox.record_sent(holder, [letter.message for letter in letters], now)
        for row in rows:
            events.publish(f"inbox:{row.user_id}", {"kind": "new", "id": str(row.id)})


def by_mail(letter: Letter) -> None:
    """Send one e-mail, HTML and plain text, through Django's backend. Raises DeliveryError."""
    address = str(letter.message.payload.get("user_email", ""))
    if not address or address.endswith("@system"):
        raise DeliveryError("the user has no e-mail address", retryable=False)
    context: dict[str, Any] = {
        **helpers(),
        "title": letter.text.title,
        "html": to_html(letter.text.body),
        "text": to_text(letter.text.body),
        "actions": letter.actions,
        "user_name": letter.message.payload.get("user_name", ""),
    }
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">") or "localhost"
    mail = EmailMultiAlternatives(
        subject=letter.text.title,
        body=render_to_string("notifications/message.txt", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers={"Message-Id": make_msgid(str(letter.message.id), domain)},
    )
    mail.attach_alternative(render_to_string("notifications/message.html", context), "text/html")
    try:
        mail.send()
    except SMTPRecipientsRefused as error:
        raise DeliveryError(f"the mail server refused {address}: {error}", retryable=False) from error
    except (SMTPException, OSError) as error:
        raise DeliveryError(f"the mail server could not be used: {error}", retryable=True) from error
