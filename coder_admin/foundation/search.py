"""Search texts of lists: `key:value key:"two words" bare words`, as Coder's `?q=` takes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .errors import Invalid, Validation

MAXIMUM_LENGTH = 1000


@dataclass(frozen=True)
class Terms:
    """The values of each key, in the order written."""

    values: Mapping[str, tuple[str, ...]]

    def first(self, key: str) -> str:
        """The key's value, or the empty text."""
        return self.values.get(key, ("",))[0]

    def all(self, key: str) -> tuple[str, ...]:
        """Every value of the key."""
        return self.values.get(key, ())

    def __contains__(self, key: str) -> bool:
        return key in self.values


def parse_terms(text: str, *, keys: Collection[str], default: str) -> Terms:
    """Split `text` into terms; words without a key are joined as the value of `default`.

    Keys ignore case. An unknown key, a key or value that is missing, a second colon outside quotes and an
    open quote each raise Invalid, with the element named.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise _wrong(f"Search text may have {MAXIMUM_LENGTH} characters at most.")
    values: dict[str, list[str]] = {}
    bare: list[str] = []
    for element in _split(text):
        parts = _split(element, separator=":")
        if len(parts) == 1 and ":" not in _outside_quotes(element):
            bare.append(_unquote(element))
            continue
        if len(parts) != 2 or not parts[0] or not parts[1]:
            raise _wrong(
                f'Query element "{element}" must have the form key:value, with one ":" outside quotes.'
            )
        key = parts[0].lower()
        if key not in keys:
            raise _wrong(f'"{parts[0]}" is not a valid query param. Valid ones: {", ".join(sorted(keys))}.')
        values.setdefault(key, []).append(_unquote(parts[1]))
    if bare:
        values.setdefault(default, []).insert(0, " ".join(bare))
    return Terms({key: tuple(found) for key, found in values.items()})


def _wrong(detail: str) -> Invalid:
    return Invalid("Invalid search query.", validations=[Validation("q", detail)])


def _split(text: str, *, separator: str = " ") -> list[str]:
    parts, current, quoted = [], "", False
    for character in text:
        if character == '"':
            quoted = not quoted
        if character == separator and not quoted:
            parts.append(current)
            current = ""
        else:
            current += character
    if quoted:
        raise _wrong("A quotation mark is opened and not closed.")
    parts.append(current)
    return [part for part in parts if part] if separator == " " else parts


def _outside_quotes(text: str) -> str:
    return "".join(text.split('"')[::2])


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text.replace('"', "")
