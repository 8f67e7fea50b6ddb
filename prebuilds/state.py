"""Where one preset's pool stands: counts for people and metrics (reference section 3.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prebuilds.desired import desired_instances
from prebuilds.snapshot import PresetSnapshot, Transition


@dataclass(frozen=True, slots=True)
class State:
    """Counts of prebuilds. `actual` is running, ready or not, expired ones too; `eligible` can be claimed."""

    actual: int = 0
    expired: int = 0
    desired: int = 0
    eligible: int = 0
    extraneous: int = 0
    starting: int = 0
    stopping: int = 0
    deleting: int = 0


def calculate_state(snapshot: PresetSnapshot, now: datetime) -> State:
    """Diagnostics of one preset at `now`; an inactive preset wants nothing and offers nothing."""
    active = snapshot.preset.is_active
    running, expired = len(snapshot.running), len(snapshot.expired)
    desired = desired_instances(snapshot.preset, snapshot.schedules, now).instances if active else 0
    return State(
        actual=running + expired,
        expired=expired,
        desired=desired,
        eligible=[prebuild.ready for prebuild in snapshot.running].count(True) if active else 0,
        extraneous=max(running - desired, 0) if active else 0,
        starting=_in_progress(snapshot, Transition.START),
        stopping=_in_progress(snapshot, Transition.STOP),
        deleting=_in_progress(snapshot, Transition.DELETE),
    )


def _in_progress(snapshot: PresetSnapshot, transition: Transition) -> int:
    if not snapshot.in_progress:  # nearly always
        return 0
    return sum(row.count for row in snapshot.in_progress if row.transition == transition)
