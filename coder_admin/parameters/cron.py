"""The form of a prebuild schedule's cron expression and timezone (reference dynamic-parameters 10.2).

Only the form of a single expression is judged here; whether two schedules of a preset overlap is a
rule of the prebuilds, which adds itself to the import (``catalog.imports.register_preset_validator``).
"""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: name, lowest, highest, names and what the first name counts as
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], int], ...] = (
    ("hour", 0, 23, (), 0),
    ("day-of-month", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day-of-week", 0, 6, _DAYS, 0),
)
_NUMBER = re.compile(r"[0-9]{1,4}\Z")


def cron_problem(expression: str) -> str | None:
    """Why ``expression`` is no schedule, or None: five fields, the minute ``*``, the usual grammar."""
    fields = expression.split()
    if len(fields) != 5:
        expected = "expected 5: minute hour day-of-month month day-of-week"
        return f'cron "{expression}" has {len(fields)} fields, {expected}'
    if fields[0] != "*":
        return f'cron "{expression}": the minute field should be * (a schedule holds for whole hours)'
    for text, (name, low, high, names, first) in zip(fields[1:], _FIELDS, strict=True):
        for part in text.split(","):
            problem = _part_problem(part, low, high, names, first)
            if problem:
                return f'cron "{expression}": invalid {name} range: {problem} in the {name} field'
    return None


def _part_problem(part: str, low: int, high: int, names: tuple[str, ...], first: int) -> str | None:
    span, slash, step = part.partition("/")
    if slash and (not _NUMBER.match(step) or int(step) == 0):
        return f'the step of "{part}" is not a positive number'
    if span in ("*", "?"):
        return None
    start_text, dash, end_text = span.partition("-")
    start = _number(start_text, names, first)
    end = _number(end_text, names, first) if dash else start
    if start is None or end is None:
        return f'"{part}" is not a number, range or list'
    if start < low or end > high:
        return f'"{part}" lies outside {low} to {high}'
    return f'the range "{part}" runs backwards' if start > end else None


def _number(text: str, names: tuple[str, ...], first: int) -> int | None:
    if _NUMBER.match(text):
        return int(text)
    return names.index(text.lower()) + first if text.lower() in names else None


def timezone_problem(name: str) -> str | None:
    """Why ``name`` is no IANA zone, or None. "" and ``Local`` are refused: they mean the server's zone."""
    remedy = "use an IANA name such as Europe/Berlin or UTC"
    if name in ("", "Local"):
        return f'failed to load timezone "{name}": {remedy}'
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'failed to load timezone "{name}": {remedy}'
    return None
