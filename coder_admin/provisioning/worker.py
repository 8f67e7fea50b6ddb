"""The worker: takes jobs from the queue and runs them on its threads.

``Worker`` is used by `manage.py up` inside the web process and by `manage.py provisioner` on its own. One
dispatcher thread sleeps until it is woken (a new job, a free slot) or a sweep is due; it claims, sweeps and
says that the worker lives. A second thread exists only while jobs run: it renews leases and carries
cancellations to them. An idle worker costs one short wake-up per sweep.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone

from coder_admin.foundation import events

from . import confinement, daemons, engines, handlers, queue, reaper, wake
from .broker import BrokerListener
from .context import JobContext
from .host import host_id
from .logs import LogFlusher
from .run import run_job
from .tags import matches, normalise

log = structlog.get_logger(__name__)

RETRY_FIRST = 0.1  # seconds after a failed look at the queue; doubled up to the next sweep
CANCEL_POLL = 1.0  # seconds; a cancel from another process is noticed this late at most

LOOK_EVERY = 10.0  # seconds between looks at what this machine is to run

_start_hooks: list[Callable[[], object]] = []
_look_hooks: list[Callable[[], object]] = []
_stop_hooks: list[Callable[[], object]] = []


def on_start(hook: Callable[[], object]) -> None:
    """Run ``hook`` once when a worker of this process starts (agents of running workspaces come back)."""
    if hook not in _start_hooks:
        _start_hooks.append(hook)


def on_look(hook: Callable[[], object]) -> None:
    """Run ``hook`` every few seconds while a worker of this process runs (agents that another worker of the
    machine left behind, or that are no longer wanted here)."""
    if hook not in _look_hooks:
        _look_hooks.append(hook)


def on_stop(hook: Callable[[], object]) -> None:
    """Run ``hook`` once when a worker of this process has stopped (no agent outlives it)."""
    if hook not in _stop_hooks:
        _stop_hooks.append(hook)


def _call(hooks: list[Callable[[], object]]) -> None:
    """Every hook, whatever the others do."""
    for hook in hooks:
        try:
            hook()
        except Exception:
            log.exception("worker hook failed", hook=getattr(hook, "__qualname__", repr(hook)))


class Worker:
    """Runs jobs whose tags it matches, ``concurrency`` at a time, until stopped."""

    def __init__(
        self,
        tags: Mapping[str, str] | None = None,
        concurrency: int | None = None,
        *,
        name: str = "",
        lease_seconds: float | None = None,
        sweep_seconds: float | None = None,
    ) -> None:
        self.tags = normalise(tags)
        self.concurrency = settings.PROVISIONER_CONCURRENCY if concurrency is None else concurrency
        if self.concurrency < 1:
            raise ValueError("a worker needs a concurrency of at least 1")
        self.name = (name or f"{socket.gethostname()}-{os.getpid()}")[:128]
        self._lease = timedelta(seconds=lease_seconds or settings.PROVISIONER_LEASE_SECONDS)
        self._sweep = sweep_seconds or settings.PROVISIONER_SWEEP_SECONDS
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False  # no more jobs are taken
        self._closing = False  # none runs any more, or none is waited for
        self._running: dict[queue.Claim, JobContext] = {}
        self._idle = threading.Condition()
        self._ended = threading.Event()
        self._watching = threading.Event()  # set while jobs run
        self._flusher = LogFlusher()
        self._threads: list[threading.Thread] = []
        self._undo: list[Callable[[], None]] = []
        self._broker: BrokerListener | None = None

    # Life

    def start(self) -> None:
        """Register and begin; returns at once.

        Raises when the database cannot be reached, and Invalid when scripts cannot run as the settings say.
        """
        confinement.from_settings().check(Path(settings.DATA_DIR))
        self.provisioners = engines.available()
        registration = daemons.Registration(self.name, self.tags, self.concurrency, self.provisioners)
        self.id = daemons.register(registration, now=timezone.now())
        _call(_start_hooks)
        self._undo = [
            wake.listen(self._on_nudge),
            events.subscribe("job:", self._on_job_event),
        ]
        if wake.has_broker():
            self._broker = BrokerListener()
            self._broker.start()
        self._flusher.start()
        for target, name in (
            (self._dispatch, "jobs"),
            (self._watch, "job-leases"),
            (self._look_around, "machine"),
        ):
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        log.info("worker started", worker=self.name, tags=dict(self.tags), concurrency=self.concurrency)

    def stop(self, *, grace: float = 10.0, interrupt: bool = True) -> bool:
        """Take no more jobs, let the running ones end; True when all of them did.

        interrupt: ask them to stop where they can (they go back to the queue). Otherwise ``grace`` seconds
        are theirs to finish, and only then they are asked.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._ended.set()
        if not interrupt:
            self._wait_idle(grace)
        self.interrupt()
        done = self._wait_idle(grace if interrupt else 5.0)
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        for undo in self._undo:
            undo()
        if self._broker is not None:
            self._broker.stop()
        self._watching.set()
        self._flusher.stop()
        for thread in self._threads:
            thread.join(timeout=5)
        _call(_stop_hooks)
        with suppress(Exception):
            daemons.gone(self.id)
        log.info("worker stopped", worker=self.name, left=len(self._running))
        return done

    def interrupt(self) -> None:
        """Ask running jobs to stop where they can; they go back to the queue."""
        for context in list(self._running.values()):
            context.interrupt()

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def busy(self) -> int:
        """How many jobs run now."""
        with self._idle:
            return len(self._running)

    # Waking

    def _on_nudge(self, tags: wake.Tags) -> None:
        if not tags or matches(tags, self.tags):
            self.wake()

    def wake(self) -> None:
        """Look at the queue now."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def _on_job_event(self, topic: str, event: events.Event) -> None:
        # A cancel in this process reaches the job at once; one from elsewhere is found by _watch.
        if event.get("kind") == "canceling" and any(topic == f"job:{c.job_id}" for c in list(self._running)):
            self._watching.set()

    # The dispatcher

    def _dispatch(self) -> None:
        next_sweep = next_seen = 0.0
        trouble = 0  # failed looks in a row
        # Also while it drains: a worker with jobs lives, and somebody has to sweep.
        while not self._closing:
            with self._wake:
                self._woken = False
            try:
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + self._sweep
                    reaper.sweep(now=timezone.now())
                if time.monotonic() >= next_seen:
                    next_seen = time.monotonic() + daemons.SEEN_EVERY.total_seconds()
                    daemons.seen(self.id, now=timezone.now())
                self._fill()
                trouble = 0
            except Exception as error:
                # A database that is away comes back: look again soon, then less and less often.
                trouble += 1
                log.warning("queue not read", worker=self.name, error=str(error))
                close_old_connections()
            pause = max(0.05, next_sweep - time.monotonic())
            if trouble:
                pause = min(pause, RETRY_FIRST * 2 ** min(trouble - 1, 6))
            with self._wake:
                self._wake.wait_for(lambda: self._woken or self._closing, timeout=pause)
        connection.close()

    def _fill(self) -> None:
        """Claim until there is no free slot or nothing to claim."""
        while self.busy < self.concurrency and not self._stopping:
            claim = queue.claim(self._taker(), now=timezone.now(), lease=self._lease)
            if claim is None:
                return
            self._begin(claim)

    def _taker(self) -> queue.Taker:
        return queue.Taker(
            worker_id=self.id,
            tags=self.tags,
            host=host_id(),
            types=handlers.registered(),
            local_types=handlers.local(),
            provisioners=self.provisioners,
        )

    def _begin(self, claim: queue.Claim) -> None:
        context = self._take(claim)
        self._watching.set()
        threading.Thread(
            target=self._run, args=(claim, context), name=f"job-{claim.job_id}", daemon=True
        ).start()

    def _run(self, claim: queue.Claim, context: JobContext) -> None:
        """Jobs one after the other, as long as there are any: a thread and its connection to the database are
        worth more than one job."""
        following: queue.Claim | None = claim
        try:
            while following is not None:
                claim, following = following, None
                run_job(claim, context, self._flusher)
                # A claim that was given up meanwhile has no slot any more to go on in.
                following = self._next() if claim in self._running else None
                if following is not None:
                    context = self._take(following, after=claim)
        finally:
            connection.close()
            with self._idle:
                self._running.pop(claim, None)
                self._idle.notify_all()
            self.wake()

    def _take(self, claim: queue.Claim, after: queue.Claim | None = None) -> JobContext:
        """Put the job into a slot, that of the job ``after`` which it ended; both at once, so that the
        dispatcher never counts a slot twice and leaves a free one empty.

        A worker that was told to stop while the queue answered gives the job back.
        """
        context = JobContext(claim, self._flusher.open(claim.job_id))
        with self._idle:
            self._running.pop(after, None)  # type: ignore[arg-type]  # nothing is no key
            self._running[claim] = context
            self._idle.notify_all()
        if self._stopping:
            context.interrupt()
        return context

    def _next(self) -> queue.Claim | None:
        """The next job for a slot whose job has ended; its troubles are the dispatcher's, who looks after."""
        if self._stopping:
            return None
        try:
            return queue.claim(self._taker(), now=timezone.now(), lease=self._lease)
        except Exception as error:
            log.warning("queue not read", worker=self.name, error=str(error))
            return None

    def _wait_idle(self, seconds: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: not self._running, timeout=seconds)

    # This machine

    def _look_around(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            _call(_look_hooks)
            connection.close()

    # Leases and cancels

    def _watch(self) -> None:
        renew_every = min(self._lease.total_seconds() / 3, 10.0)
        next_renewal = time.monotonic() + renew_every
        renewed = time.monotonic()
        while not self._stopping or self._running:
            if not self._running:
                connection.close()
                self._watching.clear()
                # A job may have begun between the look and the clear.
                if not self._running and not self._stopping:
                    self._watching.wait()
                    # Its claim is fresh: nothing to look after yet.
                    self._watching.clear()
                    self._watching.wait(min(CANCEL_POLL, renew_every))
                renewed = time.monotonic()
                next_renewal = renewed + renew_every
                continue
            self._watching.clear()
            due = time.monotonic() >= next_renewal
            try:
                self._look_after(renew=due)
                renewed = time.monotonic() if due else renewed
            except Exception as error:
                log.warning("leases not renewed", worker=self.name, error=str(error))
                close_old_connections()
                if time.monotonic() - renewed >= self._lease.total_seconds():
                    # By now somebody else may have the jobs: what they still do would be done twice.
                    log.warning("jobs given up: the database is away too long", worker=self.name)
                    self.interrupt()
            if due:
                next_renewal = time.monotonic() + renew_every
            self._watching.wait(min(CANCEL_POLL, max(0.01, next_renewal - time.monotonic())))
        connection.close()

    def _look_after(self, *, renew: bool) -> None:
        running = dict(self._running)
        now = timezone.now()
        kept = queue.look_after(list(running), now=now, renew_until=now + self._lease if renew else None)
        for claim, context in running.items():
            if claim.job_id in kept.canceled:
                context.cancel()
            elif claim not in kept.held and claim in self._running:
                context.interrupt()
