"""Reading evaluated block arguments: what is absent, what is unusable, what must not be shown.

An optional argument that is unknown, null, sensitive or of another type reads as absent, as Coder
reads it (reference dynamic-parameters 4.9); the functions here keep that rule in one place.
"""

from collections.abc import Iterable

from coder_admin.terraform import BlockContent, Diagnostic, Instance, Range
from coder_admin.terraform.types import BOOL, NUMBER, STRING
from coder_admin.terraform.values import Value, to_python, to_text

PRIMITIVES = (STRING, NUMBER, BOOL)


def attribute(content: BlockContent, name: str) -> Value | None:
    """The argument, or None when it is not written."""
    return content.attributes.get(name)


def has_value(value: Value | None) -> bool:
    """Written, known and not null."""
    return value is not None and value.is_known and not value.is_null


def is_text(value: Value | None) -> bool:
    """Usable as a text: a known string, number or bool."""
    return value is not None and has_value(value) and value.type in PRIMITIVES


def text_of(value: Value | None) -> str | None:
    """The text of a known string, number or bool that may be shown, else None."""
    if value is None or not is_text(value) or value.deep_marks:
        return None
    return to_text(value)


def optional_text(content: BlockContent, name: str) -> str:
    """A string argument, or "" when it is absent, unusable or sensitive."""
    value = attribute(content, name)
    if value is None or not has_value(value) or value.type is not STRING or value.deep_marks:
        return ""
    return to_text(value)


def optional_flag(content: BlockContent, name: str) -> bool:
    """A bool argument; anything but a known bool is false (also the string "true")."""
    value = attribute(content, name)
    return value is not None and has_value(value) and value.type is BOOL and to_text(value) == "true"


def optional_whole(content: BlockContent, name: str) -> int | None:
    """A number argument with its fraction cut; anything else is None (also a quoted number)."""
    value = attribute(content, name)
    if value is None or not has_value(value) or value.type is not NUMBER or value.deep_marks:
        return None
    number = to_python(value)
    try:
        return int(number)
    except (OverflowError, ValueError):  # infinity
        return None


def block_name(instance: Instance) -> str:
    """How a message names a block: its address, which holds type, label, key and module."""
    return instance.address


def place_of(instance: Instance, name: str = "") -> Range:
    """Where an argument stands; the block itself when it is not written."""
    return instance.config.ranges.get(name, instance.range)


def reasons(diagnostics: Iterable[Diagnostic]) -> str:
    """What the language said about an argument that it could not evaluate, in one line."""
    texts = []
    for item in diagnostics:
        text = f"{item.summary}: {item.detail}" if item.detail else item.summary
        if text not in texts:
            texts.append(text)
    return "; ".join(texts[:3])


def why_unknown(content: BlockContent, name: str) -> str:
    """A sentence or two on an argument that has no value yet: what it refers to, and what went wrong."""
    names = content.unresolved.get(name, ())
    because = reasons(_about(content, name))
    if names:
        return f"there is no value for {', '.join(names)}. {because}".rstrip()
    return because or "it refers to something that has no value yet."


def _about(content: BlockContent, name: str) -> list[Diagnostic]:
    """The diagnostics that lie between an argument and what is written after it."""
    place = content.ranges.get(name)
    if place is None:
        return []
    places = [*content.ranges.values(), *(block.range for block in content.blocks)]
    later = [p.start.byte for p in places if p.file == place.file and p.start.byte > place.start.byte]
    end = min(later, default=None)
    return [
        item
        for item in content.diagnostics
        if item.range is not None
        and item.range.file == place.file
        and item.range.start.byte >= place.start.byte
        and (end is None or item.range.start.byte < end)
    ]
