"""The pools of a page, with a schedule whose next change lies far ahead, against pools without one."""

from __future__ import annotations

from functools import partial

from .figure import Figure
from .reconcile import PRESETS, best, database, make_pools

TEMPLATES, PREBUILDS = 167, 500
GOAL_RATIO = 2.0
SCHEDULES = {"a schedule for a 29th of February": "* 9 29 2 *", "one that always holds": "* * * * *"}


def measure() -> list[Figure]:
    """Milliseconds to list all pools for an owner; each with one schedule, and bare."""
    with database():
        from coder_admin.catalog.models import TemplateVersionPreset
        from coder_admin.catalog.models import TemplateVersionPresetPrebuildSchedule as Row
        from prebuilds.selectors import pools
        from tests.people import owner, subject

        presets = [row[2] for row in make_pools(PREBUILDS, templates=TEMPLATES)]
        listing = partial(pools, subject(owner("reader")))
        bare = best(listing) * 1e3
        TemplateVersionPreset.objects.update(scheduling_timezone="Europe/Berlin")
        figures = []
        for name, cron in SCHEDULES.items():
            Row.objects.all().delete()
            Row.objects.bulk_create(
                Row(preset_id=preset, cron_expression=cron, desired_instances=1) for preset in presets
            )
            title = f"{TEMPLATES * PRESETS} pools, {name}"
            figures.append(Figure(title, best(listing) * 1e3, bare * GOAL_RATIO, "ms"))
    return figures
