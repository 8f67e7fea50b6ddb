"""The parameter values and tags of a build, through the template's own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coder_admin.catalog.models import TemplateVersion
from coder_admin.foundation.errors import ServiceError
from coder_admin.parameters.classic import resolve_classic
from coder_admin.parameters.owners import OwnerNotFoundError, load_owner
from coder_admin.parameters.renderer import prepare, static_renderer
from coder_admin.parameters.resolver import resolve_values
from rbac.subjects import SystemSubject, acting_as

from .models import Workspace


@dataclass(frozen=True, slots=True)
class Values:
    """What a build is made with, and the tags that say which worker may make it."""

    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def resolve_build(
    *,
    workspace: Workspace,
    version: TemplateVersion,
    transition: str,
    first_build: bool,
    previous: Mapping[str, str],
    request: Mapping[str, str],
    preset: Mapping[str, str],
) -> Values:
    """Render the version's form for the workspace's owner (not the initiator) and judge the values.

    Raises Invalid with one validation per parameter that is wrong.
    """
    if version.template is not None and version.template.use_classic_parameter_flow:
        parameters = static_renderer(version).render(None, {}).parameters
        found = resolve_classic(parameters, previous=previous, request=request, preset=preset)
        return Values(found, dict(version.workspace_tags))
    with acting_as(
        SystemSubject.PROVISIONERD, reason="know a workspace's owner to render its form"
    ) as reader:
        try:
            owner = load_owner(
                viewer=reader, user_id=workspace.owner_id, organization_id=workspace.organization_id
            )
        except OwnerNotFoundError as error:
            raise ServiceError("The workspace's owner no longer exists.") from error
    with prepare(version) as renderer:
        resolution = resolve_values(
            lambda inputs: renderer.render(owner, inputs),
            first_build=first_build,
            transition=transition,
            previous=previous,
            request=request,
            preset=preset,
        )
    resolution.raise_if_refused()
    return Values(dict(resolution.values), {**version.workspace_tags, **resolution.tags})
