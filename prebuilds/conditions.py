"""The stored condition of a preset: hard limited, validation failed, healthy again (reference 3.6, 8.1)."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.foundation import events
from prebuilds import notices
from prebuilds.leader import Lead
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.snapshot import PrebuildStatus, Preset

log = structlog.get_logger("coderd.prebuilds")

# Everybody who debugs a template breaks it a few times: one message per template and window.
ADMIN_WINDOW = timedelta(days=7)
AUTHOR_WINDOW = timedelta(days=1)


def mark_hard_limited(*, lead: Lead, preset: Preset, now: datetime) -> bool:
    """Store the status and tell people, once per incident: whoever changes the row tells."""
    with transaction.atomic():
        lead.confirm()
        if not _change(preset, PrebuildStatus.HARD_LIMITED):
            return False
        told = PrebuildEvent.objects.filter(
            kind=PrebuildEventKind.HARD_LIMITED, template_id=preset.template_id
        )
        last = told.order_by("-created_at").values_list("created_at", "details")
        admins = not any(details.get("admins") for at, details in last if at > now - ADMIN_WINDOW)
        author = not any(details.get("author") for at, details in last if at > now - AUTHOR_WINDOW)
        PrebuildEvent.objects.create(
            created_at=now,
            kind=PrebuildEventKind.HARD_LIMITED,
            organization_id=preset.organization_id,
            template_id=preset.template_id,
            preset_id=preset.id,
            preset_name=preset.name,
            details={"admins": admins, "author": author},
        )
        notices.failure_limit_reached(preset, to_admins=admins, to_author=author)
    log.warning("preset reached the failure limit", **names(preset))
    return True


def mark_validation_failed(*, lead: Lead, preset: Preset, error: str) -> None:
    """Store that build requests of this preset are refused as invalid, until a new version or a reset."""
    with transaction.atomic():
        lead.confirm()
        _change(preset, PrebuildStatus.VALIDATION_FAILED)
    log.warning("preset cannot be built", error=error, **names(preset))


def _change(preset: Preset, status: PrebuildStatus) -> bool:
    changed = (
        TemplateVersionPreset.objects.filter(id=preset.id)
        .exclude(prebuild_status=status)
        .update(prebuild_status=status)
    )
    if changed:
        events.publish(f"pools:{preset.organization_id}", {"template_id": preset.template_id})
    return bool(changed)


def names(preset: Preset) -> dict[str, str]:
    """Who a log line is about."""
    return {
        "template_id": preset.template_id,
        "template_name": preset.template_name,
        "template_version_id": preset.template_version_id,
        "template_version_name": preset.template_version_name,
        "preset_id": preset.id,
        "preset_name": preset.name,
    }
