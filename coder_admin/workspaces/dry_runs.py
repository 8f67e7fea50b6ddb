"""Dry runs: what a start of a workspace would make of a template version, without making it.

A dry run has the rights of a workspace that its initiator would own (notifications-agents-provisioning 4.1
and 9): who may create one there may try one, and who could read or change it may follow or cancel the try.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from coder_admin.catalog.models import TemplateVersion
from coder_admin.catalog.selectors import version_get
from coder_admin.files.selectors import parse_id
from coder_admin.foundation.errors import Invalid, NotFound, PreconditionFailed, TooEarly, Validation
from coder_admin.parameters.resolving import resolve
from coder_admin.parameters.variables import VariableError, server_value
from coder_admin.provisioning.choices import JobStatus, JobType
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.services import job_cancel, job_create
from rbac.django import require
from rbac.model import Action, RbacObject, ResourceType, Subject

from .choices import Transition
from .models import DryRun
from .names import checked_name

DEFAULT_NAME = "dry-run"


@transaction.atomic
def dry_run_create(
    *,
    actor: Subject,
    version: TemplateVersion,
    workspace_name: str = "",
    parameters: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> DryRun:
    """A dry run whose plan waits in the queue. ``variables`` hold over those that the version was given.

    Raises NotFound and Forbidden (the version, its use, a workspace of one's own), TooEarly (the import has
    not ended), PreconditionFailed (it did not succeed), Invalid (name, variables, parameters).
    """
    require(actor, Action.READ, version)
    require(actor, Action.USE, version, message="You may not create workspaces from this template.")
    require(
        actor,
        Action.CREATE,
        RbacObject(ResourceType.WORKSPACE, org=str(version.organization_id), owner=actor.id),
        message="You may not create workspaces in this organization, so you may not try one either.",
    )
    _check_imported(version)
    name = _checked_name(workspace_name)
    given = _checked_variables(version, variables or {})
    owner_id = uuid.UUID(actor.id)
    resolution = resolve(
        version=version,
        owner_id=owner_id,
        first_build=True,
        transition=Transition.START,
        previous={},
        request=dict(parameters or {}),
        preset={},
        variables=given,
    )
    job = job_create(
        actor=actor,
        organization_id=version.organization_id,
        initiator_id=owner_id,
        type=JobType.TEMPLATE_VERSION_DRY_RUN,
        input={
            "template_version_id": str(version.id),
            "workspace_name": name,
            "rich_parameter_values": _pairs(resolution.values),
            "user_variable_values": _pairs(given),
        },
        file_id=version.job.file_id,
        tags=dict(resolution.tags),
    )
    return DryRun.objects.create(job=job, template_version=version)


def dry_run_get(*, viewer: Subject, version_id: str, job_id: str) -> DryRun:
    """A dry run of the version, with its job. Raises Invalid (no UUID), NotFound."""
    version = version_get(viewer=viewer, version_id=version_id)
    rows = DryRun.objects.visible_to(viewer).select_related("job__worker", "template_version")
    found = rows.filter(template_version=version, job=parse_id(job_id, "job")).first()
    if found is None:
        raise NotFound
    return found


def dry_run_cancel(*, actor: Subject, dry_run: DryRun) -> ProvisionerJob:
    """Ask it to end: a waiting one has ended when this returns. Raises Forbidden, Invalid (it has ended, or
    was canceled before)."""
    require(actor, Action.UPDATE, dry_run)
    return job_cancel(actor=actor, job_id=dry_run.job_id)


def planned_resources(dry_run: DryRun) -> list[dict[str, Any]]:
    """What the plan would make; none after a failure. Raises Invalid while it has not ended."""
    if dry_run.job.completed_at is None:
        raise Invalid("Job hasn't completed!", detail=f"The dry run is {dry_run.job.job_status}.")
    found: list[dict[str, Any]] = dry_run.resources
    return found


def _check_imported(version: TemplateVersion) -> None:
    status = JobStatus(version.job.job_status)
    if version.job.completed_at is None:
        raise TooEarly(
            "Template version job has not finished", detail=f"The import is {status}: try again later."
        )
    if status is not JobStatus.SUCCEEDED:
        ended = "was canceled" if status is JobStatus.CANCELED else "failed"
        raise PreconditionFailed(
            f"Template version {version.name} cannot be tried: its import {ended}.", detail=version.job.error
        )


def _checked_name(name: str) -> str:
    try:
        return checked_name(name or DEFAULT_NAME)
    except Invalid as problem:
        details = [Validation("workspace_name", v.detail) for v in problem.validations]
        raise Invalid(problem.message, validations=details) from None


def _checked_variables(version: TemplateVersion, given: Mapping[str, str]) -> dict[str, str]:
    """The values, once each is of a variable of the version and fits its type."""
    known = dict(version.variables.values_list("name", "type"))
    problems = []
    for name, value in given.items():
        if name not in known:
            problems.append(f'The template has no variable "{name[:64]}".')
            continue
        try:
            server_value(name, known[name], value)
        except VariableError as problem:
            problems.append(str(problem))
    if problems:
        raise Invalid(
            "The variables cannot be used.",
            validations=[Validation("user_variable_values", text) for text in problems],
        )
    return dict(given)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(values.items())]
