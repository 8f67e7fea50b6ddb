"""Creating a workspace: from a template or version, with a claim from the pool where one is eligible."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.audit.services import record
from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.catalog.services.templates import template_hold
from coder_admin.foundation.errors import Forbidden, Invalid, NotFound, Validation
from coder_admin.organizations.models import Organization, OrganizationMember, User
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject

from . import claims, messages, quota
from .builder import build
from .choices import AutomaticUpdates, PrebuildStage, Transition
from .models import Workspace
from .names import checked_name, name_taken
from .policies import check_schedule, check_ttl, upcoming_start
from .preset_match import PresetValues, matching_preset


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """What a person may choose beside parameters. `ttl_ms` None means the template's default."""

    autostart_schedule: str = ""
    ttl_ms: int | None = None
    automatic_updates: str = AutomaticUpdates.NEVER


@dataclass(frozen=True, slots=True)
class _New:
    actor: Subject
    owner: User
    template: Template
    version: TemplateVersion
    preset: TemplateVersionPreset | None
    name: str
    settings: WorkspaceSettings = field(default_factory=WorkspaceSettings)

    @property
    def next_start_at(self) -> datetime | None:
        return upcoming_start(self.template, self.settings.autostart_schedule, timezone.now())

    @property
    def ttl_ms(self) -> int | None:
        wanted = self.settings.ttl_ms
        return wanted if wanted is not None else (self.template.default_ttl_ms or None)


def workspace_create(
    *,
    actor: Subject,
    owner: User,
    organization: Organization,
    name: str,
    template: Template | None = None,
    version: TemplateVersion | None = None,
    parameters: Mapping[str, str] | None = None,
    preset_id: uuid.UUID | None = None,
    settings: WorkspaceSettings | None = None,
) -> Workspace:
    """Create a workspace from a template (its active version) or from a version, and begin its first build.

    If the request means a preset with a pool, a prebuilt workspace is claimed where one is eligible; the
    answer has the same shape either way. All in one transaction: a refusal leaves no workspace behind.
    """
    parameters = dict(parameters or {})
    source = _template_of(template, version)
    _check_may_create(actor, source, owner, organization)
    _check_open(source)
    checked_name(name)
    settings = settings or WorkspaceSettings()
    check_schedule(source, settings.autostart_schedule, "autostart_schedule")
    check_ttl(source, settings.ttl_ms)
    try:
        with transaction.atomic():
            template_hold(source)
            _check_open(source)
            chosen = _chosen_version(source, version)
            if Workspace.objects.live().filter(owner=owner, name__iexact=name).exists():
                raise name_taken(name)
            new = _New(
                actor=actor,
                owner=owner,
                template=source,
                version=chosen,
                preset=chosen_preset(chosen, preset_id, parameters),
                name=name,
                settings=settings,
            )
            return _claim_or_create(new, parameters)
    except IntegrityError as error:
        if "name" in str(error):
            raise name_taken(name) from error
        raise


def _template_of(template: Template | None, version: TemplateVersion | None) -> Template:
    found = template or (version.template if version is not None else None)
    if found is None:
        raise Invalid(
            "Name the template to create the workspace from.",
            validations=[Validation("template_id", "Give the id of a template, or of one of its versions.")],
        )
    return found


def _check_open(template: Template) -> None:
    """Neither deleted nor deprecated."""
    if template.deleted:
        raise Invalid(
            f"Template {template.name} is deleted: no new workspaces.",
            validations=[Validation("template_id", "Choose a template that is not deleted.")],
        )
    if template.deprecated:
        raise Invalid(
            f"Template {template.name} is deprecated: no new workspaces.", detail=template.deprecation_message
        )


