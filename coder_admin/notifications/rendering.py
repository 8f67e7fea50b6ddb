"""From a kind's templates and a payload to text: markdown, safe HTML, plain text.

The order makes it safe: values are escaped for markdown before they enter the template, markdown is
turned into HTML with raw HTML off, and what comes out is sanitised once more.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from . import templates
from .bursts import is_digest
from .kinds import ActionTemplate, Kind
from .templates import RenderError

__all__ = ["Composer", "RenderError", "Rendered", "helpers", "render", "render_actions"]

APP_NAME = "Coder Admin"
# What else a payload holds beside labels and data (see `enqueue`).
_OF_ONE_MESSAGE = re.compile(r"(?<![\w.])(user_|actions|targets|notification_|_version)")


@dataclass(frozen=True, slots=True)
class Rendered:
    title: str  # plain text
    body: str  # markdown

    @property
    def title_markdown(self) -> str:
        """The same title for whoever reads markdown; titles have no markup of their own."""
        return str(templates.escape(self.title))


def helpers() -> dict[str, Any]:
    """What every template may use beside its payload."""
    return {
        "base_url": settings.ACCESS_URL,
        "app_name": APP_NAME,
        "logo_url": f"{settings.ACCESS_URL}/static/dashboard/icon.svg",
        "current_year": timezone.now().year,
    }


def render(kind: Kind, payload: Mapping[str, Any]) -> Rendered:
    """Title and body of a message, or of a digest of several. Raises RenderError."""
    return _rendered(kind, payload, helpers())


def _rendered(kind: Kind, payload: Mapping[str, Any], given: Mapping[str, Any]) -> Rendered:
    texts = kind.digest if kind.digest is not None and is_digest(payload) else kind
    title = _one_line(templates.plain(texts.title_template, given, payload))
    return Rendered(title, templates.markdown(texts.body_template, given, payload).strip())


class Composer:
    """Renders a batch: the text of one fact is rendered once for all its readers, unless it names them."""

    def __init__(self) -> None:
        self._made: dict[tuple[uuid.UUID, str], Rendered] = {}
        self._personal: dict[uuid.UUID, bool] = {}
        self._given = helpers()

    def compose(self, kind: Kind, payload: Mapping[str, Any]) -> Rendered:
        """As `render`. Raises RenderError."""
        if self.is_personal(kind):
            return _rendered(kind, payload, self._given)
        return self.compose_stored(kind, json.dumps([payload.get("labels"), payload.get("data")]))

    def compose_stored(self, kind: Kind, facts: str) -> Rendered:
        """The same for a kind that is not personal: `facts` is the JSON of labels and data, which is all
        that its texts depend on. Raises RenderError."""
        found = self._made.get((kind.id, facts))
        if found is None:
            labels, data = json.loads(facts)
            payload = {key: value for key, value in (("labels", labels), ("data", data)) if value is not None}
            found = self._made[kind.id, facts] = _rendered(kind, payload, self._given)
        return found

    def is_personal(self, kind: Kind) -> bool:
        """Whether a text of the kind depends on more than its labels and data."""
        found = self._personal.get(kind.id)
        if found is None:
            found = self._personal[kind.id] = _is_personal(kind)
        return found


def _is_personal(kind: Kind) -> bool:
    """Whether a text of the kind depends on more than its labels and data: on who reads it, above all."""
    digest = kind.digest
    texts = (kind.title_template, kind.body_template) + (
        (digest.title_template, digest.body_template) if digest else ()
    )
    return any(_OF_ONE_MESSAGE.search(text) for text in texts)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def render_actions(actions: tuple[ActionTemplate, ...], payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """The buttons of a message, as the API shows them."""
    given = helpers()
    return [
        {
            "label": templates.plain(action.label, given, payload),
            "url": templates.plain(action.url, given, payload),
        }
        for action in actions
    ]
