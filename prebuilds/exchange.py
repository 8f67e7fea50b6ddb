"""Snapshots and explanations as JSON: what the loop sees, and what it would do and why. Pure.

The shapes are a contract with people's tools. Reading is strict about types and lenient about absence:
missing lists are empty, missing fields take the healthy default, unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from prebuilds.actions import Action, Backoff, CancelPending, Create, Delete
from prebuilds.explain import Explanation, explain
from prebuilds.snapshot import (
    BackoffRow,
    Config,
    FailedPrebuild,
    InProgress,
    PendingCount,
    PrebuildStatus,
    Preset,
    RunningPrebuild,
    Schedule,
    Snapshot,
    Transition,
)

Row = TypeVar("Row")
_PRESET_FIELDS = (
    "id",
    "name",
    "organization_name",
    "template_id",
    "template_name",
    "template_version_id",
    "using_active_version",
    "deleted",
    "deprecated",
    "desired_instances",
    "ttl_seconds",
    "scheduling_timezone",
    "prebuild_status",
    "last_invalidated_at",
)


class SnapshotError(ValueError):
    """A snapshot that cannot be read; the message names the place."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A snapshot and what to judge it by: the instant, the configuration, the pause of all pools."""

    now: datetime
    config: Config
    snapshot: Snapshot
    paused: bool = False


def explain_all(situation: Situation) -> list[Explanation]:
    """What a pass would do about each preset, in the snapshot's order."""
    return [
        explain(
            situation.snapshot.for_preset(preset, situation.now),
            situation.now,
            situation.config,
            paused=situation.paused,
        )
        for preset in situation.snapshot.presets
    ]


def snapshot_to_json(situation: Situation) -> dict[str, Any]:
    """The situation as the contract has it; `situation_from_json` reads it back."""
    snapshot, config = situation.snapshot, situation.config
    written: dict[str, Any] = {
        "now": _text(situation.now),
        "config": {
            "backoff_interval_seconds": config.backoff_interval.total_seconds(),
            "failure_hard_limit": config.failure_hard_limit,
        },
        "presets": [_preset_to_json(preset) for preset in snapshot.presets],
        "schedules": [asdict(row) for row in snapshot.schedules],
        "running": [
            {
                "id": row.id,
                "name": row.name,
                "preset_id": row.preset_id,
                "template_version_id": row.template_version_id,
                "ready": row.ready,
                "created_at": _text(row.created_at),
            }
            for row in snapshot.running
        ],
        "in_progress": [asdict(row) for row in snapshot.in_progress],
        "pending": [asdict(row) for row in snapshot.pending],
        "backoff": [{**asdict(row), "last_build_at": _text(row.last_build_at)} for row in snapshot.backoffs],
        "hard_limited": sorted(snapshot.hard_limited),
    }
    # A pause, and two bounds that are off by default: only where one is on does the snapshot speak of it.
    if situation.paused:
        written["config"]["reconciliation_paused"] = True
    if config.failed_retention is not None:
        written["config"]["failed_retention_seconds"] = config.failed_retention.total_seconds()
    if snapshot.failed:
        written["failed"] = [{**asdict(row), "built_at": _text(row.built_at)} for row in snapshot.failed]
    if config.not_ready_limit is not None:
        written["config"]["not_ready_limit_seconds"] = config.not_ready_limit.total_seconds()
        for row, prebuild in zip(written["running"], snapshot.running, strict=True):
            row["built_at"] = _text(prebuild.built_at) if prebuild.built_at else None
    return written


def explanations_to_json(explanations: Iterable[Explanation]) -> dict[str, Any]:
    """What would be executed for each preset, and why."""
    return {
        "presets": [
            {
                "preset_id": told.preset.id,
                "skipped": told.skipped,
                "state": asdict(told.state),
                "actions": [_action_to_json(action) for action in told.actions],
                "why": list(told.why),
            }
            for told in explanations
        ]
    }


def situation_from_json(value: object, *, default_now: datetime) -> Situation:
    """Read the contract's form. `default_now` counts when the snapshot does not say its instant.

    Raises SnapshotError naming the first place that is wrong.
    """
    root = _Reader(value, "snapshot")
    now = root.instant("now") or default_now
    config = root.child("config")
    seconds = config.number("backoff_interval_seconds", 60)
    limit = config.count("failure_hard_limit", 3)
    patience = config.span("not_ready_limit_seconds")
    return Situation(
        now=now,
        config=Config(
            backoff_interval=timedelta(seconds=seconds),
            failure_hard_limit=limit,
            failed_retention=config.span("failed_retention_seconds"),
            not_ready_limit=patience,
        ),
        snapshot=Snapshot(
            presets=root.rows("presets", _preset),
            schedules=root.rows("schedules", _schedule),
            running=root.rows("running", lambda row: _running(row, now)),
            in_progress=root.rows("in_progress", _in_progress),
            pending=root.rows(
                "pending", lambda row: PendingCount(row.key("preset_id"), row.count("count", 1))
            ),
            backoffs=root.rows("backoff", lambda row: _backoff(row, now)),
            hard_limited=frozenset(root.texts("hard_limited")),
            failed=root.rows("failed", lambda row: _failed(row, now)),
            not_ready_limit=patience,
        ),
        paused=config.flag("reconciliation_paused", False),
    )


def _preset_to_json(preset: Preset) -> dict[str, Any]:
    row = {name: getattr(preset, name) for name in _PRESET_FIELDS}
    row["prebuild_status"] = preset.prebuild_status.value
    row["last_invalidated_at"] = _text(preset.last_invalidated_at) if preset.last_invalidated_at else None
    return row


