"""Workspaces that may be prebuilds: which question is asked first (section 3.2).

The `workspace` question comes first: ordinary people get the answer they always got. Only when it is
denied, only for update and delete, and only while the prebuilds user still owns the workspace, the
`prebuilt_workspace` question is asked too. A claimed prebuild is an ordinary workspace.
"""

from rbac.model import PREBUILDS_USER_ID, Action, RbacObject, ResourceType, Subject
from rbac.policy import Denied, allowed

WORKSPACE_TYPES = frozenset({ResourceType.WORKSPACE, ResourceType.WORKSPACE_DORMANT})
"""Objects that are asked "workspace, then prebuilt"."""

FALLBACK_ACTIONS = frozenset({Action.UPDATE, Action.DELETE})
"""All that the second question is asked for."""


class DeniedTwice(Denied):
    """Neither as a workspace nor as a prebuild; `errors` holds both denials, the workspace's first."""

    def __init__(self, first: Denied, second: Denied) -> None:
        super().__init__(first.subject, first.action, first.object)
        self.errors = (first, second)
        self.args = (f"{first}; {second}",)


def authorize_workspace(subject: Subject, action: Action, workspace: RbacObject) -> None:
    """Raise Denied unless `subject` may do `action` on `workspace`, the object of type `workspace` or
    `workspace_dormant`, asked as a prebuild where that is right."""
    if allowed(subject, action, workspace):
        return
    first = Denied(subject, action, workspace)
    prebuilt = as_prebuilt(workspace, action)
    if prebuilt is None:
        raise first
    if not allowed(subject, action, prebuilt):
        raise DeniedTwice(first, Denied(subject, action, prebuilt))


def workspace_allowed(subject: Subject, action: Action, workspace: RbacObject) -> bool:
    """`authorize_workspace` as a question."""
    if allowed(subject, action, workspace):
        return True
    prebuilt = as_prebuilt(workspace, action)
    return prebuilt is not None and allowed(subject, action, prebuilt)


def as_prebuilt(workspace: RbacObject, action: Action) -> RbacObject | None:
    """The object of the second question, or None where there is no second question."""
    if action not in FALLBACK_ACTIONS or workspace.owner != PREBUILDS_USER_ID:
        return None
    return RbacObject(
        ResourceType.PREBUILT_WORKSPACE, id=workspace.id, org=workspace.org, owner=workspace.owner
    )
