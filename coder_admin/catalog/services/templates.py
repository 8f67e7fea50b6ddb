"""Templates: creation, settings, deprecation and deletion (rbac-and-organizations.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from coder_admin.audit.services import record
from coder_admin.foundation import events
from coder_admin.foundation.errors import Conflict, Invalid, NotFound, Validation
from coder_admin.organizations.models import Organization
from coder_admin.provisioning.choices import JobStatus
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from .. import notices
from ..auditing import TEMPLATE_FIELDS, VERSION_FIELDS
from ..guards import blocking_workspaces, policy_changed
from ..models import TEMPLATE_ACL, Template, TemplateVersion
from ..names import display_name_problem, template_name_problem
from ..template_settings import SETTINGS, setting_problems


@transaction.atomic
def template_create(
    *,
    actor: Subject,
    organization: Organization,
    name: str,
    version: TemplateVersion,
    disable_everyone_group_access: bool = False,
    **settings: Any,
) -> Template:
    """A template whose active version is ``version``; everyone in the organization may use it unless told
    otherwise. ``settings`` are those of `template_settings.SETTINGS`.

    Raises Forbidden, NotFound, Invalid (names, settings, version archived, failed or in use), Conflict.
    """
    if organization.deleted:
        raise NotFound
    require(actor, Action.CREATE, RbacObject(ResourceType.TEMPLATE, org=str(organization.id)))
    _check_first_version(organization, version)
    _check_names(name, settings)
    template = Template(
        organization=organization, name=name, created_by_id=UUID(actor.id), active_version=version, **settings
    )
    _save(template, force_insert=True)
    before = VERSION_FIELDS.snapshot(version)
    version.template = template
    version.save(update_fields=["template", "updated_at"])
    if not disable_everyone_group_access:
        TEMPLATE_ACL.set_group(template, organization.id, "use_template")
    _audit(actor, "create", template, None)
    record(
        actor=actor,
        action="write",
        resource_type="template_version",
        resource_id=version.id,
        resource_target=version.name,
        organization_id=organization.id,
        diff=VERSION_FIELDS.changes(before, VERSION_FIELDS.snapshot(version)),
    )
    events.publish(f"template:{template.id}", {"kind": "created"})
    events.publish("prebuilds:wake", {"template_id": str(template.id)})
    return template


def _check_first_version(organization: Organization, version: TemplateVersion) -> None:
    field = "template_version_id"
    if version.organization_id != organization.id:
        detail = "Import the version in the same organization."
        raise NotFound(
            "Template version not found in this organization.", validations=[Validation(field, detail)]
        )
    if version.archived:
        raise Invalid(
            "The template version is archived.",
            validations=[Validation(field, "Unarchive it, or import another.")],
        )
    if version.template_id is not None:
        raise Invalid(
            "The template version is already part of a template.",
            validations=[Validation(field, "Import the files as a new version.")],
        )
    if version.job.job_status in (JobStatus.FAILED, JobStatus.CANCELED):
        raise Invalid(
            "The template version's import did not succeed.",
            detail=version.job.error,
            validations=[
                Validation(field, f"The import is {version.job.job_status}: import the files again.")
            ],
        )


def _check_names(name: str, settings: Mapping[str, Any]) -> None:
    problems = [template_name_problem(name), display_name_problem(settings.get("display_name", ""))]
    found = [problem for problem in problems if problem] + setting_problems(settings)
    if found:
        raise Invalid("The template's settings cannot be used.", validations=found)


def _save(template: Template, *, force_insert: bool = False, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            if force_insert:
                template.save(force_insert=True)
            else:
                template.save(update_fields=fields)
    except IntegrityError:
        raise Conflict(
            f'A template named "{template.name}" already exists in the organization.',
            validations=[Validation("name", "This value is already in use and should be unique.")],
        ) from None


@transaction.atomic
def template_update(
    *,
    actor: Subject,
    template: Template,
    name: str | None = None,
    disable_everyone_group_access: bool = False,
    **settings: Any,
) -> tuple[Template, bool]:
    """Change a template's name or settings; the flag says whether anything changed."""
    require(actor, Action.UPDATE, template)
    locked = Template.objects.select_for_update().get(pk=template.pk)
    before = TEMPLATE_FIELDS.snapshot(locked)
    unknown = sorted(set(settings) - SETTINGS)
    if unknown:
        raise Invalid(f'"{unknown[0]}" is not a setting of a template.')
    for field, value in settings.items():
        setattr(locked, field, value)
    if name:
        locked.name = name
    _check_names(locked.name, {field: getattr(locked, field) for field in SETTINGS})
    closes = disable_everyone_group_access and str(locked.organization_id) in TEMPLATE_ACL.of(locked).groups
    changes = TEMPLATE_FIELDS.changes(before, TEMPLATE_FIELDS.snapshot(locked))
    if not changes and not closes:
        return locked, False
    if changes:
        _save(locked, fields=["name", *SETTINGS, "updated_at"])
        policy_changed(locked.id, frozenset(changes))
    if closes:
        TEMPLATE_ACL.set_group(locked, locked.organization_id, None)
        changes["everyone_group_access"] = {"old": True, "new": False, "secret": False}
    _audit(actor, "write", locked, before, extra=changes)
    if "deprecation_message" in changes and locked.deprecation_message:
        notices.template_deprecated(locked)
    events.publish(f"template:{locked.id}", {"kind": "updated"})
    return locked, True


