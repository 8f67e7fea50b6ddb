"""Workspaces, their builds, and the agents that run in them."""

from .agents import (
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentLogSource,
    WorkspaceAgentMetadatum,
    WorkspaceAgentScript,
    WorkspaceAgentScriptTiming,
    WorkspaceAgentStats,
    WorkspaceApp,
)
from .builds import (
    DryRun,
    WorkspaceBuild,
    WorkspaceBuildParameter,
    WorkspaceResource,
    WorkspaceResourceMetadatum,
)
from .workspaces import (
    WORKSPACE_ACL,
    Workspace,
    WorkspaceGroupPermission,
    WorkspaceUserPermission,
)

__all__ = [
    "WORKSPACE_ACL",
    "DryRun",
    "Workspace",
    "WorkspaceAgent",
    "WorkspaceAgentLog",
    "WorkspaceAgentLogSource",
    "WorkspaceAgentMetadatum",
    "WorkspaceAgentScript",
    "WorkspaceAgentScriptTiming",
    "WorkspaceAgentStats",
    "WorkspaceApp",
    "WorkspaceBuild",
    "WorkspaceBuildParameter",
    "WorkspaceGroupPermission",
    "WorkspaceResource",
    "WorkspaceResourceMetadatum",
    "WorkspaceUserPermission",
]
