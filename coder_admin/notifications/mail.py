"""Delivery by e-mail: HTML and plain text, through Django's backend."""

from __future__ import annotations

from email.utils import make_msgid
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string

from coder_admin.foundation.markdown import to_html, to_text

from . import smtp
from .config import SMTP_BACKEND
from .delivery import DeliveryError, Letter
from .rendering import helpers
from .smtp import Deadline

LOGIN_REFUSED = (530, 534, 535, 538)


def send(letter: Letter, *, timeout: float) -> None:
    """Send one e-mail within `timeout` seconds. Raises DeliveryError."""
    address = str(letter.message.payload.get("user_email", ""))
    if not address or address.endswith("@system"):
        raise DeliveryError("the user has no e-mail address", retryable=False)
    try:
        mail = _mail(letter, address)
    except ValueError as error:  # an address or a header that no mail can have
        raise DeliveryError(f"the e-mail cannot be written: {error}", retryable=False) from error
    with Deadline(timeout) as deadline:
        try:
            mail.connection = _connection(deadline)
            mail.send()
        except SMTPRecipientsRefused as error:
            raise DeliveryError(
                f"the mail server refused {address}: {_words(error)}", retryable=not is_final(error)
            ) from error
        except (SMTPException, OSError) as error:
            if deadline.passed:
                raise DeliveryError(
                    f"the mail server took longer than {timeout:g} s", retryable=True
                ) from error
            raise DeliveryError(
                f"the mail server could not be used: {_words(error)}", retryable=not is_final(error)
            ) from error


def _connection(deadline: Deadline) -> BaseEmailBackend:
    """The deployment's backend. One that is not SMTP (a console, a file) has no server to wait for."""
    if settings.EMAIL_BACKEND == SMTP_BACKEND:
        return smtp.Backend(deadline=deadline)
    backend: BaseEmailBackend = get_connection()
    return backend


def is_final(error: Exception) -> bool:
    """Whether a mail server will say the same next time: 5xx to the recipient or to the mail itself. What it
    refuses before (connection, our name, encryption, login, sender), and a login that it misses later,
    concerns the deployment and not the message: that can be corrected."""
    match error:
        case SMTPRecipientsRefused():
            code = _first(error)[0]
        case SMTPDataError():
            code = error.smtp_code
        case _:
            return False
    return 500 <= code < 600 and code not in LOGIN_REFUSED


def _first(error: SMTPRecipientsRefused) -> tuple[int, bytes | str]:
    """The answer to the recipient: a mail has one."""
    return next(iter(error.recipients.values()))


def _words(error: Exception) -> str:
    match error:
        case SMTPRecipientsRefused():
            code, answer = _first(error)
        case SMTPResponseException():
            code, answer = error.smtp_code, error.smtp_error
        case _:
            return str(error) or type(error).__name__
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    return f"{code} {text}".strip()


def _mail(letter: Letter, address: str) -> EmailMultiAlternatives:
    payload = letter.message.payload
    context: dict[str, Any] = {
        **helpers(),
        "title": letter.text.title,
        "html": to_html(letter.text.body),
        "text": to_text(letter.text.body),
        "actions": letter.actions,
        "user_name": payload.get("user_name", ""),
    }
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">") or "localhost"
    mail = EmailMultiAlternatives(
        subject=letter.text.title,
        body=render_to_string("notifications/message.txt", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers={
            "Message-Id": make_msgid(str(letter.message.id), domain),
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(render_to_string("notifications/message.html", context), "text/html")
    mail.message()  # writes every header, and so refuses bad ones before anything is opened
    return mail