def _action_to_json(action: Action) -> dict[str, Any]:
    match action:
        case Backoff(until):
            return {"type": "backoff", "until": _text(until)}
        case CancelPending(count):
            return {"type": "cancel_pending", "count": count}
        case Delete(workspace_ids, reason):
            return {"type": "delete", "workspace_ids": list(workspace_ids), "reason": reason.value}
        case Create(count):
            return {"type": "create", "count": count}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _preset(row: _Reader) -> Preset:
    status = row.text("prebuild_status", PrebuildStatus.HEALTHY.value)
    if status not in tuple(PrebuildStatus):
        raise SnapshotError(f"{row.place}.prebuild_status: use one of {', '.join(PrebuildStatus)}.")
    return Preset(
        id=row.key("id"),
        name=row.text("name"),
        organization_name=row.text("organization_name"),
        template_id=row.text("template_id"),
        template_name=row.text("template_name"),
        template_version_id=row.text("template_version_id"),
        using_active_version=row.flag("using_active_version", True),
        deleted=row.flag("deleted", False),
        deprecated=row.flag("deprecated", False),
        desired_instances=row.whole("desired_instances", 0),
        ttl_seconds=row.optional_whole("ttl_seconds"),
        scheduling_timezone=row.text("scheduling_timezone"),
        prebuild_status=PrebuildStatus(status),
        last_invalidated_at=row.instant("last_invalidated_at"),
    )


def _schedule(row: _Reader) -> Schedule:
    # An empty expression is no schedule, which the base size answers, like any other that cannot be read.
    return Schedule(row.key("preset_id"), row.text("cron_expression"), row.whole("desired_instances", 0))


def _running(row: _Reader, now: datetime) -> RunningPrebuild:
    return RunningPrebuild(
        id=row.key("id"),
        name=row.text("name"),
        preset_id=row.text("preset_id") or None,
        template_version_id=row.text("template_version_id"),
        ready=row.flag("ready", True),
        created_at=row.instant("created_at") or now,
        built_at=row.instant("built_at"),
    )


def _failed(row: _Reader, now: datetime) -> FailedPrebuild:
    return FailedPrebuild(row.key("id"), row.key("preset_id"), row.instant("built_at") or now)


def _in_progress(row: _Reader) -> InProgress:
    return InProgress(
        row.text("preset_id") or None,
        row.text("template_version_id"),
        row.text("transition", Transition.START.value),
        row.count("count", 1),
    )


def _backoff(row: _Reader, now: datetime) -> BackoffRow:
    return BackoffRow(row.key("preset_id"), row.count("num_failed", 0), row.instant("last_build_at") or now)


class _Reader:
    """One JSON object, read field by field; null is the same as absent."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, Mapping):
            raise SnapshotError(f"{place}: an object is expected.")
        self._fields: Mapping[str, object] = value
        self.place = place

    def _get(self, name: str, kind: type | tuple[type, ...], what: str) -> Any:
        value = self._fields.get(name)
        # A JSON true is a Python int as well; it is never meant as a number.
        if value is not None and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise SnapshotError(f"{self.place}.{name}: {what} is expected.")
        return value

    def text(self, name: str, default: str = "") -> str:
        value: str | None = self._get(name, str, "a text")
        return default if value is None else value

    def key(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise SnapshotError(f"{self.place}.{name} is missing.")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value: bool | None = self._get(name, bool, "true or false")
        return default if value is None else value

    def optional_whole(self, name: str) -> int | None:
        value: int | None = self._get(name, int, "a whole number")
        return value

    def whole(self, name: str, default: int) -> int:
        value = self.optional_whole(name)
        return default if value is None else value

    def count(self, name: str, default: int) -> int:
        value = self.whole(name, default)
        if value < 0:
            raise SnapshotError(f"{self.place}.{name}: a whole number of 0 or more is expected.")
        return value

    def number(self, name: str, default: float) -> float:
        value: float | None = self._get(name, (int, float), "a number")
        if value is not None and not 0 <= value <= 86_400 * 366:
            raise SnapshotError(f"{self.place}.{name}: a number from 0 to a year's seconds is expected.")
        return default if value is None else float(value)

    def span(self, name: str) -> timedelta | None:
        """A duration in seconds; absent and 0 mean that there is none."""
        seconds = self.number(name, 0)
        return timedelta(seconds=seconds) if seconds > 0 else None

    def instant(self, name: str) -> datetime | None:
        value: str | None = self._get(name, str, "an ISO 8601 instant")
        if value is None:
            return None
        try:
            return parse_instant(value)
        except SnapshotError as error:
            raise SnapshotError(f"{self.place}.{name}: {error}") from None

    def child(self, name: str) -> _Reader:
        value = self._fields.get(name)
        return _Reader({} if value is None else value, f"{self.place}.{name}")

    def rows(self, name: str, read: Callable[[_Reader], Row]) -> tuple[Row, ...]:
        values = self._get(name, list, "a list") or []
        return tuple(read(_Reader(value, f"{self.place}.{name}[{n}]")) for n, value in enumerate(values))

    def texts(self, name: str) -> list[str]:
        values: list[object] = self._get(name, list, "a list") or []
        for position, value in enumerate(values):
            if not isinstance(value, str):
                raise SnapshotError(f"{self.place}.{name}[{position}]: a text is expected.")
        return [str(value) for value in values]


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant with its offset, of the years 1900 to 9000. Raises SnapshotError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1900 <= moment.year <= 9000:
        raise SnapshotError(
            f'"{text}" is not an ISO 8601 instant with an offset, such as 2026-06-01T09:00:00Z.'
        )
    return moment.astimezone(UTC)
