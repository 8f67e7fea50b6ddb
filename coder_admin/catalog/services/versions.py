"""Template versions: upload and import, promotion, archiving."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import IntegrityError, transaction

from coder_admin.audit.services import record
from coder_admin.files.models import File
from coder_admin.foundation import events
from coder_admin.foundation.errors import Conflict, Forbidden, Invalid, NotFound, Validation
from coder_admin.organizations.models import Organization
from coder_admin.provisioning.choices import JobStatus, JobType
from coder_admin.provisioning.services import job_create
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from .. import notices
from ..auditing import TEMPLATE_FIELDS, VERSION_FIELDS
from ..imports import ImportResult
from ..models import Template, TemplateVersion
from ..names import random_version_name, version_name_problem
from ..results import store_result

MESSAGE_LIMIT = 1_048_576


@transaction.atomic
def template_version_create(
    *,
    actor: Subject,
    organization: Organization,
    file: File,
    name: str = "",
    message: str = "",
    template: Template | None = None,
    variables: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> TemplateVersion:
    """A version whose import waits in the queue. ``variables`` are the author's values by name.

    Raises Forbidden or NotFound, Invalid (name, message), Conflict (name taken in the template).
    """
    if organization.deleted:
        raise NotFound
    if template is not None:
        if template.organization_id != organization.id or template.deleted:
            raise NotFound("Template not found in this organization.")
        require(actor, Action.UPDATE, template)
    else:
        require(actor, Action.CREATE, RbacObject(ResourceType.TEMPLATE, org=str(organization.id)))
    wish = name or random_version_name()
    if problem := version_name_problem(wish):
        raise Invalid("The version's name cannot be used.", validations=[problem])
    if len(message) > MESSAGE_LIMIT:
        raise Invalid(
            "The version's message is too long.",
            validations=[Validation("message", f"At most {MESSAGE_LIMIT} characters.")],
        )
    version_id = uuid.uuid4()
    values = [{"name": key, "value": value} for key, value in (variables or {}).items()]
    job = job_create(
        actor=actor,
        organization_id=organization.id,
        initiator_id=uuid.UUID(actor.id),
        type=JobType.TEMPLATE_VERSION_IMPORT,
        input={"template_version_id": str(version_id), "user_variable_values": values},
        file_id=file.id,
        tags=dict(tags or {}),
    )
    version = TemplateVersion(
        id=version_id,
        template=template,
        organization=organization,
        name=wish,
        message=message,
        job=job,
        created_by_id=uuid.UUID(actor.id),
    )
    _insert(version)
    _audit(actor, "create", version, None)
    _announce(version, "created")
    return version


def _insert(version: TemplateVersion) -> None:
    try:
        with transaction.atomic():
            version.save(force_insert=True)
    except IntegrityError:
        raise name_taken(version.name) from None


def name_taken(name: str) -> Conflict:
    """The refusal of a version name that its template has already."""
    return Conflict(
        f'A template version named "{name}" already exists for this template.',
        validations=[Validation("name", "This value is already in use and should be unique.")],
    )


def version_import_complete(*, version_id: uuid.UUID, result: ImportResult) -> TemplateVersion:
    """Store what the import found. Runs in the transaction that completes the job."""
    version = TemplateVersion.objects.select_related("template").get(pk=version_id)
    store_result(version, result)
    _announce(version, "imported")
    if version.template is not None and version.template.active_version_id == version.id:
        events.publish("prebuilds:wake", {"template_id": str(version.template_id)})
    return version


def version_import_fail(*, version_id: uuid.UUID, error: str) -> None:
    """Tell listeners and, unless it was canceled, the author; the reason is the job's ``error``."""
    versions = TemplateVersion.objects.select_related("template", "organization", "job")
    version = versions.filter(pk=version_id).first()
    if version is not None:
        if version.job.canceled_at is None:
            notices.version_import_failed(version, error)
        _announce(version, "import_failed", error=error)


