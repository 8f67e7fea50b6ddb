"""Importing templates: the worker's job for uploads, and a folder of this machine in one step.

Both go through `inspection.inspect_template`. The job stores its result in the transaction that ends it; a
folder is inspected first and then stored with its template in one transaction, so that nothing half-made
is left by a template that is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from coder_admin.catalog.imports import ImportResult
from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.catalog.names import template_name_problem
from coder_admin.catalog.selectors import carried_over_values
from coder_admin.catalog.services import (
    template_create,
    template_version_create,
    version_import_complete,
    version_import_fail,
    version_promote,
)
from coder_admin.files.archives import TAR, ArchiveError, pack, read_archive
from coder_admin.files.models import File
from coder_admin.files.services import file_store
from coder_admin.foundation.errors import Invalid
from coder_admin.organizations.models import Organization
from coder_admin.parameters.folders import read_folder
from coder_admin.parameters.inspection import ImportRefusedError, inspect_template
from coder_admin.parameters.owners import OwnerNotFoundError, load_owner
from coder_admin.parameters.provider import Surroundings
from coder_admin.provisioning.choices import JobType
from coder_admin.provisioning.context import JobContext
from coder_admin.provisioning.engines import EngineError, engine_named
from coder_admin.provisioning.handlers import JobError, JobFailed, register
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.services import job_complete_without_worker
from rbac.model import Subject
from rbac.subjects import SystemSubject, acting_as

_PARSE, _EVALUATE = "Parsing template", "Evaluating template"


class ImportHandler:
    """Runs `JobType.TEMPLATE_VERSION_IMPORT`."""

    def execute(self, ctx: JobContext) -> ImportResult:
        """Read the uploaded files and find out what they declare. Raises JobFailed with file and line."""
        version = _version_of(ctx.job)
        with ctx.timing("init"):
            files = _files(ctx.job)
        ctx.log(_PARSE, f"Reading {len(files)} files.")
        ctx.check_canceled()
        with acting_as(SystemSubject.PROVISIONERD, reason="render a template as its uploader") as reader:
            try:
                owner = load_owner(
                    viewer=reader, user_id=ctx.job.initiator_id, organization_id=version.organization_id
                )
            except OwnerNotFoundError:
                raise JobFailed("The user who uploaded the template does not exist any more.") from None
        given = {row["name"]: row["value"] for row in ctx.job.input.get("user_variable_values", [])}
        with ctx.timing("plan"):
            try:
                result = inspect_template(
                    files,
                    owner=owner,
                    given=given,
                    carried=carried_over_values(version),
                    surroundings=_surroundings(version.template, version.name),
                    unsupported=_unsupported,
                    log=ctx.log,
                )
            except ImportRefusedError as refusal:
                for line in refusal.lines:
                    ctx.log(_EVALUATE, line, "error")
                raise JobFailed(str(refusal), code=_code(refusal)) from None
        ctx.check_canceled()
        ctx.log(_EVALUATE, _summary(result))
        return result

    def complete(self, job: ProvisionerJob, result: ImportResult) -> None:
        """Store what was found, in the transaction that ends the job."""
        version_import_complete(version_id=_version_id(job), result=result)

    def fail(self, job: ProvisionerJob, error: JobError) -> None:
        """Tell who waits."""
        version_import_fail(version_id=_version_id(job), error=error.message)


def register_import_handler() -> None:
    """Make imports runnable by the workers of this process."""
    register(JobType.TEMPLATE_VERSION_IMPORT, ImportHandler())


def _code(refusal: ImportRefusedError) -> str:
    return "REQUIRED_TEMPLATE_VARIABLES" if str(refusal).startswith("required template variables") else ""


def _version_id(job: ProvisionerJob) -> UUID:
    return UUID(job.input["template_version_id"])


def _version_of(job: ProvisionerJob) -> TemplateVersion:
    version = TemplateVersion.objects.select_related("template").filter(pk=_version_id(job)).first()
    if version is None:
        raise JobFailed("The template version was deleted before its import ran.")
    return version


def _files(job: ProvisionerJob) -> dict[str, bytes]:
    file = File.objects.filter(pk=job.file_id).first() if job.file_id else None
    if file is None:
        raise JobFailed("The uploaded files do not exist any more: upload them again.")
    try:
        return read_archive(bytes(file.data), file.mimetype)
    except ArchiveError as problem:
        raise JobFailed(str(problem)) from None


def _surroundings(template: Template | None, version_name: str) -> Surroundings:
    return Surroundings(
        access_url=settings.ACCESS_URL,
        template_id=str(template.id) if template else "",
        template_name=template.name if template else "",
        template_version=version_name,
    )


def _unsupported(types: set[str]) -> set[str]:
    """Those of the resource types that this deployment's engine cannot build."""
    try:
        return engine_named(settings.PROVISIONER_ENGINE).supports(types)
    except EngineError:
        return set()  # the start-up checks speak about a wrong engine


