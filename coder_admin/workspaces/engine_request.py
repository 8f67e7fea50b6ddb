"""What an engine is told of a build: its template, values, state and workspace, with the owner's facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings

from coder_admin.parameters.owner import Owner
from coder_admin.parameters.owners import owner_of
from coder_admin.parameters.variables import texts_for_engine
from coder_admin.provisioning.engines.base import BuildStage, EngineRequest, WorkspaceMetadata
from coder_admin.provisioning.engines.base import Transition as EngineTransition
from coder_admin.terraform import FileSystem
from rbac.model import Subject

from . import processes
from .choices import PrebuildStage, Transition
from .models import WorkspaceAgent, WorkspaceBuild


def engine_request(build: WorkspaceBuild, source: FileSystem, actor: Subject) -> EngineRequest:
    """The request of a build, in the workspace's folder; ``actor`` may read the owner."""
    state = bytes(build.provisioner_state) if build.provisioner_state else None
    return EngineRequest(
        source=source,
        workdir=processes.workspace_folder(build.workspace_id),
        variables=texts_for_engine(
            build.template_version.variables.values_list("name", "value", "required"), source
        ),
        parameters=dict(build.parameters.values_list("name", "value")),
        metadata=_metadata(build, actor),
        state=state,
        destroy=build.transition == Transition.DELETE,
    )


def _metadata(build: WorkspaceBuild, actor: Subject) -> WorkspaceMetadata:
    workspace = build.workspace
    owner = owner_of(workspace.owner, viewer=actor, organization_id=workspace.organization_id)
    tokens: Mapping[str, str] = {}
    if build.prebuild_stage == PrebuildStage.CLAIM:
        tokens = _running_tokens(build)
    return WorkspaceMetadata(
        access_url=settings.ACCESS_URL,
        transition=cast("EngineTransition", build.transition),
        stage=cast("BuildStage", build.prebuild_stage),
        workspace_id=str(workspace.id),
        workspace_name=workspace.name,
        owner=owner_facts(owner),
        template_id=str(workspace.template_id),
        template_name=workspace.template.name,
        template_version=build.template_version.name,
        running_agent_tokens=tokens,
    )


def owner_facts(owner: Owner) -> dict[str, Any]:
    """The owner as the engine is told of them."""
    return {
        "id": owner.id,
        "name": owner.name,
        "full_name": owner.full_name,
        "email": owner.email,
        "ssh_public_key": owner.ssh_public_key,
        "groups": list(owner.groups),
        "login_type": owner.login_type,
        "rbac_roles": [{"name": name, "org_id": org} for name, org in owner.rbac_roles],
    }


def _running_tokens(build: WorkspaceBuild) -> dict[str, str]:
    """Name and token of each agent that runs now: a claim must not replace what carries the token."""
    agents = WorkspaceAgent.objects.filter(
        resource__workspace_build__workspace_id=build.workspace_id,
        resource__workspace_build__build_number__lt=build.build_number,
        deleted=False,
    ).order_by("resource__workspace_build__build_number")
    return {name: str(token) for name, token in agents.values_list("name", "auth_token")}
