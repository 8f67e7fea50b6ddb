"""Who hears that something happened to a workspace."""

from __future__ import annotations

from coder_admin.foundation import events
from coder_admin.organizations.models import PREBUILDS_USER_ID

from .models import Workspace


def announce_workspace(workspace: Workspace, kind: str) -> None:
    """Tell who watches the workspace, the organization's list, and the pools if it is a prebuild."""
    events.publish(f"workspace:{workspace.id}", {"kind": kind, "build_id": str(workspace.latest_build_id)})
    events.publish(f"workspaces:{workspace.organization_id}", {"workspace_id": str(workspace.id)})
    if workspace.owner_id == PREBUILDS_USER_ID:
        events.publish(f"pools:{workspace.organization_id}", {"template_id": str(workspace.template_id)})
