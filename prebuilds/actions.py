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
)
from prebuilds.state import State, calculate_state

_FOREVER = datetime.max.replace(tzinfo=UTC)


class DeleteReason(StrEnum):
    """Why prebuilds are deleted."""

    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    EXTRANEOUS = "extraneous"
    INACTIVE_VERSION = "inactive_version"


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


def calculate_actions(snapshot: PresetSnapshot, now: datetime, config: Config) -> tuple[Action, ...]:
    """The actions a preset needs at `now`; empty when its pool is as wished."""
    until = backoff_until(snapshot, now, config)
    if until is not None:
        # Rests before everything else: nothing is deleted either while it lasts.
        return (Backoff(until),)
    if not snapshot.preset.is_active:
        return _wind_down(snapshot)
    return _fill(snapshot, calculate_state(snapshot, now))


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
    everything = _oldest_first((*snapshot.running, *snapshot.expired))
    if everything:
        actions.append(Delete(_ids(everything), DeleteReason.INACTIVE_VERSION))
    return tuple(actions)


def _fill(snapshot: PresetSnapshot, state: State) -> tuple[Action, ...]:
    actions: list[Action] = []
    expired = _oldest_first(snapshot.expired)
    invalidated = [row for row in expired if is_invalidated(snapshot.preset, row)]
    too_old = [row for row in expired if not is_invalidated(snapshot.preset, row)]
    surplus = _oldest_first(snapshot.running)[: state.extraneous]
    for rows, reason in (
        (too_old, DeleteReason.EXPIRED),
        (invalidated, DeleteReason.INVALIDATED),
        (surplus, DeleteReason.EXTRANEOUS),
    ):
        if rows:
            actions.append(Delete(_ids(rows), reason))
    missing = max(state.desired - len(snapshot.running) - state.starting, 0)
    if missing:
        actions.append(Create(missing))
    return tuple(actions)


def _oldest_first(prebuilds: Iterable[RunningPrebuild]) -> list[RunningPrebuild]:
    return sorted(prebuilds, key=lambda prebuild: (prebuild.created_at, prebuild.id))


def _ids(prebuilds: Sequence[RunningPrebuild]) -> tuple[str, ...]:
    return tuple(prebuild.id for prebuild in prebuilds)
