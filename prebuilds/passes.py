"""One reconciliation pass (reference sections 3.2 and 3.6).

Lead, pause, memberships, snapshot, then each preset by itself: what fails with one never touches another.
All presets run one after the other on the connection that holds the lock, so a pass costs the database one
connection however many presets there are, and a process that lost the lock cannot write.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import DatabaseError
from django.utils import timezone

from coder_admin.foundation.errors import ServiceError
from prebuilds import conditions, provision
from prebuilds.actions import (
    Action,
    Backoff,
    Barred,
    CancelPending,
    Create,
    Delete,
    calculate_actions,
    permit,
)
from prebuilds.conditions import names
from prebuilds.desired import desired_instances
from prebuilds.leader import Lead, LeadLost, leadership
from prebuilds.loader import EVERYTHING, Scope, configured, load_snapshot
from prebuilds.membership import reconcile_memberships
from prebuilds.problems import preset_problems
from prebuilds.samples import PoolKey, Sample, purge_samples, record_samples
from prebuilds.settings import reconciliation_paused
from prebuilds.snapshot import Config, PrebuildStatus, PresetSnapshot
from prebuilds.state import State, calculate_state
from prebuilds.timing import next_due
from rbac import Subject, SystemSubject, acting_as

log = structlog.get_logger("coderd.prebuilds")
_DEBUG = logging.getLogger("coderd.prebuilds")

REASON = "keep the pools of prebuilt workspaces at the size that their templates declare"

PURGE_INTERVAL = timedelta(hours=1)


class MembershipError(Exception):
    """The prebuilds user could not be made a member everywhere; the pass ends before any build."""


@dataclass(slots=True)
class Memory:
    """What a loop remembers between its passes, so that it neither says nor asks a thing twice.

    By preset: the problems of what is stored that were already logged, and whether the hard limit held at the
    last look; by pool its last sample. Losing it costs a repeated log line, query or row.
    """

    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    limited: dict[str, bool] = field(default_factory=dict)
    samples: dict[PoolKey, Sample] = field(default_factory=dict)
    purged_at: datetime | None = None


@dataclass(slots=True)
class Stats:
    """What a pass did. `next_due` is when the next one is due before its timer, if ever."""

    led: bool = False
    paused: bool = False
    presets_total: int = 0
    presets_reconciled: int = 0
    created: int = 0
    deleted: int = 0
    canceled: int = 0
    elapsed: float = 0.0
    errors: list[str] = field(default_factory=list)
    may_pass: bool = False  # whether some error is none of a refusal's: the next attempt may do better
    next_due: datetime | None = None

    @property
    def result(self) -> str:
        """The pass in one word, for metrics."""
        if not self.led:
            return "not_leader"
        if self.paused:
            return "paused"
        return "error" if self.errors else "done"


def reconcile_once(
    now: datetime | None = None,
    *,
    scope: Scope = EVERYTHING,
    config: Config | None = None,
    memory: Memory | None = None,
    stopping: Callable[[], bool] = lambda: False,
    horizon: timedelta = timedelta(hours=1),
) -> Stats:
    """Bring the pools within `scope` closer to what they should be, as of `now`.

    Returns at once, having done nothing, when another process leads or an administrator paused the pools.
    Builds are never waited for. `memory` is kept between passes; `stopping` is asked between presets.
    """
    begun = time.monotonic()
    stats = Stats()
    with leadership() as lead:
        if lead is None:
            log.debug("another reconciler leads")
        else:
            stats.led = True
            moment = now or timezone.now()
            with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason=REASON) as actor:
                work = _Pass(actor, lead, moment, config or configured(), stats, memory or Memory())
                work.run(scope, stopping, horizon)
    stats.elapsed = time.monotonic() - begun
    return stats


@dataclass(frozen=True, slots=True)
class _Pass:
    actor: Subject
    lead: Lead
    now: datetime
    config: Config
    stats: Stats
    memory: Memory

    def run(self, scope: Scope, stopping: Callable[[], bool], horizon: timedelta) -> None:
        if reconciliation_paused():
            self.stats.paused = True
            log.info("reconciliation is paused")
            return
        if errors := reconcile_memberships():
            raise MembershipError("; ".join(errors))
        snapshot = load_snapshot(self.now, self.config, scope)
        parts = [snapshot.for_preset(preset, self.now) for preset in snapshot.presets]
        states = [calculate_state(part, self.now) for part in parts]
        self.stats.presets_total = len(parts)
        for part, state in zip(parts, states, strict=True):
            if stopping():
                break
            if part.can_skip:
                continue
            self.stats.presets_reconciled += 1
            self._preset_isolated(part, state)
        self._sample(zip(parts, states, strict=True), scope)
        self.stats.next_due = next_due(parts, self.now, self.config, horizon)

    def _sample(self, states: Iterable[tuple[PresetSnapshot, State]], scope: Scope) -> None:
        """Keep what the charts show. Nothing of a pool depends on it, so an error is only logged."""
        try:
            record_samples(states, self.memory.samples, scope, self.now)
            if self.memory.purged_at is None or self.now - self.memory.purged_at > PURGE_INTERVAL:
                self.memory.purged_at = self.now
                purge_samples(self.now)
        except DatabaseError as error:
            log.warning("samples not recorded", error=str(error))

    def _preset_isolated(self, part: PresetSnapshot, state: State) -> None:
        try:
            self._preset(part, state)
        except LeadLost:
            raise
        except Exception as error:
            self.stats.errors.append(f"{part.preset.name}: {error}")
            self.stats.may_pass = True
            log.exception("preset not reconciled", **names(part.preset))

    def _preset(self, part: PresetSnapshot, state: State) -> None:
        self._tell_problems(part)
        self._follow_limit(part)
        wanted = calculate_actions(part, self.now, self.config, state)
        actions, barred = permit(part, wanted)
        if _DEBUG.isEnabledFor(logging.DEBUG):  # thousands of presets have nothing to do
            log.debug("preset", state=state, actions=wanted, barred=barred, **names(part.preset))
        for item in barred:
            self._tell_barred(part, item)
        for action in actions:
            self._execute(part, action)

    def _follow_limit(self, part: PresetSnapshot) -> None:
        """Store that the hard limit is reached; then tell its incidents apart, asking once per change."""
        preset = part.preset
        if preset.prebuild_status is not PrebuildStatus.HARD_LIMITED:
            self.memory.limited.pop(preset.id, None)
            if part.hard_limited:
                conditions.mark_hard_limited(lead=self.lead, preset=preset, now=self.now)
        elif self.memory.limited.get(preset.id) != part.hard_limited:
            conditions.follow_incident(lead=self.lead, preset=preset, limited=part.hard_limited, now=self.now)
            self.memory.limited[preset.id] = part.hard_limited

    def _execute(self, part: PresetSnapshot, action: Action) -> None:
        """One action; an error in it is collected, so that the next one still runs."""
        match action:
            case Backoff(until):
                seconds = round((until - self.now).total_seconds())
                log.warning("resting after failed builds", until=until, seconds=seconds, **names(part.preset))
            case CancelPending():
                self._attempt(part, "cancel pending builds", partial(self._cancel, part))
            case Delete(workspace_ids, reason):
                for workspace_id in workspace_ids:
                    self._attempt(part, f"delete ({reason})", partial(self._delete, part, workspace_id))
            case Create(count):
                self._create(part, count)

    def _attempt(self, part: PresetSnapshot, what: str, step: Callable[[], None]) -> ServiceError | None:
        """Run one transaction; returns the refusal, if it was one."""
        try:
            step()
        except provision.Superseded as change:
            log.info("nothing to do any more", action=what, because=str(change), **names(part.preset))
        except LeadLost:
            raise
        except ServiceError as error:
            self._failed(part, what, error)
            log.error("action refused", action=what, error=str(error), **names(part.preset))
            return error
        except Exception as error:
            self._failed(part, what, error)
            log.exception("action failed", action=what, **names(part.preset))
        return None

    def _failed(self, part: PresetSnapshot, what: str, error: Exception) -> None:
        self.stats.errors.append(f"{part.preset.name}: {what}: {error}")
        self.stats.may_pass |= not isinstance(error, ServiceError)

    def _cancel(self, part: PresetSnapshot) -> None:
        count = provision.cancel_pending(actor=self.actor, lead=self.lead, preset_id=part.preset.id)
        self.stats.canceled += count
        log.info("pending builds cancelled", count=count, **names(part.preset))

    def _delete(self, part: PresetSnapshot, workspace_id: str) -> None:
        build = provision.delete_prebuild(actor=self.actor, lead=self.lead, workspace_id=workspace_id)
        self.stats.deleted += 1
        log.info("deletion begun", workspace_id=workspace_id, job_id=str(build.job_id), **names(part.preset))

    def _create(self, part: PresetSnapshot, count: int) -> None:
        """One after the other; a request refused as invalid stops the preset, other errors do not."""
        desired = desired_instances(part.preset, part.schedules, self.now).instances
        if count > desired:
            log.critical("more to create than wanted", count=count, desired=desired, **names(part.preset))
        for _ in range(min(count, desired)):
            refusal = self._attempt(part, "create", partial(self._create_one, part))
            if refusal is not None and refusal.status == 400:
                conditions.mark_validation_failed(
                    lead=self.lead, preset=part.preset, error=str(refusal), now=self.now
                )
                return

    def _create_one(self, part: PresetSnapshot) -> None:
        build = provision.create_prebuild(actor=self.actor, lead=self.lead, preset_id=part.preset.id)
        self.stats.created += 1
        log.info(
            "creation begun",
            workspace_id=str(build.workspace_id),
            job_id=str(build.job_id),
            **names(part.preset),
        )

    def _tell_barred(self, part: PresetSnapshot, item: Barred) -> None:
        log.warning("not created", count=item.count, because=item.condition.value, **names(part.preset))

    def _tell_problems(self, part: PresetSnapshot) -> None:
        """Once per change: the pool works on with its base size, and with what else is stored."""
        problems = preset_problems(part.preset, part.schedules)
        if self.memory.problems.get(part.preset.id, ()) != problems:
            self.memory.problems[part.preset.id] = problems
            for problem in problems:
                log.error("preset not usable as stored", problem=problem, **names(part.preset))