@transaction.atomic
def version_promote(*, actor: Subject, template: Template, version: TemplateVersion) -> Template:
    """Make ``version`` the one that new workspaces and pools use. Promoting the active one changes nothing.

    Raises Invalid (archived, of another template), Forbidden (import not succeeded, no right).
    """
    require(actor, Action.UPDATE, template)
    if version.template_id != template.id:
        raise Invalid("The provided template version doesn't belong to the specified template.")
    if version.archived:
        raise Invalid("The provided template version is archived.", detail="Unarchive it first.")
    if version.job.job_status != JobStatus.SUCCEEDED:
        raise Forbidden(
            "Only versions that have been imported successfully can be promoted.",
            detail=f"The import of {version.name} is {version.job.job_status}.",
        )
    locked = Template.objects.select_for_update().get(pk=template.pk)
    if locked.active_version_id == version.id:
        return locked
    before = TEMPLATE_FIELDS.snapshot(locked)
    locked.active_version = version
    locked.save(update_fields=["active_version", "updated_at"])
    record(
        actor=actor,
        action="write",
        resource_type="template",
        resource_id=locked.id,
        resource_target=locked.name,
        organization_id=locked.organization_id,
        diff=TEMPLATE_FIELDS.changes(before, TEMPLATE_FIELDS.snapshot(locked)),
    )
    events.publish(f"template:{locked.id}", {"kind": "promoted", "version_id": str(version.id)})
    events.publish("prebuilds:wake", {"template_id": str(locked.id)})
    return locked


@transaction.atomic
def version_update(
    *, actor: Subject, version: TemplateVersion, name: str | None = None, message: str | None = None
) -> tuple[TemplateVersion, bool]:
    """Rename a version or change its message; the flag says whether anything changed."""
    require(actor, Action.UPDATE, version)
    before = VERSION_FIELDS.snapshot(version)
    if name:
        if problem := version_name_problem(name):
            raise Invalid("The version's name cannot be used.", validations=[problem])
        version.name = name
    if message is not None:
        version.message = message
    changes = VERSION_FIELDS.changes(before, VERSION_FIELDS.snapshot(version))
    if not changes:
        return version, False
    try:
        with transaction.atomic():
            version.save(update_fields=["name", "message", "updated_at"])
    except IntegrityError:
        raise name_taken(version.name) from None
    _audit(actor, "write", version, before)
    _announce(version, "updated")
    return version, True


def version_archive(*, actor: Subject, version: TemplateVersion) -> TemplateVersion:
    """Put a version away: it cannot be promoted. The active one cannot be archived."""
    return _set_archived(actor, version, archived=True)


def version_unarchive(*, actor: Subject, version: TemplateVersion) -> TemplateVersion:
    """Bring an archived version back."""
    return _set_archived(actor, version, archived=False)


@transaction.atomic
def _set_archived(actor: Subject, version: TemplateVersion, *, archived: bool) -> TemplateVersion:
    require(actor, Action.UPDATE, version)
    if version.archived == archived:
        state = "archived already" if archived else "not archived"
        raise Invalid(f"The template version is {state}.")
    if archived and version.template is not None and version.template.active_version_id == version.id:
        raise Invalid(
            "The active version of a template cannot be archived.", detail="Promote another one first."
        )
    before = VERSION_FIELDS.snapshot(version)
    version.archived = archived
    version.save(update_fields=["archived", "updated_at"])
    _audit(actor, "write", version, before)
    _announce(version, "updated")
    return version


def _audit(actor: Subject, action: str, version: TemplateVersion, before: dict[str, object] | None) -> None:
    record(
        actor=actor,
        action=action,
        resource_type="template_version",
        resource_id=version.id,
        resource_target=version.name,
        organization_id=version.organization_id,
        diff=VERSION_FIELDS.changes(before, VERSION_FIELDS.snapshot(version)),
    )


def _announce(version: TemplateVersion, kind: str, **more: str) -> None:
    events.publish(f"template-version:{version.id}", {"kind": kind, **more})
    if version.template_id is not None:
        events.publish(f"template:{version.template_id}", {"kind": "version", "version_id": str(version.id)})
