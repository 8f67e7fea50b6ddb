"""What changed, field by field, with secrets never stored.

Each audited kind of row declares once which fields are tracked and which are secret; fields it does not
name are ignored (section 6 of the reference).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

Diff = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Tracked:
    """The fields of one audited kind. A secret field shows that it changed, never what it held."""

    track: tuple[str, ...]
    secret: tuple[str, ...] = ()

    def snapshot(self, row: Any) -> dict[str, Any]:
        """The fields' values now, as JSON; take one before the write and one after."""
        return {name: _as_json(getattr(row, name)) for name in (*self.track, *self.secret)}

    def changes(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Diff:
        """`{field: {old, new, secret}}` of what differs. `before=None` is a creation and `after=None` a
        deletion: every field that holds something counts as changed."""
        diff: Diff = {}
        for name in (*self.track, *self.secret):
            old = before[name] if before is not None else None
            new = after[name] if after is not None else None
            one_sided = before is None or after is None
            if old == new or (one_sided and _is_empty(old) and _is_empty(new)):
                continue
            if name in self.secret:
                diff[name] = {"old": "", "new": "", "secret": True}
            else:
                diff[name] = {"old": old, "new": new, "secret": False}
        return diff


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", False, 0, [], {})


def _as_json(value: Any) -> Any:
    match value:
        case Enum():
            return _as_json(value.value)
        case uuid.UUID():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case bytes() | memoryview():
            return f"{len(bytes(value))} bytes"
        case dict():
            return {str(key): _as_json(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_as_json(inner) for inner in value]
        case str() | int() | float() | None:
            return value
    return str(value)
