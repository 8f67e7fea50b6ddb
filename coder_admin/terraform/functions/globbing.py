"""Glob patterns as fileset has them: `*`, `?`, `[a-z]`, `{a,b}` within a part, `**` over any number."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from .registry import FunctionError

_MAX_PATTERN = 1000


@lru_cache(maxsize=128)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path matches the pattern. FunctionError for a pattern that is not valid."""
    if len(pattern) > _MAX_PATTERN:
        raise FunctionError(f"the pattern is longer than {_MAX_PATTERN} characters", 1)
    try:
        compiled = re2.compile(f"(?s){_translated(pattern)}")
    except re2.error:
        raise _invalid(pattern) from None
    return lambda path: compiled.fullmatch(path) is not None


def _invalid(pattern: str) -> FunctionError:
    return FunctionError(f'the pattern "{pattern}" has a syntax error')


def _translated(pattern: str) -> str:
    done: list[str] = []
    at = depth = 0
    while at < len(pattern):
        char = pattern[at]
        piece = re2.escape(char)
        if char == "*":
            piece, at = _stars(pattern, at)
        elif char == "?":
            piece = "[^/]"
        elif char == "[":
            piece, at = _class(pattern, at)
        elif char == "\\":
            at += 1
            if at >= len(pattern):
                raise _invalid(pattern)
            piece = re2.escape(pattern[at])
        elif char == "{":
            depth += 1
            piece = "(?:"
        elif char == "}" and depth:
            depth -= 1
            piece = ")"
        elif char == "," and depth:
            piece = "|"
        done.append(piece)
        at += 1
    if depth:
        raise _invalid(pattern)
    return "".join(done)


def _stars(pattern: str, at: int) -> tuple[str, int]:
    """`**/` stands for any number of directories, a last `/**` for all below, `*` for part of a name."""
    whole = pattern.startswith("**", at) and (at == 0 or pattern[at - 1] == "/")
    if whole and pattern[at + 2 : at + 3] == "/":
        return "(?:[^/]+/)*", at + 2
    if whole and at + 2 == len(pattern):
        return ".*", at + 1
    while pattern[at + 1 : at + 2] == "*":
        at += 1
    return "[^/]*", at


def _class(pattern: str, at: int) -> tuple[str, int]:
    end = at + 1
    negated = pattern[end : end + 1] in ("^", "!")
    if negated:
        end += 1
    items: list[str] = []
    while end < len(pattern) and pattern[end] != "]":
        if pattern[end] == "\\":
            end += 1
        if end >= len(pattern):
            break
        items.append("-" if pattern[end] == "-" else re2.escape(pattern[end]))
        end += 1
    if end >= len(pattern) or not items or items[0] == "-" or items[-1] == "-":
        raise _invalid(pattern)
    return f"[{'^/' if negated else ''}{''.join(items)}]", end
