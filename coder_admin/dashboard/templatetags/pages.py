"""Template tags of lists: where a page begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import template

from coder_admin.dashboard import access
from coder_admin.foundation.pagination import Page
from rbac.django import subject_for

register = template.Library()


@dataclass(frozen=True)
class Bounds:
    """First and last row shown, from 1, and the offsets of the neighbours (None where there is none)."""

    first: int
    last: int
    previous: int | None
    next: int | None


@register.simple_tag
def pager_of(page: Page[Any]) -> Bounds:
    """The bounds of a page for `components/pager.html`."""
    return Bounds(page.offset + 1, page.offset + len(page.items), page.previous_offset, page.next_offset)


@register.simple_tag
def querystring_of(**values: str) -> str:
    """The values as the query of an address, without the question mark."""
    return urlencode(values)


@register.simple_tag(takes_context=True)
def may_explain(context: dict[str, Any]) -> bool:
    """Whether the reader may ask the policy about other people."""
    return access.may_explain(subject_for(context["request"].user))
