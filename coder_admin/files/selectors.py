"""Who may read which file (notifications-agents-provisioning.md section 5)."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from coder_admin.foundation.errors import Invalid, NotFound, Validation
from rbac.django import may
from rbac.model import Action, Subject

from .models import File

Granter = Callable[[Subject, uuid.UUID], bool]
_granters: list[Granter] = []


def register_granter(granter: Granter) -> None:
    """Let a room above say that a viewer may read a file for its own reasons (a template that uses it)."""
    if granter not in _granters:
        _granters.append(granter)


def file_get(*, viewer: Subject, file_id: str | uuid.UUID) -> File:
    """The file with its content. Raises Invalid for a malformed id, NotFound without the right to read."""
    file = File.objects.filter(pk=parse_id(file_id)).first()
    if file is None:
        raise NotFound
    if may(viewer, Action.READ, file) or any(granter(viewer, file.id) for granter in _granters):
        return file
    raise NotFound


def parse_id(text: str | uuid.UUID, field: str = "file") -> uuid.UUID:
    """The UUID that ``text`` is. Raises Invalid."""
    try:
        return text if isinstance(text, uuid.UUID) else uuid.UUID(text)
    except ValueError:
        problem = Validation(field, "must be a UUID")
        raise Invalid(f"Invalid UUID {str(text)[:60]!r}.", validations=[problem]) from None
