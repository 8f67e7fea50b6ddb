"""What one pass does about one preset (reference sections 3.4 and 3.6). Pure.

`calculate_actions` says what the pool needs; `permit` takes away what the preset's condition forbids.
Actions are executed in the order of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from prebuilds.snapshot import (
    Config,
    PrebuildStatus,
    PresetSnapshot,
    RunningPrebuild,
    is_invalidated,
    is_past_ttl,
)
from prebuilds.state import State, calculate_state

_FOREVER = datetime.max.replace(tzinfo=UTC)


class DeleteReason(StrEnum):
    """Why prebuilds are deleted."""

    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    NOT_READY = "not_ready"
    EXTRANEOUS = "extraneous"
    INACTIVE_VERSION = "inactive_version"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Do nothing at all until an instant, because builds failed recently."""

    until: datetime


@dataclass(frozen=True, slots=True)
class CancelPending:
    """Cancel first builds of an inactive version that no provisioner took yet."""

    count: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete prebuilds, oldest first."""

    workspace_ids: tuple[str, ...]
    reason: DeleteReason


@dataclass(frozen=True, slots=True)
class Create:
    """Create prebuilds."""

    count: int


Action = Backoff | CancelPending | Delete | Create


@dataclass(frozen=True, slots=True)
class Barred:
    """A creation that the preset's condition forbids, and why."""

    count: int
    condition: PrebuildStatus


def backoff_until(snapshot: PresetSnapshot, now: datetime, config: Config) -> datetime | None:
    """The instant until which the preset rests, or None. Linear in the failures; equality still rests."""
    row = snapshot.backoff
    if row is None or row.num_failed <= 0:
        return None
    try:
        until = row.last_build_at + row.num_failed * config.backoff_interval
    except OverflowError:
        until = _FOREVER
    return until if now <= until else None


def calculate_actions(
    snapshot: PresetSnapshot, now: datetime, config: Config, state: State | None = None
) -> tuple[Action, ...]:
    """The actions a preset needs at `now`; empty when its pool is as wished.

    `state` is the preset's at that instant, for who knows it already.
    """
    until = backoff_until(snapshot, now, config)
    if until is not None:
        # Rests before everything else: nothing is deleted either while it lasts.
        return (Backoff(until),)
    evidence = _outdated_evidence(snapshot, now, config)
    if not snapshot.preset.is_active:
        return _wind_down(snapshot) + evidence
    if state is None:
        state = calculate_state(snapshot, now)
    return _drain(snapshot, now, state.extraneous) + evidence + _refill(snapshot, state)


def permit(
    snapshot: PresetSnapshot, actions: Iterable[Action]
) -> tuple[tuple[Action, ...], tuple[Barred, ...]]:
    """Part actions into those that are executed and creations barred by the preset's condition.

    The hard limit follows the live query, never the stored status, so that deleting failed prebuilds or a
    newer success lifts it; `validation_failed` follows the stored status.
    """
    condition = live_condition(snapshot)
    if condition is PrebuildStatus.HEALTHY:
        return tuple(actions), ()
    allowed: list[Action] = []
    barred: list[Barred] = []
    for action in actions:
        if isinstance(action, Create):
            barred.append(Barred(action.count, condition))
        else:
            allowed.append(action)
    return tuple(allowed), tuple(barred)


def live_condition(snapshot: PresetSnapshot) -> PrebuildStatus:
    """What holds now, whatever the stored status says: a limit that was lifted is healthy again."""
    if snapshot.hard_limited:
        return PrebuildStatus.HARD_LIMITED
    if snapshot.preset.prebuild_status is PrebuildStatus.VALIDATION_FAILED:
        return PrebuildStatus.VALIDATION_FAILED
    return PrebuildStatus.HEALTHY


def _wind_down(snapshot: PresetSnapshot) -> tuple[Action, ...]:
    actions: list[Action] = []
    if snapshot.pending_count > 0:
        actions.append(CancelPending(snapshot.pending_count))
    # Expired ones too: Coder leaves those of an inactive version running for ever.
    ids = _ids(_oldest_first((*snapshot.running, *snapshot.expired)))
    if snapshot.preset.deleted:
        # Nobody can look at what failed any more; it may hold real resources all the same.
        ids += tuple(row.id for row in sorted(snapshot.failed, key=lambda row: (row.built_at, row.id)))
    if ids:
        actions.append(Delete(ids, DeleteReason.INACTIVE_VERSION))
    return tuple(actions)


def _drain(snapshot: PresetSnapshot, now: datetime, surplus: int) -> tuple[Action, ...]:
    """What an active pool gives up: expired prebuilds by reason, then the oldest of those beyond its size."""
    if not snapshot.expired and not surplus:
        return ()
    groups: dict[DeleteReason, list[RunningPrebuild]] = {reason: [] for reason in DeleteReason}
    for prebuild in _oldest_first(snapshot.expired):
        groups[_expired_because(snapshot, prebuild, now)].append(prebuild)
    groups[DeleteReason.EXTRANEOUS] = _oldest_first(snapshot.running)[:surplus]
    return tuple(Delete(_ids(rows), reason) for reason, rows in groups.items() if rows)


def _expired_because(snapshot: PresetSnapshot, prebuild: RunningPrebuild, now: datetime) -> DeleteReason:
    if is_invalidated(snapshot.preset, prebuild):
        return DeleteReason.INVALIDATED
    return DeleteReason.EXPIRED if is_past_ttl(snapshot.preset, prebuild, now) else DeleteReason.NOT_READY


def _refill(snapshot: PresetSnapshot, state: State) -> tuple[Action, ...]:
    missing = max(state.desired - len(snapshot.running) - state.starting, 0)
    return (Create(missing),) if missing else ()


def _outdated_evidence(snapshot: PresetSnapshot, now: datetime, config: Config) -> tuple[Action, ...]:
    """Failed prebuilds kept for longer than the retention, if there is one.

    The newest failures of an active preset stay, as many as the hard limit counts and as long as no prebuild
    was made after them: deleting them would lift the limit, or keep it from ever being reached, and a preset
    that cannot be built would be tried again and again.
    """
    if config.failed_retention is None or snapshot.preset.deleted:
        return ()
    newest_first = sorted(snapshot.failed, key=lambda row: (row.built_at, row.id), reverse=True)
    counted = newest_first[: config.failure_hard_limit] if snapshot.preset.is_active else []
    if not snapshot.hard_limited:
        made = max((row.created_at for row in (*snapshot.running, *snapshot.expired)), default=None)
        counted = [row for row in counted if made is None or row.built_at > made]
    outdated = [
        row for row in newest_first if row not in counted and now - row.built_at > config.failed_retention
    ]
    ids = tuple(row.id for row in reversed(outdated))
    return (Delete(ids, DeleteReason.FAILED),) if ids else ()


def _oldest_first(prebuilds: Iterable[RunningPrebuild]) -> list[RunningPrebuild]:
    return sorted(prebuilds, key=lambda prebuild: (prebuild.created_at, prebuild.id))


def _ids(prebuilds: Sequence[RunningPrebuild]) -> tuple[str, ...]:
    return tuple(prebuild.id for prebuild in prebuilds)
