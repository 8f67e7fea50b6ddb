"""The values and tags of a build, for either flow (reference dynamic-parameters 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from coder_admin.catalog.models import TemplateVersion, TemplateVersionPreset
from coder_admin.foundation.errors import Invalid, ServiceError
from coder_admin.parameters.classic import resolve_classic
from coder_admin.parameters.owner import Owner
from coder_admin.parameters.owners import OwnerNotFoundError, load_owner
from coder_admin.parameters.presets import matching
from coder_admin.parameters.renderer import prepare, static_renderer
from coder_admin.parameters.resolver import START, Resolution, resolve_values
from coder_admin.provisioning.tags import OWNER
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
    variables: Mapping[str, str] | None = None,
) -> Resolution:
    """What a build of ``version`` stores, for the workspace's owner (not the one who starts the build).

    A start may be refused: Invalid with every reason. A stop or delete never is: when the form cannot be
    rendered at all, the stored values and the import's tags hold. Tags are those of the import's job, with
    the template's over them. ``variables`` hold over those that the version was given.
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
            variables=variables or {},
        )
        resolution.raise_if_refused()
    except ServiceError as problem:
        if transition == START:
            raise
        log.warning(
            "stored parameters kept", version=str(version.id), transition=transition, reason=str(problem)
        )
        resolution = Resolution(values={**previous, **request, **preset}, tags=version.workspace_tags)
    # Whose job it is depends on who builds, not on who imported.
    base = {name: value for name, value in version.job.tags.items() if name != OWNER}
    return replace(resolution, tags={**base, **resolution.tags})


def _resolve(
    version: TemplateVersion,
    owner_id: UUID,
    *,
    first_build: bool,
    transition: str,
    previous: Mapping[str, str],
    request: Mapping[str, str],
    preset: Mapping[str, str],
    variables: Mapping[str, str],
) -> Resolution:
    if version.template is not None and version.template.use_classic_parameter_flow:
        parameters = static_renderer(version).render(None, {}).parameters
        values = resolve_classic(parameters, previous=previous, request=request, preset=preset)
        return Resolution(values, tags=_classic_tags(version, owner_id, values, variables))
    owner = _owner(version, owner_id)
    with prepare(version, hold_files=False, variables=variables) as renderer:
        resolution = resolve_values(
            lambda inputs: renderer.render(owner, inputs),
            first_build=first_build,
            transition=transition,
            previous=previous,
            request=request,
            preset=preset,
        )
        return replace(resolution, tags=version.workspace_tags) if renderer.is_static else resolution


def _classic_tags(
    version: TemplateVersion, owner_id: UUID, values: Mapping[str, str], variables: Mapping[str, str]
) -> Mapping[str, str]:
    """The template's tags with the values as texts; those of the import where they cannot be evaluated."""
    imported: Mapping[str, str] = version.workspace_tags
    if not imported:
        return {}
    try:
        with prepare(version, hold_files=False, variables=variables) as renderer:
            output = renderer.render(_owner(version, owner_id), values)
    except ServiceError as problem:
        log.warning("tags of the import kept", version=str(version.id), reason=str(problem))
        return imported
    return {**imported, **output.tags}


def _owner(version: TemplateVersion, owner_id: UUID) -> Owner:
    with acting_as(SystemSubject.PROVISIONERD, reason="render a workspace's form as its owner") as reader:
        try:
            return load_owner(viewer=reader, user_id=owner_id, organization_id=version.organization_id)
        except OwnerNotFoundError:
            raise Invalid("The workspace's owner does not exist any more.") from None


def matching_preset(
    version: TemplateVersion, values: Mapping[str, str], *, before: UUID | None = None
) -> TemplateVersionPreset | None:
    """The version's preset that a build's final values amount to (7.3): ``before`` if that still does, else
    the best one. Two queries."""
    candidates = [_Candidate.of(row) for row in version.presets.prefetch_related("parameters")]
    found = matching([c for c in candidates if c.row.pk == before], values) or matching(candidates, values)
    return found.row if found is not None else None


@dataclass(frozen=True)
class _Candidate:
    row: TemplateVersionPreset
    name: str
    default: bool
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, row: TemplateVersionPreset) -> _Candidate:
        return cls(row, row.name, row.is_default, {p.name: p.value for p in row.parameters.all()})
