"""What templates and versions may be called, and a name for a version that was given none."""

from __future__ import annotations

import re
import secrets

from coder_admin.foundation.errors import Validation

_TEMPLATE = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*\Z")
_VERSION = re.compile(r"[a-zA-Z0-9]+(?:[_.-][a-zA-Z0-9]+)*\Z")
_RESERVED = frozenset({"new", "edit"})  # words of addresses

_ADJECTIVES = """
    amber brisk calm clever crisp eager early fresh gentle golden happy keen kind lively lucid
    mellow neat noble quick quiet rosy sharp shiny smooth steady sunny swift tidy vivid warm wise
"""
_NOUNS = """
    acorn badger birch brook cedar comet coral crane falcon fern finch fjord harbor hazel heron
    iris lagoon lark lemur lynx maple otter pebble plover quartz raven reef robin spruce swan tulip
    willow wren zephyr
"""


def template_name_problem(name: str) -> Validation | None:
    """Why a template cannot be called so, or None: letters, digits and single hyphens, at most 32."""
    if not name:
        return Validation("name", "A template needs a name.")
    if len(name) > 32 or not _TEMPLATE.match(name):
        return Validation("name", "Use letters, digits and single hyphens, at most 32 characters.")
    if name.lower() in _RESERVED:
        return Validation("name", f'"{name}" is reserved: choose another name.')
    return None


def version_name_problem(name: str) -> Validation | None:
    """Why a version cannot be called so, or None: letters, digits, hyphen, dot, underscore, at most 64."""
    if len(name) > 64 or not _VERSION.match(name):
        detail = "Use letters, digits and single hyphens, dots or underscores, at most 64 characters."
        return Validation("name", detail)
    return None


def display_name_problem(name: str) -> Validation | None:
    """Why a template cannot be shown so, or None: at most 64 characters, no blanks at the ends."""
    if len(name) > 64 or name != name.strip():
        return Validation("display_name", "Use at most 64 characters, without blanks at the ends.")
    return None


def random_version_name() -> str:
    """Two words and a number, such as ``quiet_heron42``: easy to say, unlikely to meet another."""
    number = secrets.randbelow(900) + 100
    return f"{secrets.choice(_ADJECTIVES.split())}_{secrets.choice(_NOUNS.split())}{number}"
