"""What an entry is about, as it is now: its page and whether it still exists. The rooms above say so, since
this one knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from .models import AuditLog


@dataclass(frozen=True, slots=True)
class Linked:
    """The address of a resource's page ("" when it has none), and whether it was deleted."""

    link: str = ""
    deleted: bool = False


UNKNOWN = Linked()
GONE = Linked(deleted=True)

Finder = Callable[[Collection[str]], Mapping[str, Linked]]
"""Takes resource ids, gives those that exist (also as deleted rows)."""

_finders: dict[str, Finder] = {}


def register(resource_type: str, finder: Finder) -> None:
    """Let `finder` find resources of this type; an id that it does not give counts as deleted."""
    _finders[resource_type] = finder


def linked(rows: Iterable[AuditLog]) -> dict[tuple[str, str], Linked]:
    """By (type, id), for a page of entries: one call for each type on it."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        if row.resource_id:
            wanted.setdefault(row.resource_type, set()).add(row.resource_id)
    found: dict[tuple[str, str], Linked] = {}
    for type_, ids in wanted.items():
        known = _finders[type_](ids) if type_ in _finders else dict.fromkeys(ids, UNKNOWN)
        found.update({(type_, id_): known.get(id_, GONE) for id_ in ids})
    return found
