"""Attempts that were refused: who is logged in and tries to change something they may not is in the trail.

Called where a refusal becomes an answer (API and pages); what it names is read from the address, since
nothing was done. A flood from one person is cut. What is answered with "not found" is not in the trail: the
reference's entries name a resource, and to whoever may not see one there is none to name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coder_admin.foundation.counters import count_hit
from rbac.model import Subject

from .choices import AuditedAction, AuditedType
from .services import record

PER_MINUTE = 60

# The segment of an address that names a kind of thing; the last one of an address counts.
_TYPES: Final[Mapping[str, AuditedType]] = {
    "organizations": AuditedType.ORGANIZATION,
    "members": AuditedType.ORGANIZATION_MEMBER,
    "groups": AuditedType.GROUP,
    "users": AuditedType.USER,
    "keys": AuditedType.API_KEY,
    "templates": AuditedType.TEMPLATE,
    "versions": AuditedType.TEMPLATE_VERSION,
    "templateversions": AuditedType.TEMPLATE_VERSION,
    "templateversionpresets": AuditedType.TEMPLATE_VERSION,
    "presets": AuditedType.TEMPLATE_VERSION,
    "workspaces": AuditedType.WORKSPACE,
    "workspace": AuditedType.WORKSPACE,
    "builds": AuditedType.WORKSPACE_BUILD,
    "workspacebuilds": AuditedType.WORKSPACE_BUILD,
    "prebuilds": AuditedType.PREBUILDS_SETTINGS,
    "files": AuditedType.FILE,
    "notifications": AuditedType.NOTIFICATIONS_SETTINGS,
}
_ACTIONS: Final[Mapping[str, AuditedAction]] = {
    "POST": AuditedAction.CREATE,
    "PUT": AuditedAction.WRITE,
    "PATCH": AuditedAction.WRITE,
    "DELETE": AuditedAction.DELETE,
}

_VERBS: Final[Mapping[str, AuditedAction]] = {
    "delete": AuditedAction.DELETE,
    "start": AuditedAction.START,
    "stop": AuditedAction.STOP,
    "new": AuditedAction.CREATE,
    "workspace": AuditedAction.CREATE,
}


def record_refusal(
    actor: Subject, *, method: str, path: str, kwargs: Mapping[str, Any], status: int = 403, message: str = ""
) -> bool:
    """Store that `actor` was refused; False when there is nothing to store: nobody is logged in, the request
    only reads, the address names no audited kind of thing, or there were too many within a minute."""
    action = _action_of(method, path)
    type_ = _type_of(path)
    if action is None or type_ is None or not actor.id:
        return False
    if count_hit(f"audit-refusals:{actor.id}", seconds=60) > PER_MINUTE:
        return False
    target = str(list(kwargs.values())[-1]) if kwargs else ""
    record(
        actor=actor,
        action=action,
        resource_type=type_,
        resource_target=target,
        status_code=status,
        additional_fields={"path": path[:256], "reason": message[:256]},
    )
    return True


def _action_of(method: str, path: str) -> AuditedAction | None:
    """By the method in the API; a page's commands are all posted, and their address ends with the verb."""
    action = _ACTIONS.get(method)
    if action is None or path.startswith("/api/"):
        return action
    return _VERBS.get(path.rstrip("/").rpartition("/")[2], AuditedAction.WRITE)


def _type_of(path: str) -> AuditedType | None:
    parts = [part for part in path.split("/") if part in _TYPES or part.startswith("@")]
    if not parts:
        return None
    return _TYPES.get(parts[-1], AuditedType.WORKSPACE)  # "@owner/name" is a workspace's page
