"""A template's rules about schedules, as the pure modules take them, and the refusals they lead to."""

from __future__ import annotations

from datetime import datetime

from coder_admin.catalog.models import Template
from coder_admin.foundation.errors import Invalid, Validation

from .automation import TemplatePolicy, scheduled_start
from .autostart import ScheduleError, parse_weekly
from .deadlines import AutostopPolicy

MINIMUM_TTL_MS = 60_000
MAXIMUM_TTL_MS = 30 * 24 * 3_600_000


def automation_policy(template: Template) -> TemplatePolicy:
    return TemplatePolicy(
        allow_user_autostart=template.allow_user_autostart,
        autostart_days=template.autostart_days_of_week,
        failure_ttl_ms=template.failure_ttl_ms,
        time_til_dormant_ms=template.time_til_dormant_ms,
    )


def autostop_policy(template: Template) -> AutostopPolicy:
    return AutostopPolicy(
        allow_user_autostop=template.allow_user_autostop,
        default_ttl_ms=template.default_ttl_ms,
        max_ttl_ms=template.max_ttl_ms,
        activity_bump_ms=template.activity_bump_ms,
    )


def upcoming_start(template: Template, schedule: str, after: datetime) -> datetime | None:
    """When a workspace of the template with this schedule starts next, or None."""
    return scheduled_start(automation_policy(template), schedule, after)


def check_schedule(template: Template, schedule: str, field: str = "schedule") -> None:
    """Raise Invalid unless a workspace of the template may have the schedule; "" is always fine."""
    if not schedule:
        return
    if not template.allow_user_autostart:
        raise Invalid(
            "Autostart is not allowed for workspaces using this template.",
            validations=[Validation(field, "Leave it out: the template's settings forbid autostart.")],
        )
    try:
        parse_weekly(schedule)
    except ScheduleError as error:
        raise Invalid("Invalid autostart schedule.", validations=[Validation(field, str(error))]) from None


def check_ttl(template: Template, ttl_ms: int | None, field: str = "ttl_ms") -> None:
    """Raise Invalid unless a workspace of the template may have the time to live; None is always fine."""
    if ttl_ms is None:
        return
    if not template.allow_user_autostop:
        raise Invalid(
            "Custom autostop TTL is not allowed for workspaces using this template.",
            validations=[Validation(field, "Leave it out: the template's default holds.")],
        )
    if not MINIMUM_TTL_MS <= ttl_ms <= MAXIMUM_TTL_MS:
        wrong = (
            "Time until shutdown must be at least one minute."
            if ttl_ms < MINIMUM_TTL_MS
            else "Time until shutdown must be at most 30 days."
        )
        raise Invalid("Invalid time until shutdown.", validations=[Validation(field, wrong)])