def _summary(result: ImportResult) -> str:
    counts = (
        (len(result.parameters), "parameter"),
        (len(result.presets), "preset"),
        (len(result.variables), "variable"),
        (len(result.resources), "resource"),
    )
    return "Found " + ", ".join(f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in counts) + "."


@dataclass(frozen=True, slots=True)
class ImportedFolder:
    """What `import_folder` made."""

    template: Template
    version: TemplateVersion
    created: bool


def import_folder(
    *,
    actor: Subject,
    organization: Organization,
    folder: Path,
    name: str,
    variables: Mapping[str, str] | None = None,
    version_name: str = "",
    message: str = "",
    display_name: str = "",
    description: str = "",
    icon: str = "",
) -> ImportedFolder:
    """Create the template ``name`` from a folder, or give it a new active version. All or nothing.

    The import is done here and now, without a worker. Raises Invalid, Forbidden, NotFound, Conflict.
    """
    files = folder_files(folder)
    if problem := template_name_problem(name):
        raise Invalid(f'The name "{name}" cannot be used for a template.', detail=problem.detail)
    template = Template.objects.live().filter(organization=organization, name__iexact=name).first()
    carried = _values_of(template)
    try:
        owner = load_owner(viewer=actor, user_id=UUID(actor.id), organization_id=organization.id)
        result = inspect_template(
            files,
            owner=owner,
            given=variables,
            carried=carried,
            surroundings=_surroundings(template, version_name),
            unsupported=_unsupported,
        )
    except OwnerNotFoundError:
        raise Invalid("The user who imports the template does not exist.") from None
    except ImportRefusedError as refusal:
        raise Invalid(f"{folder}: {refusal}") from None
    with transaction.atomic():
        version = _store(
            actor,
            organization,
            files,
            result,
            template,
            variables=variables,
            name=version_name,
            message=message,
        )
        if template is not None:
            return ImportedFolder(
                version_promote(actor=actor, template=template, version=version), version, False
            )
        texts: dict[str, Any] = {"display_name": display_name, "description": description, "icon": icon}
        made = template_create(actor=actor, organization=organization, name=name, version=version, **texts)
        return ImportedFolder(made, version, True)


def folder_files(folder: Path) -> dict[str, bytes]:
    """A template's files from a folder of this machine, under the limits of uploads. Raises Invalid."""
    try:
        return read_folder(folder)
    except ArchiveError as problem:
        raise Invalid(str(problem)) from None


def _values_of(template: Template | None) -> dict[str, str]:
    if template is None or template.active_version is None:
        return {}
    return dict(template.active_version.variables.exclude(value="").values_list("name", "value"))


def _store(
    actor: Subject,
    organization: Organization,
    files: Mapping[str, bytes],
    result: ImportResult,
    template: Template | None,
    *,
    variables: Mapping[str, str] | None,
    name: str,
    message: str,
) -> TemplateVersion:
    """A version whose import has ended already, with what it found."""
    file, _ = file_store(actor=actor, data=pack(files), content_type=TAR)
    version = template_version_create(
        actor=actor,
        organization=organization,
        file=file,
        name=name,
        message=message,
        template=template,
        variables=variables,
    )
    job_complete_without_worker(actor=actor, job_id=version.job_id)
    version_import_complete(version_id=version.id, result=result)
    return TemplateVersion.objects.select_related("job", "template").get(pk=version.pk)
