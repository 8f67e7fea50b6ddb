"""One sentence for an audit row, with `{user}` and `{target}` for the reader to fill in. Pure."""

from __future__ import annotations

from .choices import AuditedAction
from .models import AuditLog

NOBODY = "Somebody who was not logged in"

_PAST = {
    AuditedAction.CREATE: "created",
    AuditedAction.WRITE: "updated",
    AuditedAction.DELETE: "deleted",
    AuditedAction.START: "started",
    AuditedAction.STOP: "stopped",
    AuditedAction.LOGIN: "logged in",
    AuditedAction.LOGOUT: "logged out",
    AuditedAction.REGISTER: "registered",
    AuditedAction.REQUEST_PASSWORD_RESET: "requested a new password for",
    AuditedAction.CONNECT: "connected to",
    AuditedAction.DISCONNECT: "disconnected from",
    AuditedAction.OPEN: "opened",
    AuditedAction.CLOSE: "closed",
}
_INFINITIVE = {
    AuditedAction.LOGIN: "log in",
    AuditedAction.LOGOUT: "log out",
    AuditedAction.WRITE: "update",
    AuditedAction.REQUEST_PASSWORD_RESET: "request a new password for",
    AuditedAction.CONNECT: "connect to",
    AuditedAction.DISCONNECT: "disconnect from",
}


def description(action: str, resource_type: str, status_code: int) -> str:
    """`{user} updated template {target}`; from 400 on the attempt failed, 303 led elsewhere."""
    verb = AuditedAction(action)
    infinitive = _INFINITIVE.get(verb, verb.value)
    if status_code >= 400:
        done = f"unsuccessfully attempted to {infinitive}"
    elif status_code == 303:
        done = f"was redirected attempting to {infinitive}"
    else:
        done = _PAST[verb]
    if verb in (AuditedAction.LOGIN, AuditedAction.LOGOUT):
        return f"{{user}} {done}"
    return f"{{user}} {done} {resource_type.replace('_', ' ')} {{target}}"


def spoken(row: AuditLog) -> str:
    """The sentence with its names filled in."""
    text = description(row.action, row.resource_type, row.status_code)
    return text.replace("{user}", row.username or NOBODY).replace("{target}", row.resource_target).strip()
