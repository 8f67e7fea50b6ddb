"""The settings of a template that people may change (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coder_admin.foundation.errors import Validation

MINIMUM_TTL_MS: Final = 60_000
_DURATIONS: Final = (
    "default_ttl_ms",
    "max_ttl_ms",
    "activity_bump_ms",
    "failure_ttl_ms",
    "time_til_dormant_ms",
    "time_til_dormant_autodelete_ms",
)
_FLAGS: Final = (
    "allow_user_autostart",
    "allow_user_autostop",
    "allow_user_cancel_workspace_jobs",
    "require_active_version",
    "use_classic_parameter_flow",
)
_TEXTS: Final = {"display_name": 64, "description": 128, "icon": 256, "deprecation_message": 65_536}
SETTINGS: Final = frozenset({*_DURATIONS, *_FLAGS, *_TEXTS, "autostart_days_of_week"})
_MAXIMUM_MS: Final = 100 * 365 * 86_400_000  # a century: what is added to a date stays in the calendar


def setting_problems(settings: Mapping[str, Any]) -> list[Validation]:
    """What is wrong with the given settings, one entry for each field."""
    problems = []
    for field in _DURATIONS:
        value = settings.get(field, 0)
        if not _is_whole(value) or not 0 <= value <= _MAXIMUM_MS:
            problems.append(Validation(field, f"Must be a number of milliseconds from 0 to {_MAXIMUM_MS}."))
        elif 0 < value < MINIMUM_TTL_MS and field != "activity_bump_ms":
            problems.append(Validation(field, "Value must be at least one minute (60000), or 0."))
    default, longest = settings.get("default_ttl_ms", 0), settings.get("max_ttl_ms", 0)
    if _is_whole(default) and _is_whole(longest) and 0 < longest < default:
        problems.append(
            Validation("default_ttl_ms", f"Must not be above max_ttl_ms, the longest life ({longest}).")
        )
    for field in _FLAGS:
        if not isinstance(settings.get(field, False), bool):
            problems.append(Validation(field, "Must be true or false."))
    for field, limit in _TEXTS.items():
        value = settings.get(field, "")
        if not isinstance(value, str) or len(value) > limit:
            problems.append(Validation(field, f"Must be a text of at most {limit} characters."))
    days = settings.get("autostart_days_of_week", 0)
    if not _is_whole(days) or not 0 <= days <= 0b1111111:
        problems.append(Validation("autostart_requirement", "Must be a list of weekdays."))
    return problems


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
