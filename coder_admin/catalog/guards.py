"""What the rooms above have to say about a template: what hangs on it, and what follows its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

Counter = Callable[[UUID], int]
PolicyListener = Callable[[UUID, frozenset[str]], None]
OwnerLister = Callable[[UUID], Iterable[UUID]]
_counters: list[Counter] = []
_policy_listeners: list[PolicyListener] = []
_owner_listers: list[OwnerLister] = []


def register_workspace_counter(counter: Counter) -> None:
    """``counter(template id)`` answers how many live workspaces of people a template has; unclaimed
    prebuilds do not count, the reconciler removes them."""
    if counter not in _counters:
        _counters.append(counter)


def blocking_workspaces(template_id: UUID) -> int:
    """How many workspaces stand in the way of deleting the template."""
    return sum(counter(template_id) for counter in _counters)


def register_policy_listener(listener: PolicyListener) -> None:
    """``listener(template id, changed fields)`` runs in the transaction that changes a template's settings:
    rows that were computed from the old ones are computed anew."""
    if listener not in _policy_listeners:
        _policy_listeners.append(listener)


def policy_changed(template_id: UUID, fields: frozenset[str]) -> None:
    """Tell the rooms above."""
    for listener in _policy_listeners:
        listener(template_id, fields)


def register_owner_lister(lister: OwnerLister) -> None:
    """``lister(template id)`` answers which people own live workspaces of a template."""
    if lister not in _owner_listers:
        _owner_listers.append(lister)


def workspace_owners(template_id: UUID) -> list[UUID]:
    """Ids of the people who own workspaces of the template, each once."""
    return sorted({owner for lister in _owner_listers for owner in lister(template_id)})
