"""Writes of workspaces: create (or claim), start, stop, delete, update, rename, cancel.

Each function is one transaction and one audited fact; what happens to the machine itself is the build's.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils import timezone

from coder_admin.audit.services import record
from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Validation,
)
from coder_admin.organizations.models import PREBUILDS_USER_ID, Organization, OrganizationMember, User
from coder_admin.provisioning.choices import JobStatus
from coder_admin.provisioning.services import job_cancel
from rbac.django import may, require
from rbac.model import Action, RbacObject, ResourceType, Subject

from . import claims
from .builder import announce_workspace, build
from .choices import AutomaticUpdates, BuildReason, PrebuildStage, Transition
from .models import Workspace, WorkspaceBuild
from .names import checked_name, name_taken
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
    checked_name(name)
    chosen = _chosen_version(source, version)
    try:
        with transaction.atomic():
            if Workspace.objects.live().filter(owner=owner, name__iexact=name).exists():
                raise name_taken(name)
            new = _New(
                actor=actor,
                owner=owner,
                template=source,
                version=chosen,
                preset=_chosen_preset(chosen, preset_id, parameters),
                name=name,
                settings=settings or WorkspaceSettings(),
            )
            return _claim_or_create(new, parameters)
    except IntegrityError as error:
        if "name" in str(error):
            raise name_taken(name) from error
        raise


def _template_of(template: Template | None, version: TemplateVersion | None) -> Template:
    found = template or (version.template if version is not None else None)
    if found is None or found.deleted:
        raise Invalid(
            "Name the template to create the workspace from.",
            validations=[Validation("template_id", "Give the id of a template, or of one of its versions.")],
        )
    return found


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
    if template.deprecated:
        raise Invalid(
            f"Template {template.name} is deprecated: no new workspaces.", detail=template.deprecation_message
        )


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


def _chosen_preset(
    version: TemplateVersion, preset_id: uuid.UUID | None, parameters: Mapping[str, str]
) -> TemplateVersionPreset | None:
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
    workspace = _claim(new)
    stage = PrebuildStage.CLAIM if workspace is not None else PrebuildStage.NONE
    if workspace is None:
        now = timezone.now()
        workspace = Workspace.objects.create(
            created_at=now,
            updated_at=now,
            last_used_at=now,
            owner=new.owner,
            organization_id=new.template.organization_id,
            template=new.template,
            name=new.name,
            autostart_schedule=new.settings.autostart_schedule,
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


def _claim(new: _New) -> Workspace | None:
    if new.preset is None:
        return None
    return claims.claim(
        claims.ClaimRequest(
            preset_id=new.preset.id,
            template_id=new.template.id,
            version_id=new.version.id,
            organization_id=new.template.organization_id,
            owner_id=new.owner.id,
            name=new.name,
            autostart_schedule=new.settings.autostart_schedule,
            next_start_at=None,
            ttl_ms=new.ttl_ms,
            automatic_updates=new.settings.automatic_updates,
            now=timezone.now(),
        )
    )


@transaction.atomic
def workspace_start(
    *,
    actor: Subject,
    workspace: Workspace,
    version: TemplateVersion | None = None,
    preset: TemplateVersionPreset | None = None,
    parameters: Mapping[str, str] | None = None,
    reason: str = BuildReason.INITIATOR,
) -> WorkspaceBuild:
    """Start it, by default on the version of its last build; `automatic_updates` takes the active one."""
    if version is None and workspace.automatic_updates == AutomaticUpdates.ALWAYS:
        version = workspace.template.active_version
    return build(
        actor=actor,
        workspace=workspace,
        transition=Transition.START,
        version=version,
        preset=preset,
        parameters=parameters,
        reason=reason,
    )


@transaction.atomic
def workspace_update(
    *, actor: Subject, workspace: Workspace, parameters: Mapping[str, str] | None = None
) -> WorkspaceBuild:
    """Start it on the template's active version."""
    version = workspace.template.active_version
    if version is None:
        raise Invalid(f"Template {workspace.template.name} has no active version.")
    return build(
        actor=actor, workspace=workspace, transition=Transition.START, version=version, parameters=parameters
    )


@transaction.atomic
def workspace_stop(
    *, actor: Subject, workspace: Workspace, reason: str = BuildReason.INITIATOR
) -> WorkspaceBuild:
    """Stop it: what the template makes for a stopped workspace stays."""
    return build(actor=actor, workspace=workspace, transition=Transition.STOP, reason=reason)


@transaction.atomic
def workspace_delete(
    *,
    actor: Subject,
    workspace: Workspace,
    orphan: bool = False,
    stage: str = PrebuildStage.NONE,
    reason: str = BuildReason.INITIATOR,
) -> WorkspaceBuild:
    """Delete it with all its resources; `orphan` forgets the resources instead."""
    return build(
        actor=actor,
        workspace=workspace,
        transition=Transition.DELETE,
        orphan=orphan,
        stage=stage,
        reason=reason,
    )


def workspace_rename(*, actor: Subject, workspace: Workspace, name: str) -> Workspace:
    """Give it another name. A prebuild keeps its own: the claim names it."""
    require(actor, Action.UPDATE, workspace)
    if workspace.owner_id == PREBUILDS_USER_ID:
        raise Conflict(
            "A prebuilt workspace cannot be renamed.", detail="It gets its name when it is claimed."
        )
    checked_name(name)
    old = workspace.name
    try:
        with transaction.atomic():
            Workspace.objects.filter(pk=workspace.pk).update(name=name, updated_at=timezone.now())
            workspace.name = name
            record(
                actor=actor,
                action="write",
                resource_type="workspace",
                resource_id=workspace.id,
                resource_target=name,
                organization_id=workspace.organization_id,
                diff={"name": {"old": old, "new": name, "secret": False}},
            )
            announce_workspace(workspace, "renamed")
    except IntegrityError as error:
        raise name_taken(name) from error
    return workspace


def build_cancel(*, actor: Subject, build_: WorkspaceBuild, expect_status: str = "") -> None:
    """Ask the build's job to end (reference 4.1, "Cancel"): a pending one ends at once."""
    if expect_status not in ("", "pending", "running"):
        raise Invalid(
            f'"{expect_status}" cannot be expected.',
            validations=[Validation("expect_status", "Use pending or running.")],
        )
    workspace = build_.workspace
    require(actor, Action.READ, workspace)
    require(actor, Action.UPDATE, workspace, message="You may not cancel builds of this workspace.")
    free = workspace.template.allow_user_cancel_workspace_jobs or actor.has_role("owner") or actor.is_system
    if not free and expect_status != "pending":
        raise Forbidden(
            "This template does not let people cancel builds.",
            detail="A build that is still pending may be canceled with expect_status=pending.",
        )
    with transaction.atomic():
        status = WorkspaceBuild.objects.values_list("job__job_status", flat=True).get(pk=build_.pk)
        if expect_status and status != expect_status:
            raise PreconditionFailed(f"The build is {status}, not {expect_status}.")
        if status in (JobStatus.CANCELING, JobStatus.CANCELED):
            raise Invalid("The build was canceled already.")
        if status not in (JobStatus.PENDING, JobStatus.RUNNING):
            raise Invalid("The build has ended already.", detail=f"Its state is {status}.")
        job_cancel(actor=actor, job_id=build_.job_id, expect_status=expect_status)
        record(
            actor=actor,
            action="write",
            resource_type="workspace_build",
            resource_id=build_.id,
            resource_target=workspace.name,
            organization_id=workspace.organization_id,
            additional_fields={"canceled": True, "build_number": str(build_.build_number)},
        )
        announce_workspace(workspace, "build")
