"""An entry of the audit trail as the page shows it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.http import urlencode

from coder_admin.audit.describe import NOBODY, description
from coder_admin.audit.models import AuditLog
from coder_admin.audit.resources import UNKNOWN, Linked

LONGEST = 2000
SECRET = "changed; the value is not kept"  # noqa: S105 (a sentence)


@dataclass(frozen=True)
class Changed:
    """One field of a diff, as texts."""

    field: str
    old: str
    new: str
    secret: bool


@dataclass(frozen=True)
class EntryView:
    """One entry: who did what to which resource, how it ended, and what changed."""

    row: AuditLog
    who: str
    verb: str
    target: str
    link: str
    deleted: bool
    outcome: str
    changes: tuple[Changed, ...]
    facts: tuple[tuple[str, str], ...]
    same_request: str

    @property
    def expandable(self) -> bool:
        return bool(self.changes or self.facts)


def entry_view(row: AuditLog, where: Mapping[tuple[str, str], Linked], *, path: str) -> EntryView:
    """`where` says where resources are now; `path` is the page's own address."""
    found = where.get((row.resource_type, row.resource_id), UNKNOWN)
    before, names, after = description(row.action, row.resource_type, row.status_code).partition("{target}")
    query = urlencode({"filter": f"request_id:{row.request_id}"})
    return EntryView(
        row=row,
        who=row.username or NOBODY,
        verb=before.replace("{user}", "").strip(),
        target=(row.resource_target + after).strip() if names else "",
        link=found.link,
        deleted=found.deleted,
        outcome=outcome_of(row.status_code),
        changes=tuple(_changed(name, row.diff[name]) for name in sorted(row.diff)),
        facts=tuple(
            (name.replace("_", " "), _text(row.additional_fields[name])) for name in row.additional_fields
        ),
        same_request=f"{path}?{query}",
    )


def outcome_of(status: int) -> str:
    """A key of the `audit` looks."""
    if status in (401, 403, 404):
        return "refused"
    return "failed" if status >= 400 else "redirected" if status == 303 else "done"


def _changed(name: str, change: Mapping[str, Any]) -> Changed:
    secret = bool(change.get("secret"))
    old, new = ("", SECRET) if secret else (_text(change.get("old")), _text(change.get("new")))
    return Changed(name, old, new, secret)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list):
        text = ", ".join(str(one) for one in value)
    else:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
