"""With whom a workspace is shared: its access list, read and changed.

Changing it asks `workspace: create` on the workspace, as Coder does: its owner and administrators may, and
those who hold the role "admin" on it. A prebuild belongs to nobody yet, so it cannot be shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from coder_admin.audit.services import record
from coder_admin.catalog.acl_editing import AclForm, change, listed
from coder_admin.foundation.errors import Conflict, Forbidden
from rbac.django import may, require
from rbac.model import Action, Subject

from .models import WORKSPACE_ACL, Workspace
from .news import announce_workspace

ACL_FORM: Final = AclForm(
    WORKSPACE_ACL,
    {"use": "use_workspace", "admin": "admin_workspace"},
    user_field="user_roles",
    group_field="group_roles",
    members_only=True,
)


def may_share(actor: Subject, workspace: Workspace) -> bool:
    """Whether `actor` may change the list now."""
    return not workspace.is_prebuild and not workspace.dormant_at and may(actor, Action.CREATE, workspace)


def workspace_acl(*, viewer: Subject, workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """``{users: [{…, role}], group: [{…, role}]}``. The list names people: Forbidden for who may look at the
    workspace but not share it."""
    _require_sharing(viewer, workspace)
    return listed(ACL_FORM, workspace)


@transaction.atomic
def workspace_acl_update(
    *,
    actor: Subject,
    workspace: Workspace,
    user_roles: Mapping[str, str] | None = None,
    group_roles: Mapping[str, str] | None = None,
) -> bool:
    """Give members and groups of the organization (by id) the role ``use`` or ``admin``; "" takes it away.

    All or nothing: Invalid with one entry for each bad id or role, Forbidden, Conflict for a prebuild or a
    dormant workspace. The answer says whether anything changed.
    """
    _require_sharing(actor, workspace)
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    _refuse_unshareable(workspace)
    diff = change(
        ACL_FORM,
        workspace,
        organization_id=workspace.organization_id,
        users=user_roles or {},
        groups=group_roles or {},
    )
    if not diff:
        return False
    record(
        actor=actor,
        action="write",
        resource_type="workspace",
        resource_id=workspace.id,
        resource_target=workspace.name,
        organization_id=workspace.organization_id,
        diff=diff,
    )
    announce_workspace(workspace, "acl")
    return True


def _require_sharing(actor: Subject, workspace: Workspace) -> None:
    require(actor, Action.READ, workspace)
    if not may(actor, Action.CREATE, workspace):
        raise Forbidden(
            "You may not share this workspace.",
            detail="Its owner can, and whoever they gave the role admin on it.",
        )


def _refuse_unshareable(workspace: Workspace) -> None:
    if workspace.is_prebuild:
        raise Conflict(
            "A prebuilt workspace cannot be shared.", detail="It belongs to nobody until it is claimed."
        )
    if workspace.dormant_at:
        raise Conflict(
            "A dormant workspace cannot be shared.", detail="Its access list counts again when it is woken."
        )
