"""What pools demand of a preset at import: schedules that can be used and do not contradict each other."""

from __future__ import annotations

from coder_admin.catalog.imports import ImportedPreset
from prebuilds.overlap import schedule_problems


def imported_schedule_problems(preset: ImportedPreset) -> tuple[str, ...]:
    """Why the preset's schedules cannot be used, as sentences."""
    pairs = tuple((schedule.cron, schedule.instances) for schedule in preset.schedules)
    return schedule_problems(preset.timezone, pairs)
