"""What a delivery out of the house takes and gives."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from .models import NotificationMessage
from .outbox import Failure, kind_of
from .rendering import Composer, Rendered, RenderError


class DeliveryError(Exception):
    """Not delivered. `retryable` says whether another attempt may succeed."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its rendered text."""

    message: NotificationMessage
    text: Rendered
    icon: str

    @property
    def actions(self) -> list[dict[str, str]]:
        found = self.message.payload.get("actions")
        return found if isinstance(found, list) else []


def write_letter(message: NotificationMessage, composer: Composer) -> Letter | Failure:
    """The message with its text, or why it will never have one: a text that fails once fails always."""
    kind = kind_of(message)
    if kind is None:
        return Failure(message, unregistered(message.notification_template_id), retryable=False)
    try:
        return Letter(message, composer.compose(kind, message.payload), kind.icon)
    except RenderError as error:
        return Failure(message, unrenderable(error), retryable=False)


def unregistered(kind_id: uuid.UUID) -> str:
    """The reason of a failure: nobody registers the kind (any more)."""
    return f"kind {kind_id} is not registered"


def unrenderable(error: RenderError) -> str:
    """The reason of a failure: the kind's template."""
    return f"the text cannot be rendered: {error}"