def template_deprecate(*, actor: Subject, template: Template, message: str) -> tuple[Template, bool]:
    """Close a template to new workspaces, with the reason that people see; "" opens it again."""
    return template_update(actor=actor, template=template, deprecation_message=message)


@transaction.atomic
def template_delete(*, actor: Subject, template: Template) -> None:
    """Mark a template deleted; its name is free at once and the reconciler removes its prebuilds.

    Raises Invalid while workspaces of people exist.
    """
    require(actor, Action.DELETE, template)
    locked = Template.objects.select_for_update().get(pk=template.pk)
    if locked.deleted:
        raise NotFound
    if blocking_workspaces(locked.id):
        raise Invalid(
            "All workspaces must be deleted before a template can be removed.",
            detail="Delete all workspaces before deleting a template.",
        )
    before = TEMPLATE_FIELDS.snapshot(locked)
    locked.deleted = True
    locked.save(update_fields=["deleted", "updated_at"])
    _audit(actor, "delete", locked, before)
    notices.template_deleted(locked, actor)
    events.publish(f"template:{locked.id}", {"kind": "deleted"})
    events.publish("prebuilds:wake", {"template_id": str(locked.id)})


def template_hold(template: Template) -> None:
    """Read again what may have changed since ``template`` was read: whether it is deleted or deprecated, and
    its active version; none of it changes until the end of the transaction that this runs in.

    Whoever changes one of them locks the row for themselves; this lock is shared, so that any number of
    people create workspaces of one template at once.
    """
    lock = " FOR KEY SHARE" if connection.features.has_select_for_update else ""
    rows = Template.objects.raw(
        "SELECT id, deleted, deprecation_message, active_version_id "  # noqa: S608 - no value of anybody's
        f"FROM {Template._meta.db_table} WHERE id = %s{lock}",
        [Template._meta.pk.get_db_prep_value(template.pk, connection)],
    )
    for row in rows:
        template.deleted = row.deleted
        template.deprecation_message = row.deprecation_message
        template.active_version_id = row.active_version_id


def _audit(
    actor: Subject,
    action: str,
    template: Template,
    before: dict[str, Any] | None,
    extra: dict[str, Any] | None = None,
) -> None:
    record(
        actor=actor,
        action=action,
        resource_type="template",
        resource_id=template.id,
        resource_target=template.name,
        organization_id=template.organization_id,
        resource_icon=template.icon,
        diff={**TEMPLATE_FIELDS.changes(before, TEMPLATE_FIELDS.snapshot(template)), **(extra or {})},
    )
