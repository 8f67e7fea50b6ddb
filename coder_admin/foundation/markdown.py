"""Markdown of people and templates as HTML that may stand in any page, and as plain text."""

from __future__ import annotations

import re

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST = 50_000
"""Characters of a readme that are rendered."""

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_TAGS = {
    "p",
    "br",
    "em",
    "strong",
    "code",
    "pre",
    "ul",
    "ol",
    "li",
    "a",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
}
_FRONT_MATTER = re.compile(r"\A---\r?\n.*?^---\r?\n", re.DOTALL | re.MULTILINE)


def to_html(markdown: str) -> SafeString:
    """Markdown as HTML that may stand in any page."""
    return _clean(_MARKDOWN.render(markdown))


def _clean(raw: str) -> SafeString:
    html = nh3.clean(
        raw,
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308 - cleaned in the line above


def to_text(markdown: str) -> str:
    """Markdown as plain text: the words, links as `text (address)`, list items on lines of their own."""
    return "\n".join(_lines(_MARKDOWN.parse(markdown))).strip()


def _lines(tokens: list[Token]) -> list[str]:
    lines: list[str] = []
    bullet = ""
    for token in tokens:
        match token.type:
            case "list_item_open":
                bullet = "- "
            case "inline":
                lines.append(bullet + _inline(token.children or []))
                bullet = ""
            case "fence" | "code_block":
                lines.append(token.content.rstrip())
            case "paragraph_close" | "bullet_list_close" | "ordered_list_close" | "heading_close" if (
                not token.hidden
            ):
                lines.append("")
    return lines


def _inline(tokens: list[Token]) -> str:
    parts: list[str] = []
    address = ""
    for token in tokens:
        match token.type:
            case "text" | "code_inline":
                parts.append(token.content)
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "link_open":
                address = str(token.attrs.get("href", ""))
            case "link_close":
                parts.append(f" ({address})" if address and parts[-1:] != [address] else "")
    return "".join(parts)


def readme_html(markdown: str) -> SafeString:
    """A readme as HTML: bounded, and without the front matter that registries read."""
    tokens = _MARKDOWN.parse(_FRONT_MATTER.sub("", markdown[:LONGEST], count=1))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"  # below the title of the card that it stands in
    return _clean(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))
