"""What a reader takes for one character: Unicode's extended grapheme clusters."""

from __future__ import annotations

from collections.abc import Iterator

from wcwidth import iter_graphemes


def graphemes(text: str) -> Iterator[str]:
    """The text's grapheme clusters in order."""
    if text.isascii() and "\r" not in text:
        return iter(text)
    return iter(iter_graphemes(text))


def grapheme_count(text: str) -> int:
    if text.isascii() and "\r" not in text:
        return len(text)
    return sum(1 for _ in iter_graphemes(text))
