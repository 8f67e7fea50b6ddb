"""What is wrong with what is stored of a preset, for log, page and explanation (reference section 4.4). Pure.

An import refuses all of this; a database may hold it all the same, from another version or by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from coder_admin.parameters.presets import TTL_RANGE
from prebuilds.desired import preset_schedule_problems
from prebuilds.schedule import ScheduleError, load_zone
from prebuilds.snapshot import Preset, Schedule


def preset_problems(preset: Preset, schedules: Sequence[Schedule]) -> tuple[str, ...]:
    """Everything that a template could not have set, as sentences: schedules first, then single values."""
    of_schedules = preset_schedule_problems(preset, schedules) if schedules else ()
    return of_schedules + value_problems(preset, schedules)


def value_problems(preset: Preset, schedules: Sequence[Schedule]) -> tuple[str, ...]:
    """Base size, time to live and zone that a template could not have set, and what counts instead.

    A zone with schedules is judged with them: nothing else reads it.
    """
    unread_zone = "" if schedules else preset.scheduling_timezone
    return _value_problems(preset.desired_instances, preset.ttl_seconds, unread_zone)


@lru_cache(maxsize=4096)
def _value_problems(base_size: int, ttl: int | None, unread_zone: str) -> tuple[str, ...]:
    problems: list[str] = []
    if base_size < 0:
        problems.append(f"The base size is {base_size}; it counts as 0, the smallest size.")
    if ttl and ttl not in TTL_RANGE:
        # Reference section 2.1: whatever is above 0 counts.
        consequence = "It is used as it is." if ttl > 0 else "No prebuild expires by age."
        problems.append(
            f"The time to live is {ttl} seconds; a template may set 0 or {TTL_RANGE.start} to "
            f"{TTL_RANGE.stop - 1}. {consequence}"
        )
    if unread_zone:
        try:
            load_zone(unread_zone)
        except ScheduleError as error:
            problems.append(str(error))
    return tuple(problems)
