"""Which texts may be names of users, organizations, groups and roles. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from coder_admin.foundation.errors import Invalid, Validation

_SLUG = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*\Z")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\Z")
RESERVED = frozenset({"new", "create"})
"""Words that stand in the addresses of pages, so that no row may take them."""
NAME_LENGTH = 32
DISPLAY_LENGTH = 64


def slug_problem(text: str, *, maximum: int = NAME_LENGTH) -> str:
    """What is wrong with a short name, or the empty text: letters and digits, single hyphens between."""
    if not text:
        return "must not be empty"
    if len(text) > maximum:
        return f"may have {maximum} characters at most"
    if not _SLUG.match(text):
        return "may hold only letters, digits and single hyphens between them"
    if text.lower() in RESERVED:
        return f'"{text}" is a reserved word'
    return ""


def display_problem(text: str, *, maximum: int = DISPLAY_LENGTH) -> str:
    """What is wrong with a name for people; it may be empty."""
    if len(text) > maximum:
        return f"may have {maximum} characters at most"
    if text != text.strip():
        return "must not begin or end with a space"
    if any(ord(character) < 32 for character in text):
        return "must not hold control characters"
    return ""


def group_name_problem(text: str) -> str:
    """What is wrong with a group's name; identity providers name groups freely, so blanks are allowed."""
    if not text:
        return "must not be empty"
    if text.lower() == "everyone":
        return f'"{text}" is a reserved group name'
    return display_problem(text)


def email_problem(text: str) -> str:
    """What is wrong with an e-mail address."""
    if len(text) > 254:
        return "may have 254 characters at most"
    return "" if _EMAIL.match(text) else "must be an e-mail address"


def refuse_problems(problems: Iterable[tuple[str, str]]) -> None:
    """Raise Invalid that names every field with a problem; silent when there is none."""
    found = [Validation(name, problem) for name, problem in problems if problem]
    if found:
        raise Invalid("Validation failed.", validations=found)
