"""What people change about pools: pause, invalidation, reset, one prebuild more. All audited."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from coder_admin.audit.services import record
from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.foundation import events
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from coder_admin.foundation.models import SiteConfig
from coder_admin.workspaces.models import WorkspaceBuild
from prebuilds import settings
from prebuilds.models import PrebuildEvent, PrebuildEventKind
from prebuilds.provision import Superseded, create_prebuild
from prebuilds.snapshot import PrebuildStatus
from prebuilds.wake import wake
from rbac import Action, RbacObject, ResourceType, Subject, SystemSubject, acting_as
from rbac.django import may


@dataclass(frozen=True, slots=True)
class Invalidated:
    """A preset whose prebuilds count as expired now."""

    template_name: str
    template_version_name: str
    preset_name: str


def may_pause(actor: Subject) -> bool:
    """Whether `actor` may pause and resume all pools."""
    return may(actor, Action.UPDATE, RbacObject(ResourceType.DEPLOYMENT_CONFIG))


@transaction.atomic
def settings_update(*, actor: Subject, reconciliation_paused: bool) -> bool:
    """Pause or resume all pools; returns whether the stored text changed (an unchanged one is not audited).

    Raises Forbidden without the right to update the deployment's configuration.
    """
    if not may_pause(actor):
        raise Forbidden(
            "You may not change the settings of prebuilds.",
            detail="It needs the right to update the deployment's configuration, as owners have.",
        )
    before, after = settings.stored_text(), settings.render(reconciliation_paused)
    if before == after:
        return False
    SiteConfig.objects.update_or_create(key=settings.KEY, defaults={"value": after})
    record(
        actor=actor,
        action="write",
        resource_type="prebuilds_settings",
        resource_id=uuid.uuid4(),
        resource_target="prebuilds_settings",
        diff={
            "reconciliation_paused": {
                "old": settings.parse(before),
                "new": reconciliation_paused,
                "secret": False,
            }
        },
    )
    wake()
    return True


@transaction.atomic
def template_invalidate(
    *, actor: Subject, template: Template, now: datetime | None = None
) -> list[Invalidated]:
    """Let all prebuilds of the active version's presets count as expired; the loop replaces them.

    Raises NotFound without the right to update the template.
    """
    _require_update(actor, template)
    presets = list(
        TemplateVersionPreset.objects.filter(template_version=template.active_version_id).order_by("name")
    )
    return _invalidate(actor, template, presets, now or timezone.now())


@transaction.atomic
def preset_invalidate(
    *, actor: Subject, preset: TemplateVersionPreset, now: datetime | None = None
) -> list[Invalidated]:
    """The same for one preset. Raises NotFound without the right to update its template."""
    template = _template_of(preset)
    _require_update(actor, template)
    return _invalidate(actor, template, [preset], now or timezone.now())


@transaction.atomic
def preset_reset(*, actor: Subject, preset: TemplateVersionPreset, now: datetime | None = None) -> None:
    """Let a preset that was stopped try again: its status is healthy and earlier failures are forgiven.

    Raises NotFound without the right to update its template, Invalid for a preset without prebuilds.
    """
    template = _template_of(preset)
    _require_update(actor, template)
    _require_prebuilds(preset, "nothing to reset")
    before = preset.prebuild_status
    TemplateVersionPreset.objects.filter(id=preset.id).update(prebuild_status=PrebuildStatus.HEALTHY)
    _record(PrebuildEventKind.RESET, actor, template, preset, created_at=now or timezone.now())
    change = {"old": str(before), "new": PrebuildStatus.HEALTHY.value, "secret": False}
    _audit(actor, preset, template, {"prebuild_status": change}, what="reset prebuilds")
    _changed(template)


@transaction.atomic
def preset_build_one(*, actor: Subject, preset: TemplateVersionPreset) -> WorkspaceBuild:
    """Begin one prebuild now, whatever backoff, limit or pause say: to see whether the cause is gone.

    When it succeeds, the hard limit is lifted; what the pool has too many is deleted by the loop. Raises
    NotFound without the right to update the template, Invalid for a preset without prebuilds, Conflict for
    one that keeps no pool now, and the builder's own refusals.
    """
    template = _template_of(preset)
    _require_update(actor, template)
    _require_prebuilds(preset, "nothing to build")
    reason = f"{actor.username} asked for one prebuild of {template.name} / {preset.name}"
    with acting_as(SystemSubject.PREBUILDS_ORCHESTRATOR, reason=reason) as orchestrator:
        try:
            build = create_prebuild(actor=orchestrator, lead=None, preset_id=preset.id)
        except Superseded as error:
            raise Conflict(
                f"Preset {preset.name} keeps no pool now.",
                detail="Its version must be the active one of a template that is not deprecated.",
            ) from error
    # Until it ended it counts as no attempt of the pool's, and so lifts no limit.
    _record(PrebuildEventKind.TRIAL, actor, template, preset, workspace_id=build.workspace_id)
    extra = {"workspace_id": str(build.workspace_id), "workspace_name": build.workspace.name}
    _audit(actor, preset, template, {}, what="build one prebuild", extra=extra)
    _changed(template)
    return build


def _record(
    kind: PrebuildEventKind, actor: Subject, template: Template, preset: TemplateVersionPreset, **more: Any
) -> None:
    PrebuildEvent.objects.create(
        kind=kind,
        organization_id=template.organization_id,
        template=template,
        preset=preset,
        preset_name=preset.name,
        details={"by": actor.username},
        **more,
    )


def _require_prebuilds(preset: TemplateVersionPreset, consequence: str) -> None:
    if preset.desired_instances is None:
        raise Invalid(
            f"Preset {preset.name} has no prebuilds, so there is {consequence}.",
            detail="Choose a preset whose template declares a prebuilds block.",
        )


def _template_of(preset: TemplateVersionPreset) -> Template:
    template = preset.template_version.template
    if template is None:
        raise NotFound
    return template


def _require_update(actor: Subject, template: Template) -> None:
    """Who may not update a template learns nothing of it here, as the reference has it (section 9)."""
    if template.deleted or not may(actor, Action.UPDATE, template):
        raise NotFound


def _invalidate(
    actor: Subject, template: Template, presets: Sequence[TemplateVersionPreset], now: datetime
) -> list[Invalidated]:
    TemplateVersionPreset.objects.filter(id__in=[preset.id for preset in presets]).update(
        last_invalidated_at=now
    )
    for preset in presets:
        old = preset.last_invalidated_at.isoformat() if preset.last_invalidated_at else None
        change = {"old": old, "new": now.isoformat(), "secret": False}
        _audit(actor, preset, template, {"last_invalidated_at": change}, what="invalidate prebuilds")
    _changed(template)
    return [Invalidated(template.name, preset.template_version.name, preset.name) for preset in presets]


def _audit(
    actor: Subject,
    preset: TemplateVersionPreset,
    template: Template,
    diff: dict[str, Any],
    *,
    what: str,
    extra: dict[str, str] | None = None,
) -> None:
    record(
        actor=actor,
        action="write",
        resource_type="template_version",
        resource_id=preset.template_version_id,
        resource_target=f"{template.name} / {preset.name}",
        organization_id=template.organization_id,
        diff=diff,
        additional_fields={
            "operation": what,
            "preset_id": str(preset.id),
            "preset_name": preset.name,
            **(extra or {}),
        },
    )


def _changed(template: Template) -> None:
    """Tell the pages; the loop hears of it by the same announcement."""
    events.publish(f"pools:{template.organization_id}", {"template_id": str(template.id)})
    wake(template_id=template.id)
