"""What happens to workspaces by themselves, for whoever sends messages about it.

A listener runs inside the transaction of the fact, so that a queued message and the fact are stored
together or not at all; one that fails is logged and hinders neither the fact nor the other listeners.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog
from django.db import transaction

from rbac.model import Subject

from .models import Workspace

log = structlog.get_logger(__name__)


class Happening(StrEnum):
    DORMANT = "dormant"  # marked as dormant; `deleting_at` says when it is deleted
    DELETION = "deletion"  # a dormant one that is to be deleted, which was not so before
    UPDATED = "updated"  # an automatic start took a newer template version
    REFUSED = "refused"  # an automatic build could not even begin; `why` holds the refusal


@dataclass(frozen=True, slots=True)
class Notice:
    """`actor` did it; a system subject means that nobody asked for it."""

    what: Happening
    workspace: Workspace
    actor: Subject
    why: str


Listener = Callable[[Notice], None]
_listeners: list[Listener] = []


def register(listener: Listener) -> None:
    """Hear of everything in `Happening`."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(notice: Notice) -> None:
    """Tell all listeners; call it inside a transaction."""
    for listener in _listeners:
        try:
            with transaction.atomic():
                listener(notice)
        except Exception:
            log.exception("listener failed", what=notice.what, workspace=str(notice.workspace.id))
