"""What happens to accounts, told to rooms above within the transaction of the fact.

They register a listener, so that this room need not know them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from rbac.model import Subject

from .models import User


class AccountEvent(StrEnum):
    CREATED = "created"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    ACTIVATED = "activated"


Listener = Callable[[AccountEvent, User, Subject], object]
_listeners: list[Listener] = []


def on_account(listener: Listener) -> None:
    """Call `listener(event, user, actor)` in the transaction of each change of an account."""
    if listener not in _listeners:
        _listeners.append(listener)


def account_changed(event: AccountEvent, user: User, actor: Subject) -> None:
    """Tell the listeners."""
    for listener in _listeners:
        listener(event, user, actor)
