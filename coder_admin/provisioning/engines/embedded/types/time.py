"""``time_*``: moments that are kept in the state, and waiting.

Times are RFC 3339 in UTC to the second, as the provider writes them.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coder_admin.terraform.types import NUMBER, STRING, map_type
from coder_admin.terraform.values import Value, to_python, unknown

from ..resource import Call, ResourceType, Values
from ..schema import Attribute, Schema, computed, optional

TRIGGERS: Final = optional(map_type(STRING), force_new=True)
LONGEST_WAIT: Final = 3600.0  # seconds of one time_sleep

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_PARTS: Final = ("year", "month", "day", "hour", "minute", "second", "unix")


def seconds_of(text: str) -> float:
    """Seconds of a duration as Go writes it (``1h30m``, ``500ms``). ValueError for anything else."""
    if text == "0":
        return 0.0
    total, end = 0.0, 0
    for match in _DURATION.finditer(text):
        if match.start() != end:
            break
        total += float(match[1]) * _UNITS[match[2]]
        end = match.end()
    if not text or end != len(text):
        raise ValueError(f"{text!r} is no duration")
    return total


def _check_duration(value: Value) -> str:
    try:
        seconds = seconds_of(to_python(value))
    except ValueError:
        return 'must be a duration such as "30s" or "1h30m".'
    return "" if seconds <= LONGEST_WAIT else "must not be longer than one hour."


def _check_time(value: Value) -> str:
    try:
        parse_time(to_python(value))
    except ValueError:
        return 'must be a time in RFC 3339 form, such as "2026-01-31T09:00:00Z".'
    return ""


def parse_time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or "T" not in text.upper():
        raise ValueError("no zone")
    return at.astimezone(UTC)


def format_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shift(
    at: datetime,
    *,
    years: int = 0,
    months: int = 0,
    days: int = 0,
    hours: int = 0,
    minutes: int = 0,
    seconds: int = 0,
) -> datetime:
    """The time moved on by the calendar; a day that the month lacks overflows into the next, as in Go."""
    month = at.month - 1 + months + 12 * years
    year, month = divmod(at.year * 12 + month, 12)
    if not 1 <= year <= 9998:
        raise ValueError("the year is out of range")
    last = monthrange(year, month + 1)[1]
    moved = at.replace(year=year, month=month + 1, day=min(at.day, last))
    overflow = max(0, at.day - last)
    return moved + timedelta(days=days + overflow, hours=hours, minutes=minutes, seconds=seconds)


def _parts(at: datetime) -> dict[str, Any]:
    return {
        "year": at.year,
        "month": at.month,
        "day": at.day,
        "hour": at.hour,
        "minute": at.minute,
        "second": at.second,
        "unix": int(at.timestamp()),
    }


class TimeSleep(ResourceType):
    name = "time_sleep"
    schema = Schema(
        {
            "id": computed(),
            "create_duration": optional(check=_check_duration),
            "destroy_duration": optional(check=_check_duration),
            "triggers": TRIGGERS,
        }
    )

    def check(self, config: Values) -> str:
        if config["create_duration"].is_null and config["destroy_duration"].is_null:
            return "one of create_duration and destroy_duration is required."
        return ""

    def create(self, call: Call) -> dict[str, Any]:
        if wait := call.get("create_duration"):
            call.wait(seconds_of(wait))
        return {"id": format_time(call.now)}

    def delete(self, call: Call) -> None:
        if wait := call.had("destroy_duration"):
            call.wait(seconds_of(wait))


class TimeStatic(ResourceType):
    name = "time_static"
    schema = Schema(
        {
            "id": computed(),
            "rfc3339": optional(force_new=True, computed=True, check=_check_time),
            "triggers": TRIGGERS,
            **{part: computed(NUMBER) for part in _PARTS},
        }
    )

    def create(self, call: Call) -> dict[str, Any]:
        written = call.get("rfc3339")
        at = parse_time(written) if written else call.now.replace(microsecond=0)
        return {"id": written or format_time(at), "rfc3339": written or format_time(at), **_parts(at)}


_OFFSETS: Final = ("years", "months", "days", "hours", "minutes", "seconds")


def _whole(value: Value) -> str:
    return "" if isinstance(to_python(value), int) else "must be a whole number."


def _offsets(prefix: str) -> dict[str, Attribute]:
    return {f"{prefix}_{unit}": optional(NUMBER, check=_whole) for unit in _OFFSETS}


class TimeOffset(ResourceType):
    name = "time_offset"
    schema = Schema(
        {
            "id": computed(),
            "base_rfc3339": optional(force_new=True, computed=True, check=_check_time),
            "triggers": TRIGGERS,
            **_offsets("offset"),
            "rfc3339": computed(stable=False),
            **{part: computed(NUMBER, stable=False) for part in _PARTS},
        }
    )

    def check(self, config: Values) -> str:
        if all(config[f"offset_{unit}"].is_null for unit in _OFFSETS):
            return "at least one offset argument is required."
        return ""

    def create(self, call: Call) -> dict[str, Any]:
        base = call.get("base_rfc3339") or format_time(call.now)
        return {"id": base, "base_rfc3339": base, **self._moved(call, base)}

    def update(self, call: Call) -> dict[str, Any]:
        return self._moved(call, call.had("base_rfc3339"))

    def _moved(self, call: Call, base: str) -> dict[str, Any]:
        at = shift(parse_time(base), **{unit: call.get(f"offset_{unit}") or 0 for unit in _OFFSETS})
        return {"rfc3339": format_time(at), **_parts(at)}


class TimeRotating(ResourceType):
    """Made anew when its time has come: the state says so, not a clock that runs."""

    name = "time_rotating"
    schema = Schema(
        {
            "id": computed(),
            "rfc3339": optional(force_new=True, computed=True, check=_check_time),
            "triggers": TRIGGERS,
            **{f"rotation_{unit}": optional(NUMBER, check=_whole) for unit in _OFFSETS if unit != "seconds"},
            "rotation_rfc3339": optional(computed=True, check=_check_time),
            **{part: computed(NUMBER) for part in _PARTS},
        }
    )
    _units = tuple(unit for unit in _OFFSETS if unit != "seconds")

    def check(self, config: Values) -> str:
        if config["rotation_rfc3339"].is_null and all(config[f"rotation_{u}"].is_null for u in self._units):
            return "at least one rotation argument is required."
        return ""

    def exists(self, call: Call) -> bool:
        rotation = call.had("rotation_rfc3339")
        return not rotation or call.now < parse_time(rotation)

    def plan(self, call: Call, planned: dict[str, Value]) -> dict[str, Value]:
        changed = any(
            f"rotation_{u}" in call.prior and call.prior[f"rotation_{u}"] != planned[f"rotation_{u}"]
            for u in self._units
        )
        if changed and call.prior["rotation_rfc3339"] == planned["rotation_rfc3339"]:
            return {**planned, "rotation_rfc3339": unknown(STRING)}
        return planned

    def create(self, call: Call) -> dict[str, Any]:
        base = call.get("rfc3339") or format_time(call.now)
        return {"id": base, "rfc3339": base, **_parts(parse_time(base)), **self._rotation(call, base)}

    def update(self, call: Call) -> dict[str, Any]:
        return self._rotation(call, call.had("rfc3339"))

    def _rotation(self, call: Call, base: str) -> dict[str, Any]:
        offsets = {unit: call.get(f"rotation_{unit}") or 0 for unit in self._units}
        if not any(offsets.values()):
            return {"rotation_rfc3339": call.get("rotation_rfc3339")}
        return {"rotation_rfc3339": format_time(shift(parse_time(base), **offsets))}
