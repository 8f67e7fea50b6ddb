"""What must be gone before a user or an organization may be deleted.

Rooms above register how to count what they keep, so that this room need not know them.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

Counter = Callable[[UUID], int]

_of_organization: dict[str, Counter] = {}
_of_user: dict[str, Counter] = {}


def register_organization_dependents(plural: str, counter: Counter) -> None:
    """`counter(organization id)` counts live rows called `plural` ("workspaces") in an organization."""
    _of_organization[plural] = counter


def register_user_dependents(plural: str, counter: Counter) -> None:
    """`counter(user id)` counts live rows called `plural` that the user owns."""
    _of_user[plural] = counter


def organization_dependents(organization_id: UUID) -> dict[str, int]:
    """The counts that are above zero, by plural."""
    return _counts(_of_organization, organization_id)


def user_dependents(user_id: UUID) -> dict[str, int]:
    """The counts that are above zero, by plural."""
    return _counts(_of_user, user_id)


def _counts(counters: dict[str, Counter], key: UUID) -> dict[str, int]:
    counted = {plural: counter(key) for plural, counter in counters.items()}
    return {plural: count for plural, count in counted.items() if count > 0}
