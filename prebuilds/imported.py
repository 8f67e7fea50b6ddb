"""What pools demand of a preset at import: schedules that can be used and do not contradict each other."""

from __future__ import annotations

from coder_admin.catalog.imports import ImportedPreset
from prebuilds.schedule import schedule_problems


def imported_schedule_problems(preset: ImportedPreset) -> tuple[str, ...]:
    """Why the preset's schedules cannot be used, as sentences. A negative size passes, as in Coder's
    provider; the pool then keeps its base size and says so."""
    pairs = tuple((schedule.cron, max(schedule.instances, 0)) for schedule in preset.schedules)
    return schedule_problems(preset.timezone, pairs)
