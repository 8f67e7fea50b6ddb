"""The `q` of workspace lists: `owner:me status:running name:dev …` (reference section 9).

Pure: text in, a frozen query or a list of what is wrong out.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.foundation.search import parse_terms

from .statuses import WorkspaceStatus

KEYS = (
    "owner",
    "template",
    "name",
    "status",
    "organization",
    "has-agent",
    "dormant",
    "last_used_after",
    "last_used_before",
    "outdated",
    "param",
    "id",
)
AGENT_STATES = ("connecting", "connected", "disconnected", "timeout")
_BARE = "words without a key"


@dataclass(frozen=True, slots=True)
class WorkspaceQuery:
    """One list request. Empty fields do not restrict; `text` is matched within the name."""

    owner: str = ""
    template: str = ""
    name: str = ""
    text: str = ""
    statuses: tuple[WorkspaceStatus, ...] = ()
    organization: str = ""
    has_agent: tuple[str, ...] = ()
    dormant: bool | None = None
    last_used_after: datetime | None = None
    last_used_before: datetime | None = None
    outdated: bool | None = None
    params: tuple[tuple[str, str | None], ...] = ()
    ids: tuple[uuid.UUID, ...] = ()


def parse_query(text: str) -> WorkspaceQuery:
    """Read the search text. Raises Invalid that names each unknown key and bad value.

    `owner/name` is short for both; words without a key look for their text within the name. A time holds
    colons, so it stands in quotes: `last_used_after:"2026-01-31T12:00:00Z"`.
    """
    terms = parse_terms(text, keys=KEYS, default=_BARE)
    query, wrong = WorkspaceQuery(), []
    for key in (*KEYS, _BARE):
        for value in terms.all(key):
            try:
                query = _APPLY[key](query, value)
            except ValueError as error:
                wrong.append(Validation(key, f'"{value}" is not a valid value. {error}'.strip()))
    if wrong:
        raise Invalid("Invalid workspace search query.", validations=wrong)
    return query


def _bare(query: WorkspaceQuery, value: str) -> WorkspaceQuery:
    owner, slash, name = value.partition("/")
    return replace(query, owner=owner, name=name) if slash else replace(query, text=value)


def _flag(value: str) -> bool:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in flags:
        raise ValueError("Use true or false.")
    return flags[value.lower()]


def _time(value: str) -> datetime:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("Name the time zone, as in 2026-01-31T12:00:00Z.")
    return at


def _statuses(value: str) -> tuple[WorkspaceStatus, ...]:
    known = ", ".join(WorkspaceStatus.values)
    parts = [part.strip().lower() for part in value.split(",")]
    if any(part not in WorkspaceStatus.values for part in parts):
        raise ValueError(f"Use one of {known}.")
    return tuple(WorkspaceStatus(part) for part in parts)


def _agents(value: str) -> tuple[str, ...]:
    parts = tuple(part.strip().lower() for part in value.split(","))
    if any(part not in AGENT_STATES for part in parts):
        raise ValueError(f"Use one of {', '.join(AGENT_STATES)}.")
    return parts


def _param(value: str) -> tuple[str, str | None]:
    name, equals, wanted = value.partition("=")
    if not name:
        raise ValueError("Write param:name or param:name=value.")
    return name, wanted if equals else None


_APPLY: dict[str, Callable[[WorkspaceQuery, str], WorkspaceQuery]] = {
    _BARE: _bare,
    "owner": lambda q, v: replace(q, owner=v),
    "template": lambda q, v: replace(q, template=v),
    "name": lambda q, v: replace(q, name=v),
    "status": lambda q, v: replace(q, statuses=_statuses(v)),
    "organization": lambda q, v: replace(q, organization=v),
    "has-agent": lambda q, v: replace(q, has_agent=_agents(v)),
    "dormant": lambda q, v: replace(q, dormant=_flag(v)),
    "last_used_after": lambda q, v: replace(q, last_used_after=_time(v)),
    "last_used_before": lambda q, v: replace(q, last_used_before=_time(v)),
    "outdated": lambda q, v: replace(q, outdated=_flag(v)),
    "param": lambda q, v: replace(q, params=(*q.params, _param(v))),
    "id": lambda q, v: replace(q, ids=tuple(uuid.UUID(part) for part in v.split(","))),
}
