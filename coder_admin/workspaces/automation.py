"""What a workspace's own clock demands now: autostop, autostart, dormancy, autodelete, failure TTL. Pure.

Rows come in as plain values and `now` is given. One workspace has at most one thing due at a time; after
it was done the next look finds the next one. Prebuilds are never touched (prebuilds.md 5.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from coder_admin.provisioning.choices import ACTIVE_STATUSES, JobStatus

from .autostart import ScheduleError, next_start, parse_weekly
from .choices import Transition

DELETE_RETRY = timedelta(hours=24)
"""How long a failed automatic deletion rests before it is tried again."""


class Step(StrEnum):
    """What is due; the value is the reason of the build, where there is one."""

    AUTOSTOP = "autostop"
    AUTOSTART = "autostart"
    DORMANCY = "dormancy"
    AUTODELETE = "autodelete"
    FAILEDSTOP = "failedstop"


@dataclass(frozen=True, slots=True)
class Due:
    """One step with its cause in words. `transition` None: only the row changes."""

    step: Step
    transition: Transition | None
    why: str
    becomes_dormant: bool = False


@dataclass(frozen=True, slots=True)
class TemplatePolicy:
    """Durations are milliseconds, 0 meaning never. `autostart_days`: bit 0 is Monday."""

    allow_user_autostart: bool
    autostart_days: int
    failure_ttl_ms: int
    time_til_dormant_ms: int


@dataclass(frozen=True, slots=True)
class LatestBuild:
    created_at: datetime
    transition: Transition
    status: JobStatus
    ended_at: datetime | None
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class WorkspaceFacts:
    """One live workspace as the executor sees it."""

    is_prebuild: bool
    owner_active: bool
    autostart_schedule: str
    last_used_at: datetime
    dormant_at: datetime | None
    deleting_at: datetime | None
    build: LatestBuild | None
    policy: TemplatePolicy


def due(facts: WorkspaceFacts, now: datetime) -> Due | None:
    """The one thing to do now, or None. A build under way is never disturbed."""
    build = facts.build
    if facts.is_prebuild or build is None or build.status in ACTIVE_STATUSES:
        return None
    return (
        _autodelete(facts, build, now)
        or _dormancy(facts, build, now)
        or _autostop(facts, build, now)
        or _autostart(facts, build, now)
        or _failedstop(facts, build, now)
    )


def _runs(build: LatestBuild) -> bool:
    return build.transition is Transition.START and build.status is JobStatus.SUCCEEDED


def _autodelete(facts: WorkspaceFacts, build: LatestBuild, now: datetime) -> Due | None:
    if facts.dormant_at is None or facts.deleting_at is None or now < facts.deleting_at:
        return None
    tried = build.transition is Transition.DELETE and build.status is not JobStatus.SUCCEEDED
    if tried and build.ended_at is not None and now < build.ended_at + DELETE_RETRY:
        return None
    return Due(
        Step.AUTODELETE, Transition.DELETE, "It has been dormant for as long as its template lets it be."
    )


def _dormancy(facts: WorkspaceFacts, build: LatestBuild, now: datetime) -> Due | None:
    """Mark what nobody used for long, and stop it; also stop what a person made dormant as it ran."""
    stop = Transition.STOP if _runs(build) else None
    if facts.dormant_at is not None:
        return Due(Step.DORMANCY, stop, "Dormant workspaces do not run.") if stop else None
    limit = timedelta(milliseconds=facts.policy.time_til_dormant_ms)
    if not limit or now - facts.last_used_at <= limit:
        return None
    return Due(
        Step.DORMANCY,
        stop,
        f"Nobody used it since {facts.last_used_at:%Y-%m-%d %H:%M} UTC.",
        becomes_dormant=True,
    )


def _autostop(facts: WorkspaceFacts, build: LatestBuild, now: datetime) -> Due | None:
    if not _runs(build):
        return None
    if not facts.owner_active:
        return Due(Step.AUTOSTOP, Transition.STOP, "Its owner is suspended.")
    if build.deadline is None or now < build.deadline:
        return None
    return Due(Step.AUTOSTOP, Transition.STOP, f"Its deadline was {build.deadline:%Y-%m-%d %H:%M} UTC.")


def _autostart(facts: WorkspaceFacts, build: LatestBuild, now: datetime) -> Due | None:
    """Due once its schedule fired after the last build began; a failed build waits for a person."""
    if facts.dormant_at is not None or not facts.owner_active:
        return None
    if build.transition is not Transition.STOP or build.status is not JobStatus.SUCCEEDED:
        return None
    at = autostart_at(facts, build.created_at)
    if at is None or now < at:
        return None
    return Due(Step.AUTOSTART, Transition.START, f"Its schedule was due at {at:%Y-%m-%d %H:%M} UTC.")


def autostart_at(facts: WorkspaceFacts, after: datetime) -> datetime | None:
    """When the schedule fires next, or None without a usable one."""
    return scheduled_start(facts.policy, facts.autostart_schedule, after)


def scheduled_start(policy: TemplatePolicy, schedule: str, after: datetime) -> datetime | None:
    """When `schedule` fires next under the template's policy, or None."""
    if not schedule or not policy.allow_user_autostart:
        return None
    try:
        return next_start(parse_weekly(schedule), after, days=policy.autostart_days)
    except ScheduleError:  # stored before it was checked: it starts nothing, and the page says so
        return None


def _failedstop(facts: WorkspaceFacts, build: LatestBuild, now: datetime) -> Due | None:
    limit = timedelta(milliseconds=facts.policy.failure_ttl_ms)
    failed = build.transition is Transition.START and build.status is JobStatus.FAILED
    if not limit or not failed or build.ended_at is None or now - build.ended_at < limit:
        return None
    return Due(Step.FAILEDSTOP, Transition.STOP, "Its start failed, and what it had made is still there.")
