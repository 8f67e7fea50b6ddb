"""What a reader takes for one character: Unicode's extended grapheme clusters."""

from __future__ import annotations

from collections.abc import Iterator

from wcwidth import iter_graphemes

# Characters that nothing after them joins; the set is cty's.
_SEPARATE = frozenset("-_:;/\\,.(){}[]|?!~ \t@#$%^&*+\"'")


def graphemes(text: str) -> Iterator[str]:
    """The text's grapheme clusters in order."""
    if text.isascii() and "\r" not in text:
        return iter(text)
    return iter(iter_graphemes(text))


def grapheme_count(text: str) -> int:
    if text.isascii() and "\r" not in text:
        return len(text)
    return sum(1 for _ in iter_graphemes(text))


def safe_prefix(text: str) -> str:
    """As much of a text as is certain to begin every text that it is the beginning of.

    What follows may join its last character to another one, so that is left out, unless nothing joins it.
    """
    if not text or text[-1] in _SEPARATE:
        return text
    return "".join(list(graphemes(text))[:-1])
