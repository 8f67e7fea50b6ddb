"""Upper, lower and title case as Go has them: character by character, never changing a text's length.

Python follows Unicode's full mappings ("ﬁ" becomes "FI", a final sigma differs); Go, and so Terraform, the
simple ones.
"""

from __future__ import annotations

import unicodedata


def upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(_lower, text))


def title(text: str) -> str:
    """Every letter that begins a word in title case. Apostrophes and punctuation begin a new word."""
    done: list[str] = []
    begins = True
    for char in text:
        done.append(_title(char) if begins else char)
        begins = _separates(char)
    return "".join(done)


def _upper(char: str) -> str:
    changed = char.upper()
    return changed if len(changed) == 1 else _title(char)


def _title(char: str) -> str:
    changed = char.title()
    return changed if len(changed) == 1 else char


def _lower(char: str) -> str:
    return char.lower()[0]


def _separates(char: str) -> bool:
    if char.isascii():
        return not (char.isalnum() or char == "_")
    return unicodedata.category(char)[0] not in "LN" and char.isspace()
