"""What a template's import asks of the pools: whether a preset's schedules can be used (section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable

from coder_admin.catalog.imports import ImportedPreset
from prebuilds.schedule import schedule_problems


def preset_schedule_validator(preset: ImportedPreset) -> Iterable[str]:
    """One sentence for each thing that is wrong; overlaps name both expressions and a colliding hour."""
    if preset.instances is None:
        return ()
    schedules = tuple((schedule.cron, schedule.instances) for schedule in preset.schedules)
    return schedule_problems(preset.timezone, schedules)
