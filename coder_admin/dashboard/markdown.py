"""Markdown as plain text: messages and descriptions are shown without any of their marks."""

from __future__ import annotations

import re

_RULES = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\(([^)\s]+)[^)]*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"`{1,3}([^`\n]+)`{1,3}"), r"\1"),
    (re.compile(r"^#{1,6}\s+", re.MULTILINE), ""),
    (re.compile(r"^---\n.*?\n---\n", re.DOTALL), ""),
)
LONGEST = 20_000


def plain(text: str) -> str:
    """The text without marks of emphasis, links, headings and front matter; bounded."""
    text = text[:LONGEST].replace("\r\n", "\n")
    for pattern, replacement in reversed(_RULES):
        text = pattern.sub(replacement, text)
    return text.strip()
