"""Workspaces that may be prebuilds: which question is asked first (section 3.2).

The `workspace` question comes first: ordinary people get the answer they always got. Only when it is
denied, only for update and delete, and only while the prebuilds user still owns the workspace, the
`prebuilt_workspace` question is asked too. A claimed prebuild is an ordinary workspace.
"""

from dataclasses import replace

from rbac.model import PREBUILDS_USER_ID, Action, RbacObject, ResourceType, Subject
from rbac.policy import Denied, authorize

_FALLBACK = frozenset({Action.UPDATE, Action.DELETE})


class DeniedTwice(Denied):
    """Neither as a workspace nor as a prebuild; `errors` holds both denials, the workspace's first."""

    def __init__(self, first: Denied, second: Denied) -> None:
        super().__init__(first.subject, first.action, first.object)
        self.errors = (first, second)
        self.args = (f"{first}; {second}",)


def authorize_workspace(subject: Subject, action: Action, workspace: RbacObject) -> None:
    """Raise Denied unless `subject` may do `action` on `workspace`, the object of type `workspace` or
    `workspace_dormant`, asked as a prebuild where that is right."""
    try:
        authorize(subject, action, workspace)
        return
    except Denied as error:
        if action not in _FALLBACK or workspace.owner != PREBUILDS_USER_ID:
            raise
        first = error
    prebuilt = replace(workspace, type=ResourceType.PREBUILT_WORKSPACE, acl_users={}, acl_groups={})
    try:
        authorize(subject, action, prebuilt)
    except Denied as second:
        raise DeniedTwice(first, second) from second


def workspace_allowed(subject: Subject, action: Action, workspace: RbacObject) -> bool:
    """`authorize_workspace` as a question."""
    try:
        authorize_workspace(subject, action, workspace)
    except Denied:
        return False
    return True
