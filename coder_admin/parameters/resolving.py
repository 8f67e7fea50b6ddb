"""The values and tags of a build, for either flow (reference dynamic-parameters 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import structlog

from coder_admin.catalog.models import TemplateVersion
from coder_admin.foundation.errors import Invalid, ServiceError
from coder_admin.parameters.classic import resolve_classic
from coder_admin.parameters.owners import OwnerNotFoundError, load_owner
from coder_admin.parameters.renderer import prepare, static_renderer
from coder_admin.parameters.resolver import START, Resolution, resolve_values
from rbac.subjects import SystemSubject, acting_as

log = structlog.get_logger(__name__)


def resolve(
    *,
    version: TemplateVersion,
    owner_id: UUID,
    first_build: bool,
    transition: str,
    previous: Mapping[str, str],
    request: Mapping[str, str],
    preset: Mapping[str, str],
) -> Resolution:
    """What a build of ``version`` stores, for the workspace's owner (not the one who starts the build).

    A start may be refused: Invalid with every reason. A stop or delete never is: when the form cannot be
    rendered at all, the stored values and the import's tags hold.
    """
    try:
        resolution = _resolve(
            version,
            owner_id,
            first_build=first_build,
            transition=transition,
            previous=previous,
            request=request,
            preset=preset,
        )
        resolution.raise_if_refused()
    except ServiceError as problem:
        if transition == START:
            raise
        log.warning(
            "stored parameters kept", version=str(version.id), transition=transition, reason=str(problem)
        )
        resolution = Resolution(values={**previous, **request, **preset})
    tags = {**version.workspace_tags, **resolution.tags}
    return Resolution(values=resolution.values, tags=tags, warnings=resolution.warnings)


def _resolve(
    version: TemplateVersion,
    owner_id: UUID,
    *,
    first_build: bool,
    transition: str,
    previous: Mapping[str, str],
    request: Mapping[str, str],
    preset: Mapping[str, str],
) -> Resolution:
    if version.template is not None and version.template.use_classic_parameter_flow:
        parameters = static_renderer(version).render(None, {}).parameters
        return Resolution(resolve_classic(parameters, previous=previous, request=request, preset=preset))
    with acting_as(SystemSubject.PROVISIONERD, reason="render a workspace's form as its owner") as reader:
        try:
            owner = load_owner(viewer=reader, user_id=owner_id, organization_id=version.organization_id)
        except OwnerNotFoundError:
            raise Invalid("The workspace's owner does not exist any more.") from None
    with prepare(version) as renderer:
        return resolve_values(
            lambda inputs: renderer.render(owner, inputs),
            first_build=first_build,
            transition=transition,
            previous=previous,
            request=request,
            preset=preset,
        )
