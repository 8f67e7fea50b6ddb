"""From a kind's templates and a payload to text: markdown, safe HTML, plain text.

The order makes it safe: values are escaped for markdown before they enter the template, markdown is
turned into HTML with raw HTML off, and what comes out is sanitised once more.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.template import Context, Engine, Template, TemplateSyntaxError
from django.utils import timezone

from .bursts import is_digest
from .kinds import ActionTemplate, Kind

APP_NAME = "Coder Admin"
_ESCAPES = str.maketrans({mark: f"\\{mark}" for mark in r"\`*_{}[]()#+-.!|<>&~"})
_ENGINE = Engine(libraries={}, builtins=["django.template.defaultfilters"], autoescape=False)


class RenderError(Exception):
    """A kind's template cannot be rendered; sending it again would not help."""


@dataclass(frozen=True, slots=True)
class Rendered:
    title: str  # plain text
    body: str  # markdown

    @property
    def title_markdown(self) -> str:
        """The same title for whoever reads markdown; titles have no markup of their own."""
        return str(_escaped(self.title))


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
    texts = kind.digest if kind.digest is not None and is_digest(payload) else kind
    given = helpers()
    title = _one_line(_render(texts.title_template, {**given, **payload}))
    # What a text does not name need not be escaped for it.
    escaped = {key: _escaped(value) for key, value in payload.items() if key in texts.body_template}
    return Rendered(title, _render(texts.body_template, {**given, **escaped}).strip())


class Composer:
    """Renders a batch: the text of one fact is rendered once for all its readers, unless it names them."""

    def __init__(self) -> None:
        self._made: dict[tuple[uuid.UUID, str], Rendered] = {}
        self._personal: dict[uuid.UUID, bool] = {}

    def compose(self, kind: Kind, payload: Mapping[str, Any]) -> Rendered:
        """As `render`. Raises RenderError."""
        personal = self._personal.get(kind.id)
        if personal is None:
            personal = self._personal[kind.id] = _is_personal(kind)
        if personal:
            return render(kind, payload)
        key = (kind.id, json.dumps([payload.get("labels"), payload.get("data")]))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = render(kind, payload)
        return found


def _is_personal(kind: Kind) -> bool:
    """Whether a text of the kind depends on more than its labels and data: on who reads it, above all."""
    digest = kind.digest
    texts = (kind.title_template, kind.body_template) + (
        (digest.title_template, digest.body_template) if digest else ()
    )
    return any(name in text for text in texts for name in ("user_", "actions", "targets"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def render_actions(actions: tuple[ActionTemplate, ...], payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """The buttons of a message, as the API shows them."""
    context = {**helpers(), **payload}
    return [{"label": _render(a.label, context), "url": _render(a.url, context)} for a in actions]


def _escaped(value: Any) -> Any:
    """Texts within `value` with all markdown punctuation escaped and line ends flattened."""
    match value:
        case str():
            return " ".join(value.split()).translate(_ESCAPES)
        case dict():
            # Names that templates look up by stay as they are; keys that are shown hold punctuation.
            return {
                key if key.isidentifier() else _escaped(key): _escaped(item) for key, item in value.items()
            }
        case list() | tuple():
            return [_escaped(item) for item in value]
    return value


def _render(template: str, context: dict[str, Any]) -> str:
    try:
        return _compiled(template).render(Context(context, autoescape=False))
    except Exception as error:  # a template may call anything that its payload holds
        raise RenderError(f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    try:
        return Template(template, engine=_ENGINE)
    except TemplateSyntaxError as error:
        raise RenderError(str(error)) from error
