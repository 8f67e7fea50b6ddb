"""How each state looks and is called: one table, used by every list, detail and card.

A state is shown as shape, word and colour together; the tone names a colour role of
`static/css/tokens.css`, the icon a symbol of `static/icons/sprite.svg`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Look:
    """Label, tone (`ok`, `info`, `warn`, `bad`, `idle`) and icon of one state."""

    label: str
    tone: str
    icon: str


OK, BUSY, WARN, BAD, IDLE, GONE = (
    ("ok", "state-full"),
    ("info", "state-half"),
    ("warn", "state-triangle"),
    ("bad", "state-square"),
    ("idle", "state-open"),
    ("idle", "state-dash"),
)


def _table(**rows: tuple[str, tuple[str, str]]) -> Mapping[str, Look]:
    return MappingProxyType({key: Look(label, tone, icon) for key, (label, (tone, icon)) in rows.items()})


LOOKS: Mapping[str, Mapping[str, Look]] = MappingProxyType(
    {
        "workspace": _table(
            pending=("Pending", BUSY),
            starting=("Starting", BUSY),
            running=("Running", OK),
            stopping=("Stopping", BUSY),
            stopped=("Stopped", IDLE),
            deleting=("Deleting", BUSY),
            deleted=("Deleted", GONE),
            canceling=("Canceling", WARN),
            canceled=("Canceled", GONE),
            failed=("Failed", BAD),
        ),
        "job": _table(
            pending=("Pending", IDLE),
            running=("Running", BUSY),
            succeeded=("Succeeded", OK),
            canceling=("Canceling", WARN),
            canceled=("Canceled", GONE),
            failed=("Failed", BAD),
            unknown=("Unknown", WARN),
        ),
        "message": _table(
            pending=("Waiting", IDLE),
            leased=("Sending", BUSY),
            sent=("Sent", OK),
            temporary_failure=("Will be tried again", WARN),
            permanent_failure=("Failed", BAD),
            inhibited=("Not wanted", GONE),
            unknown=("Unknown", WARN),
            paused=("Paused", WARN),
        ),
        "agent": _table(
            created=("Created", IDLE),
            starting=("Starting", BUSY),
            start_timeout=("Start takes long", WARN),
            start_error=("Start failed", BAD),
            ready=("Ready", OK),
            shutting_down=("Shutting down", BUSY),
            shutdown_timeout=("Shutdown takes long", WARN),
            shutdown_error=("Shutdown failed", BAD),
            off=("Off", IDLE),
        ),
        "connection": _table(
            connecting=("Connecting", BUSY),
            connected=("Connected", OK),
            disconnected=("Disconnected", BAD),
            timeout=("Not connected in time", WARN),
        ),
        "app": _table(
            initializing=("Starting", BUSY),
            healthy=("Healthy", OK),
            unhealthy=("Unhealthy", BAD),
        ),
        "pool": _table(
            ready=("Ready", OK),
            filling=("Filling", BUSY),
            shrinking=("Shrinking", BUSY),
            backoff=("Backing off", WARN),
            failing=("Failing", BAD),
            hard_limited=("Hard-limited", BAD),
            validation_failed=("Invalid preset", BAD),
            paused=("Paused", WARN),
            empty=("Empty by schedule", IDLE),
            off=("Off", IDLE),
        ),
        "condition": _table(
            healthy=("Healthy", OK),
            hard_limited=("Hard-limited", BAD),
            validation_failed=("Invalid preset", BAD),
        ),
        "version": _table(
            active=("Active", OK),
            ready=("Ready", IDLE),
            archived=("Archived", GONE),
            pending=("Import pending", BUSY),
            running=("Importing", BUSY),
            failed=("Import failed", BAD),
            canceling=("Canceling", WARN),
            canceled=("Import canceled", GONE),
        ),
        "template": _table(
            active=("Active", OK),
            deprecated=("Deprecated", WARN),
            deleted=("Deleted", GONE),
            no_version=("No version", WARN),
        ),
        "daemon": _table(
            idle=("Idle", OK),
            busy=("Busy", BUSY),
            offline=("Offline", BAD),
        ),
        "audit": _table(
            done=("Done", OK),
            redirected=("Redirected", WARN),
            refused=("Refused", WARN),
            failed=("Failed", BAD),
        ),
        "quota": _table(
            fits=("Within", OK),
            tight=("Nearly used", WARN),
            over=("Over", BAD),
            unlimited=("Not limited", IDLE),
        ),
        "user": _table(
            active=("Active", OK),
            dormant=("Dormant", IDLE),
            suspended=("Suspended", WARN),
        ),
    }
)


def look_of(kind: str, state: str) -> Look:
    """The look of a state; one that the table does not know is shown by its own name, not hidden."""
    found = LOOKS.get(kind, {}).get(state)
    if found is not None:
        return found
    return Look((state or "unknown").replace("_", " ").capitalize(), "idle", "state-open")
