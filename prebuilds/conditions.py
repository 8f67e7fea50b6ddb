"""The stored condition of a preset: hard limited, validation failed, healthy again (reference 3.6, 8.1)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from coder_admin.catalog.models import TemplateVersionPreset
from coder_admin.foundation import events
from prebuilds import notices
from prebuilds.leader import Lead
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.snapshot import PrebuildStatus, Preset

log = structlog.get_logger("coderd.prebuilds")

ERROR_KEPT = 2_000  # characters of a refusal


def mark_hard_limited(*, lead: Lead, preset: Preset, now: datetime) -> bool:
    """Store the status and tell people, once per incident: whoever changes the row tells."""
    with transaction.atomic():
        lead.confirm()
        if not _change(preset, PrebuildStatus.HARD_LIMITED):
            return False
        _begin_incident(preset, now)
    log.warning("preset reached the failure limit", **names(preset))
    return True


def follow_incident(*, lead: Lead, preset: Preset, limited: bool, now: datetime) -> None:
    """A preset whose stored status is `hard_limited` left the limit by itself, or reached it once more.

    The status stays as it is until a reset (reference 3.6); the rows that are written here tell one incident
    from the next.
    """
    with transaction.atomic():
        lead.confirm()
        kinds = (PrebuildEventKind.HARD_LIMITED, PrebuildEventKind.RECOVERED)
        told = PrebuildEvent.objects.filter(preset=UUID(preset.id), kind__in=kinds)
        last = told.order_by("-created_at").first()
        over = last is None or last.kind == PrebuildEventKind.RECOVERED
        if limited and over:
            _begin_incident(preset, now)
        elif not limited and not over:
            _record(PrebuildEventKind.RECOVERED, preset, now)
            log.info("preset left the failure limit", **names(preset))


def _begin_incident(preset: Preset, now: datetime) -> None:
    """Note that the limit is reached and tell people; a burst of it reaches them as one message."""
    _record(PrebuildEventKind.HARD_LIMITED, preset, now)
    # Nobody is to mend a version that no pool uses any more.
    if preset.is_active:
        notices.failure_limit_reached(preset, now)


def _record(kind: PrebuildEventKind, preset: Preset, now: datetime, **details: str) -> None:
    PrebuildEvent.objects.create(
        created_at=now,
        kind=kind,
        organization_id=preset.organization_id,
        template_id=preset.template_id,
        preset_id=preset.id,
        preset_name=preset.name,
        details=details,
    )


def mark_validation_failed(*, lead: Lead, preset: Preset, error: str, now: datetime) -> None:
    """Store that build requests of this preset are refused as invalid, until a new version or a reset, and
    why."""
    with transaction.atomic():
        lead.confirm()
        if _change(preset, PrebuildStatus.VALIDATION_FAILED):
            _record(PrebuildEventKind.REFUSED, preset, now, error=error[:ERROR_KEPT])
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
