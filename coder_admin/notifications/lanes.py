"""The two ways of delivery: into the inbox, and out of the house."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from . import config, delivery, inbox, mail, metrics, outbox, webhook
from .delivery import DeliveryError, Letter
from .models import Method, NotificationMessage
from .outbox import Failure, Limits
from .rendering import Composer

log = structlog.get_logger(__name__)

LOOK_AGAIN = 0.5  # seconds; while something is under way, new messages begin this late at most
OUTSIDE = (Method.SMTP, Method.WEBHOOK)
# The database is in trouble, not a row: it may be there again next time.
_DATABASE_AWAY = (OperationalError, InterfaceError)
_SENDERS = {Method.SMTP: mail.send, Method.WEBHOOK: webhook.send}


class InboxLane:
    """Whole batches into the inbox, each in one transaction."""

    def __init__(self, limits: Limits, *, batch: int) -> None:
        self._limits = replace(limits, batch=batch)

    def step(self) -> float:
        """Deliver a batch; how long to rest after it."""
        return 0.0 if self.deliver() else settings.NOTIFICATIONS_FETCH_INTERVAL

    def deliver(self) -> int:
        """Deliver one batch; 0 when nothing is due or sending is paused."""
        if config.is_paused():
            return 0
        started = time.monotonic()
        batch = inbox.deliver(self._limits, timezone.now())
        if not len(batch):
            return 0
        each = (time.monotonic() - started) / len(batch)
        failed = [refusal.message for refusal in batch.failed]
        metrics.observe_queued(Method.INBOX, [m.queued_seconds for m in (*batch.sent, *failed)])
        metrics.observe_sent(Method.INBOX, [each] * len(batch.sent))
        metrics.count_attempts(batch.sent, metrics.SUCCESS)
        metrics.count_attempts(failed, metrics.PERMANENT)
        for refusal in batch.failed:
            log.warning("message not delivered", message=refusal.message.id, reason=refusal.reason)
        return len(batch)


class OutsideLane:
    """Mails and webhooks, as many at a time as are leased: each begins at once and ends within its lease.
    Each method has its own places, so that a mail server that hangs holds up no webhook.

    Results are recorded together, every STORE_SYNC_INTERVAL or when the buffer is full; nothing new is
    leased meanwhile than there are free places.
    """

    def __init__(self, holder: uuid.UUID, limits: Limits) -> None:
        self._holder = holder
        self._limits = limits
        self._pool = ThreadPoolExecutor(
            max_workers=limits.batch * len(OUTSIDE), thread_name_prefix="notifier-send"
        )
        self._running: dict[Future[DeliveryError | None], NotificationMessage] = {}
        self._done: list[tuple[NotificationMessage, DeliveryError | None]] = []
        self._recorded_at = time.monotonic()
        self._looked_at = dict.fromkeys(OUTSIDE, 0.0)
        self._found = dict.fromkeys(OUTSIDE, 0)  # at the last look

    def step(self) -> float:
        """Begin what there is room for, record what has ended; how long to rest after it."""
        looked = [method for method in OUTSIDE if self._worth_a_look(method)]
        began = self._begin(looked)
        self._gather(min(LOOK_AGAIN, settings.NOTIFICATIONS_STORE_SYNC_INTERVAL))
        self._record_if_due()
        if began or self._running or len(looked) < len(OUTSIDE):
            return 0.0
        self.record()
        return float(settings.NOTIFICATIONS_FETCH_INTERVAL)

    def deliver(self) -> int:
        """Deliver one batch and wait for it; 0 when nothing is due or sending is paused."""
        began = self._begin(OUTSIDE)
        while self._running:
            self._gather(None)
        self.record()
        return began

    def close(self) -> None:
        """Wait for what is under way and record it. What cannot be recorded any more is left to its lease."""
        if self._running:
            self._gather(settings.NOTIFICATIONS_DISPATCH_TIMEOUT, everything=True)
        try:
            self.record()
        except _DATABASE_AWAY:
            log.exception("results not recorded: their leases will run out", results=len(self._done))
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _room(self, method: Method) -> int:
        return self._limits.batch - sum(message.method == method for message in self._running.values())

    def _worth_a_look(self, method: Method) -> bool:
        """With a few places free, or where nothing was found just now, a look costs more than it brings; but
        nothing waits for long."""
        if not self._running or time.monotonic() - self._looked_at[method] >= LOOK_AGAIN:
            return True
        return self._found[method] > 0 and self._room(method) * 4 >= self._limits.batch

    def _acquire(self, method: Method) -> list[NotificationMessage]:
        self._looked_at[method] = time.monotonic()
        room = self._room(method)
        limits = replace(self._limits, batch=room)
        found = outbox.acquire(self._holder, (method,), limits, timezone.now()) if room > 0 else []
        self._found[method] = len(found)
        return found

    def _begin(self, methods: Sequence[Method]) -> int:
        full = len(self._done) >= settings.NOTIFICATIONS_STORE_SYNC_BUFFER_SIZE
        if full or not any(self._room(method) > 0 for method in methods) or config.is_paused():
            return 0
        messages = [message for method in methods for message in self._acquire(method)]
        if not messages:
            return 0
        unwanted = outbox.unwanted(messages)
        outbox.record_inhibited(self._holder, [m for m in messages if m.id in unwanted], timezone.now())
        composer = Composer()
        for message in messages:
            metrics.observe_queued(message.method, [message.queued_seconds or 0.0])
            if message.id in unwanted:
                continue
            letter = delivery.write_letter(message, composer)
            if isinstance(letter, Failure):
                self._done.append((message, DeliveryError(letter.reason, retryable=False)))
            else:
                self._running[self._pool.submit(_send, letter)] = message
        return len(messages)

    def _gather(self, seconds: float | None, *, everything: bool = False) -> None:
        if self._running:
            how = {} if everything else {"return_when": FIRST_COMPLETED}
            ended, _ = wait(self._running, timeout=seconds, **how)
            self._done += [(self._running.pop(future), future.result()) for future in ended]
        metrics.PENDING_UPDATES.set(len(self._done))

    def _record_if_due(self) -> None:
        late = time.monotonic() - self._recorded_at >= settings.NOTIFICATIONS_STORE_SYNC_INTERVAL
        full = len(self._done) >= settings.NOTIFICATIONS_STORE_SYNC_BUFFER_SIZE
        if self._done and (late or full):
            self.record()

    def record(self) -> None:
        """Store every result that is not stored yet. One that the database refuses is left to its lease, so
        that it keeps no other; while the database is away all stay, and OperationalError or InterfaceError
        is raised."""
        self._recorded_at = time.monotonic()
        try:
            self._record_sent_together()
            for _ in range(len(self._done)):
                # Last in line as long as it is tried: should the database wait for this row alone (a lock),
                # the others come first next time.
                self._done.append(self._done.pop(0))
                self._record_one(*self._done[-1])
                self._done.pop()
        finally:
            metrics.PENDING_UPDATES.set(len(self._done))

    def _record_sent_together(self) -> None:
        sent = [message for message, error in self._done if error is None]
        if not sent:
            return
        try:
            with transaction.atomic():
                outbox.record_sent(self._holder, sent, timezone.now())
        except _DATABASE_AWAY:
            raise
        except Exception:
            log.warning("results are recorded one by one", exc_info=True)
            return
        self._count_sent(sent)
        self._done = [(message, error) for message, error in self._done if error is not None]

    def _record_one(self, message: NotificationMessage, error: DeliveryError | None) -> None:
        try:
            if error is None:
                with transaction.atomic():
                    outbox.record_sent(self._holder, [message], timezone.now())
                self._count_sent([message])
            else:
                self._record_failure(message, error)
        except _DATABASE_AWAY:
            raise
        except Exception:
            log.exception("result not recorded: its lease will run out", message=str(message.id))

    def _count_sent(self, messages: Sequence[NotificationMessage]) -> None:
        metrics.count_attempts(messages, metrics.SUCCESS)
        metrics.SYNCED_UPDATES.inc(len(messages))

    def _record_failure(self, message: NotificationMessage, error: DeliveryError) -> None:
        failure = Failure(message, outbox.storable_reason(error.reason), error.retryable)
        with transaction.atomic():
            again = outbox.record_failure(
                self._holder,
                failure,
                self._limits,
                timezone.now(),
                jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            )
        metrics.SYNCED_UPDATES.inc()
        metrics.count_attempts([message], metrics.TEMPORARY if again else metrics.PERMANENT)
        if again:
            metrics.RETRIES.labels(message.method, str(message.notification_template_id)).inc()
        log.warning("message not delivered", message=str(message.id), reason=failure.reason, again=again)


def _send(letter: Letter) -> DeliveryError | None:
    """Deliver outside; the error, if any, is a value so that one bad address does not stop the batch."""
    method, kind = Method(letter.message.method), str(letter.message.notification_template_id)
    started = time.monotonic()
    with metrics.IN_FLIGHT.labels(method, kind).track_inprogress():
        try:
            _SENDERS[method](letter, timeout=settings.NOTIFICATIONS_DISPATCH_TIMEOUT)
        except DeliveryError as error:
            return error
        except Exception as error:
            log.exception("delivery failed unexpectedly", message=str(letter.message.id))
            return DeliveryError(f"{type(error).__name__}: {error}", retryable=True)
        finally:
            metrics.observe_sent(method, [time.monotonic() - started])
    return None
