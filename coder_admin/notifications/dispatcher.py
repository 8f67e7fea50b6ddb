"""The notifier: a thread that takes messages off the outbox and delivers them (reference 1.4)."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

from coder_admin.foundation import events
from coder_admin.foundation.errors import Invalid

from . import config, delivery, metrics, outbox
from .delivery import DeliveryError, Letter
from .models import Method, NotificationMessage
from .rendering import RenderError, render
from .services import WAKE

log = structlog.get_logger(__name__)

MAIL_THREADS = 4
CLEAN_UP_INTERVAL = 3600.0


class Notifier:
    """Delivers until stopped. Any number may run against one database; each message goes to one of them.

    After a hard kill the leases run out and the messages are delivered by somebody else: at least once.
    """

    def __init__(self) -> None:
        if settings.NOTIFICATIONS_DISPATCH_TIMEOUT >= settings.NOTIFICATIONS_LEASE_PERIOD:
            raise Invalid(
                "CODER_NOTIFICATIONS_DISPATCH_TIMEOUT must be less than CODER_NOTIFICATIONS_LEASE_PERIOD, "
                "or a slow delivery would be repeated by another notifier."
            )
        self.id = uuid.uuid4()
        self._limits = outbox.Limits(
            lease=timedelta(seconds=settings.NOTIFICATIONS_LEASE_PERIOD),
            batch=settings.NOTIFICATIONS_LEASE_COUNT,
            max_attempts=settings.NOTIFICATIONS_MAX_SEND_ATTEMPTS,
            retry_interval=timedelta(seconds=settings.NOTIFICATIONS_RETRY_INTERVAL),
        )
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._next_clean_up = 0.0

    def start(self) -> None:
        """Begin to deliver on a thread of its own."""
        self._unsubscribe = events.subscribe(WAKE, lambda _topic, _event: self._wake.set())
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way, then end. Harmless when not started."""
        self._stopping.set()
        self._wake.set()
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._thread is not None:
            self._thread.join(settings.NOTIFICATIONS_DISPATCH_TIMEOUT + 5)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                close_old_connections()
                try:
                    while not self._stopping.is_set() and self.deliver_batch():
                        continue
                    self._clean_up()
                except Exception:  # a database that is away must not end the thread
                    log.exception("notifier failed, trying again")
                self._wake.wait(settings.NOTIFICATIONS_FETCH_INTERVAL)
        finally:
            connections.close_all()

    def deliver_batch(self) -> int:
        """Lease one batch and deliver it; returns its size, 0 when nothing is due or sending is paused."""
        if config.is_paused():
            return 0
        messages = outbox.acquire(self.id, self._limits, timezone.now())
        if not messages:
            return 0
        unwanted = outbox.unwanted(messages)
        outbox.record_inhibited(self.id, [m for m in messages if m.id in unwanted], timezone.now())
        letters = [
            letter for m in messages if m.id not in unwanted and (letter := self._letter(m)) is not None
        ]
        self._to_inbox([letter for letter in letters if letter.message.method == Method.INBOX])
        self._outside([letter for letter in letters if letter.message.method != Method.INBOX])
        return len(messages)

    def _letter(self, message: NotificationMessage) -> Letter | None:
        metrics.QUEUED_SECONDS.labels(message.method).observe(message.queued_seconds or 0.0)
        kind = outbox.kind_of(message)
        if kind is None:
            self._failed(
                message, f"kind {message.notification_template_id} is not registered", retryable=False
            )
            return None
        try:
            return Letter(message, render(kind, message.payload), kind.icon)
        except RenderError as error:
            self._failed(message, f"the text cannot be rendered: {error}", retryable=False)
            return None

    def _to_inbox(self, letters: Sequence[Letter]) -> None:
        if not letters:
            return
        started = time.monotonic()
        delivery.to_inbox(self.id, letters, timezone.now())
        took = (time.monotonic() - started) / len(letters)
        for letter in letters:
            metrics.SEND_SECONDS.labels(Method.INBOX).observe(took)
            self._count(letter.message, metrics.SUCCESS)

    def _outside(self, letters: Sequence[Letter]) -> None:
        if not letters:
            return
        with ThreadPoolExecutor(
            max_workers=min(MAIL_THREADS, len(letters)), thread_name_prefix="mail"
        ) as pool:
            results = list(pool.map(_send, letters))
        for letter, error in zip(letters, results, strict=True):
            if error is None:
                outbox.record_sent(self.id, [letter.message], timezone.now())
                self._count(letter.message, metrics.SUCCESS)
            else:
                self._failed(letter.message, error.reason, retryable=error.retryable)

    def _failed(self, message: NotificationMessage, reason: str, *, retryable: bool) -> None:
        failure = outbox.Failure(message, reason, retryable)
        again = outbox.record_failure(self.id, failure, self._limits, timezone.now())
        self._count(message, metrics.TEMPORARY if again else metrics.PERMANENT)
        if again:
            metrics.RETRIES.labels(message.method, str(message.notification_template_id)).inc()
        log.warning("message not delivered", message=str(message.id), reason=reason, again=again)

    def _count(self, message: NotificationMessage, result: str) -> None:
        metrics.ATTEMPTS.labels(message.method, str(message.notification_template_id), result).inc()

    def _clean_up(self) -> None:
        if time.monotonic() >= self._next_clean_up:
            self._next_clean_up = time.monotonic() + CLEAN_UP_INTERVAL
            outbox.clean_up(timezone.now())


def _send(letter: Letter) -> DeliveryError | None:
    """Deliver outside; the error, if any, is a value so that one bad address does not stop the batch."""
    method, kind = letter.message.method, str(letter.message.notification_template_id)
    started = time.monotonic()
    with metrics.IN_FLIGHT.labels(method, kind).track_inprogress():
        try:
            delivery.by_mail(letter)
        except DeliveryError as error:
            return error
        except Exception as error:
            return DeliveryError(f"{type(error).__name__}: {error}", retryable=True)
        finally:
            metrics.SEND_SECONDS.labels(method).observe(time.monotonic() - started)
    return None
