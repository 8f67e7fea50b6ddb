"""What keeps a template from being deleted: the rooms above count what still hangs on it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

Counter = Callable[[UUID], int]
_counters: list[Counter] = []


def register_workspace_counter(counter: Counter) -> None:
    """``counter(template id)`` answers how many live workspaces of people a template has; unclaimed
    prebuilds do not count, the reconciler removes them."""
    if counter not in _counters:
        _counters.append(counter)


def blocking_workspaces(template_id: UUID) -> int:
    """How many workspaces stand in the way of deleting the template."""
    return sum(counter(template_id) for counter in _counters)
