"""Filters of lists: one text of `key:value` words that lives in the address, with pickers and chips."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.http import QueryDict

LONGEST = 1000


@dataclass(frozen=True)
class Option:
    """One choice of a picker."""

    value: str
    label: str
    selected: bool = False


@dataclass(frozen=True)
class Picker:
    """A select that writes one key into the filter text."""

    key: str
    label: str
    options: tuple[Option, ...]
    value: str = ""


@dataclass(frozen=True)
class Chip:
    """A filter that is applied; `url` is the list without it."""

    text: str
    url: str


@dataclass(frozen=True)
class FilterBar:
    """What `components/filter_bar.html` draws."""

    text: str
    placeholder: str
    hint: str
    pickers: tuple[Picker, ...] = ()
    chips: tuple[Chip, ...] = ()
    clear_url: str = ""
    errors: tuple[str, ...] = field(default=())


def words_of(text: str) -> list[str]:
    """The words of a filter text; quotes hold blanks together. An open quote is closed at the end."""
    for candidate in (text, text + '"', text + "'"):
        try:
            return shlex.split(candidate)
        except ValueError:
            continue
    return text.split()


def join_words(words: Iterable[str]) -> str:
    """The inverse of `words_of`: words with blanks or quotes are quoted."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if not any(character in word for character in " \t\"'\\"):
        return word
    key, colon, value = word.partition(":")
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"')
        if colon
        else word.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'{key}:"{escaped}"' if colon else f'"{escaped}"'


def value_of(text: str, key: str) -> str:
    """The value that the text gives a key, empty if none."""
    for word in words_of(text):
        name, colon, value = word.partition(":")
        if colon and name.lower() == key:
            return value
    return ""


def with_value(text: str, key: str, value: str) -> str:
    """The text with that key set to one value, or without it when the value is empty."""
    kept = [word for word in words_of(text) if word.partition(":")[0].lower() != key or ":" not in word]
    return join_words([*kept, f"{key}:{value}"] if value else kept)


def merged(query: QueryDict, keys: Sequence[str]) -> str | None:
    """The filter text once the pickers of a submitted form are written into it; None when none was sent.

    Text and pickers are sent together. A picker counts only if it was changed, that is, if it differs
    from what it showed (`was.<key>`); otherwise what was typed wins.
    """
    sent = [key for key in keys if key in query]
    if not sent:
        return None
    text = query.get("filter", "")[:LONGEST]
    for key in sent:
        chosen = query.get(key, "")
        if chosen != query.get(f"was.{key}", ""):
            text = with_value(text, key, chosen)
    return text


def address(path: str, text: str, kept: Mapping[str, str]) -> str:
    """The list's address for a filter text; `kept` are parameters that stay (the organization)."""
    query = {key: value for key, value in kept.items() if value}
    if text:
        query["filter"] = text
    return f"{path}?{urlencode(query)}" if query else path


def filter_bar(
    *,
    path: str,
    text: str,
    kept: Mapping[str, str],
    placeholder: str,
    hint: str,
    pickers: Sequence[Picker] = (),
    errors: Sequence[str] = (),
) -> FilterBar:
    """Chips and selected options for a filter text."""
    words = words_of(text)
    chips = tuple(
        Chip(word, address(path, join_words(words[:number] + words[number + 1 :]), kept))
        for number, word in enumerate(words)
    )
    return FilterBar(
        text=text,
        placeholder=placeholder,
        hint=hint,
        pickers=tuple(_chosen(picker, value_of(text, picker.key)) for picker in pickers),
        chips=chips,
        clear_url=address(path, "", kept),
        errors=tuple(errors),
    )


def _chosen(picker: Picker, value: str) -> Picker:
    options = tuple(Option(one.value, one.label, one.value == value) for one in picker.options)
    if value and not any(option.selected for option in options):
        options = (*options, Option(value, value, True))
    return Picker(picker.key, picker.label, options, value)
