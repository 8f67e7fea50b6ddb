"""Why the loop does what it does with a preset, in sentences. Pure.

`explain` runs the very functions of a pass, so that what it says is what would happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from prebuilds.actions import (
    Action,
    Backoff,
    Barred,
    CancelPending,
    Create,
    Delete,
    DeleteReason,
    calculate_actions,
    live_condition,
    permit,
)
from prebuilds.desired import Desired, desired_instances
from prebuilds.problems import value_problems
from prebuilds.snapshot import Config, PrebuildStatus, Preset, PresetSnapshot
from prebuilds.state import State, calculate_state

_DELETE_BECAUSE = {
    DeleteReason.EXPIRED: "older than the time to live allows",
    DeleteReason.INVALIDATED: "made before the preset was invalidated",
    DeleteReason.NOT_READY: "running for longer than allowed without a ready agent",
    DeleteReason.FAILED: "failed, and kept as evidence for as long as the retention says",
    DeleteReason.EXTRANEOUS: "more than wanted, the oldest first",
    DeleteReason.INACTIVE_VERSION: "of a version or template that keeps no pool",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One preset as the loop sees it: counts, what would be executed, what is barred, and why."""

    preset: Preset
    skipped: bool
    state: State
    actions: tuple[Action, ...]
    barred: tuple[Barred, ...]
    condition: PrebuildStatus
    desired: Desired
    why: tuple[str, ...]


def explain(snapshot: PresetSnapshot, now: datetime, config: Config, *, paused: bool = False) -> Explanation:
    """What a pass at `now` would do about one preset, and why. While all pools are `paused` that is nothing;
    the sentences tell all the same what a pass without the pause would do."""
    state = calculate_state(snapshot, now)
    desired = desired_instances(snapshot.preset, snapshot.schedules, now)
    skipped = snapshot.can_skip
    wanted = () if skipped else calculate_actions(snapshot, now, config)
    actions, barred = permit(snapshot, wanted)
    odd_values = value_problems(snapshot.preset, snapshot.schedules)
    why = [_wish(snapshot, desired)]
    why += [f"The base size applies because of a schedule: {problem}" for problem in desired.problems]
    why += [f"A stored value is not one that a template may set: {problem}" for problem in odd_values]
    if snapshot.preset.is_active:
        why.append(_counts(state))
    if skipped:
        why.append("It is skipped, since nothing of it is left.")
    why += [action_sentence(action, snapshot) for action in actions]
    why += [barred_sentence(item, snapshot, config) for item in barred]
    if not skipped and not actions and not barred:
        why.append("There is nothing to do.")
    if paused:
        why.insert(0, "Reconciliation is paused: nothing is done, whatever follows, until it is resumed.")
        actions = ()
    return Explanation(
        snapshot.preset, skipped, state, actions, barred, live_condition(snapshot), desired, tuple(why)
    )


def _wish(snapshot: PresetSnapshot, desired: Desired) -> str:
    preset = snapshot.preset
    if preset.deleted:
        return "Its template is deleted, so no pool is kept."
    if preset.deprecated:
        return "Its template is deprecated, so no pool is kept."
    if not preset.using_active_version:
        return "Its version is not the template's active one, so no pool is kept."
    if desired.schedule:
        expression = desired.schedule.cron_expression
        return f'The schedule "{expression}" covers this hour and asks for {desired.instances}.'
    if snapshot.schedules and not desired.problems:
        return f"No schedule covers this hour, so the base size {desired.instances} applies."
    return f"The base size is {desired.instances}."


def _counts(state: State) -> str:
    good = state.actual - state.expired
    parts = [f"{good} running", f"{state.eligible} of them ready to be claimed", f"{state.starting} starting"]
    if state.expired:
        parts.append(f"{state.expired} expired")
    return f"It has {', '.join(parts)}."


def action_sentence(action: Action, snapshot: PresetSnapshot) -> str:
    """One action in a sentence."""
    match action:
        case Backoff(until):
            failed = snapshot.backoff.num_failed if snapshot.backoff else 0
            return f"{count_of(failed, 'build')} failed recently, so nothing is done before {instant(until)}."
        case CancelPending(count):
            return f"{count_of(count, 'waiting build')} of this version will be cancelled."
        case Delete(workspace_ids, reason):
            return f"{count_of(len(workspace_ids), 'prebuild')} will be deleted: {_DELETE_BECAUSE[reason]}."
        case Create(count):
            return f"{count_of(count, 'prebuild')} will be created to reach the wanted size."


def barred_sentence(barred: Barred, snapshot: PresetSnapshot, config: Config) -> str:
    """Why a creation is not executed, and what lifts the bar."""
    missing = count_of(barred.count, "prebuild")
    if barred.condition is PrebuildStatus.HARD_LIMITED:
        return (
            f"{missing} missing, but the newest {config.failure_hard_limit} builds all failed: none is made "
            "until a new version is active, the failed prebuilds are deleted or the preset is reset."
        )
    return (
        f"{missing} missing, but the last build request was refused as invalid: none is created until a new "
        "version is active or the preset is reset."
    )


def summary(explanation: Explanation, *, paused: bool = False, failed: int = 0) -> str:
    """How a pool is, in one plain sentence for its page."""
    state = explanation.state
    if not explanation.preset.is_active:
        return "No pool is kept for this version."
    if paused:
        return f"Reconciliation is paused; {state.eligible} of {state.desired} are ready."
    if explanation.condition is PrebuildStatus.HARD_LIMITED:
        return "Stopped after repeated failures; publish a fixed version or reset the preset."
    if explanation.condition is PrebuildStatus.VALIDATION_FAILED:
        return "Stopped because the build request is invalid; publish a fixed version or reset the preset."
    for action in explanation.actions:
        if isinstance(action, Backoff):
            return f"Waiting until {instant(action.until)} after failed builds ({failed} kept as evidence)."
    if explanation.desired.problems:
        return f"The schedules cannot be used, so the base size {state.desired} applies."
    return _fill_summary(state)


def _fill_summary(state: State) -> str:
    if state.desired == 0 and state.actual == 0 and state.starting == 0:
        return "No prebuilds are wanted now."
    if state.eligible >= state.desired:
        surplus = f", {state.extraneous} too many" if state.extraneous else ""
        return f"Full: {state.eligible} ready of {state.desired} wanted{surplus}."
    doing = state.starting + (state.actual - state.expired - state.eligible)
    return f"Filling: {state.eligible} ready of {state.desired} wanted, {doing} on the way."


def count_of(number: int, noun: str) -> str:
    """A number and its noun: `1 build`, `2 builds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def instant(moment: datetime) -> str:
    """An instant for a sentence, in UTC to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