def _check_may_create(actor: Subject, template: Template, owner: User, organization: Organization) -> None:
    """Read and use the template, create in the new owner's name; the owner must be a member (3.3)."""
    require(actor, Action.READ, template)
    require(actor, Action.USE, template, message="You may not create workspaces from this template.")
    obj = RbacObject(ResourceType.WORKSPACE, org=str(organization.id), owner=str(owner.id))
    if not may(actor, Action.CREATE, obj):
        raise Forbidden("You may not create workspaces for this user in this organization.")
    if template.organization_id != organization.id:
        raise Invalid(
            "The template belongs to another organization.",
            validations=[Validation("template_id", f"Choose a template of {organization.name}.")],
        )
    if not OrganizationMember.objects.filter(
        organization=organization, user=owner, user__deleted=False
    ).exists():
        raise NotFound


def _chosen_version(template: Template, version: TemplateVersion | None) -> TemplateVersion:
    chosen = version or template.active_version
    if chosen is None:
        raise Invalid(f"Template {template.name} has no active version yet.")
    if chosen.template_id != template.id or chosen.archived:
        raise Invalid(
            "The template version cannot be used for this workspace.",
            validations=[
                Validation("template_version_id", "Choose a version of the template that is not archived.")
            ],
        )
    return chosen


def chosen_preset(
    version: TemplateVersion, preset_id: uuid.UUID | None, parameters: Mapping[str, str]
) -> TemplateVersionPreset | None:
    """The named preset of the version, or the one that the parameters mean. Raises Invalid."""
    presets = list(
        TemplateVersionPreset.objects.filter(template_version=version).prefetch_related("parameters")
    )
    wanted = preset_id
    if wanted is None:
        wanted = matching_preset(
            (
                PresetValues(
                    p.id,
                    p.name,
                    p.desired_instances is not None,
                    {v.name: v.value for v in p.parameters.all()},
                )
                for p in presets
            ),
            parameters,
        )
    found = next((preset for preset in presets if preset.id == wanted), None)
    if found is None and preset_id is not None:
        raise Invalid(
            "The preset does not belong to this template version.",
            validations=[
                Validation("template_version_preset_id", "Choose a preset of the version, or none.")
            ],
        )
    return found


def _claim_or_create(new: _New, parameters: Mapping[str, str]) -> Workspace:
    new_id = uuid.uuid4()
    workspace = _claim(new, new_id)
    if workspace is not None:
        quota.require_for_claim(workspace)
    stage = PrebuildStage.CLAIM if workspace is not None else PrebuildStage.NONE
    if workspace is None:
        now = timezone.now()
        workspace = Workspace.objects.create(
            id=new_id,
            created_at=now,
            updated_at=now,
            last_used_at=now,
            owner=new.owner,
            organization_id=new.template.organization_id,
            template=new.template,
            name=new.name,
            autostart_schedule=new.settings.autostart_schedule,
            next_start_at=new.next_start_at,
            ttl_ms=new.ttl_ms,
            automatic_updates=new.settings.automatic_updates,
        )
    build(
        actor=new.actor,
        workspace=workspace,
        transition=Transition.START,
        version=new.version,
        preset=new.preset,
        parameters=parameters,
        stage=stage,
    )
    messages.workspace_created(workspace, new.version.name)
    record(
        actor=new.actor,
        action="create",
        resource_type="workspace",
        resource_id=workspace.id,
        resource_target=workspace.name,
        organization_id=workspace.organization_id,
        additional_fields={"workspace_owner": new.owner.username, "template": new.template.name},
    )
    return workspace


def _claim(new: _New, otherwise_id: uuid.UUID) -> Workspace | None:
    # Only an active version keeps a pool: who asks for another version misses nothing.
    if new.preset is None or new.version.id != new.template.active_version_id:
        return None
    return claims.claim(
        claims.ClaimRequest(
            preset=new.preset,
            template_id=new.template.id,
            version_id=new.version.id,
            organization_id=new.template.organization_id,
            owner_id=new.owner.id,
            name=new.name,
            autostart_schedule=new.settings.autostart_schedule,
            next_start_at=new.next_start_at,
            ttl_ms=new.ttl_ms,
            automatic_updates=new.settings.automatic_updates,
            now=timezone.now(),
            otherwise_id=otherwise_id,
        )
    )
