"""Replaced resources for people: which, why, and what to write so that a claim keeps them. Pure.

A path is the reference's form (section 2): parts joined by dots, list positions as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_INDEX = re.compile(r"\[(?:\d+|\"(?:[^\"\\]|\\.)*\")\]")
_NAME = re.compile(r"[A-Za-z_][\w-]*\Z")


@dataclass(frozen=True, slots=True)
class Replaced:
    """One resource that a plan replaced. `snippet` is what to put into its block; `times` counts claims."""

    address: str
    paths: tuple[str, ...]
    module: str
    snippet: str
    times: int = 1

    @property
    def reason(self) -> str:
        """What forced it, in words."""
        if not self.paths:
            return "The plan names no attribute; look at replace_triggered_by in its lifecycle block."
        return f"Forced by {', '.join(self.paths)}."


def replaced(replacements: Mapping[str, Iterable[str]], times: int = 1) -> list[Replaced]:
    """The replaced resources in the order of their addresses."""
    return [_one(address, tuple(paths), times) for address, paths in sorted(replacements.items())]


def summed(builds: Iterable[Mapping[str, Iterable[str]]]) -> list[Replaced]:
    """Replacements of many builds as one list: paths united, the most frequent first."""
    paths: dict[str, set[str]] = {}
    times: dict[str, int] = {}
    for replacements in builds:
        for address, found in replacements.items():
            plain = _INDEX.sub("", address)
            paths.setdefault(plain, set()).update(found)
            times[plain] = times.get(plain, 0) + 1
    rows = [_one(address, tuple(sorted(found)), times[address]) for address, found in paths.items()]
    return sorted(rows, key=lambda row: (-row.times, row.address))


def _one(address: str, paths: tuple[str, ...], times: int) -> Replaced:
    parts = _INDEX.sub("", address).split(".")
    return Replaced(
        address=address,
        paths=paths,
        module=".".join(parts[:-2]),
        snippet=_snippet(parts[-2:], paths),
        times=times,
    )


def _snippet(name: list[str], paths: tuple[str, ...]) -> str:
    if len(name) != 2 or not paths:
        return ""
    attributes = ", ".join(_reference(path) for path in paths)
    return (
        f'resource "{name[0]}" "{name[1]}" {{\n'
        "  # …\n"
        "  lifecycle {\n"
        f"    ignore_changes = [{attributes}]\n"
        "  }\n"
        "}"
    )


def _reference(path: str) -> str:
    """A path as `ignore_changes` takes it: `disk.0.size` is disk[0].size, `tags.Name` is tags["Name"]."""
    text = ""
    after_index = False
    for part in path.split("."):
        if not text:
            text = part
        elif part.isdecimal():
            text, after_index = f"{text}[{part}]", True
            continue
        elif after_index and _NAME.match(part):
            text = f"{text}.{part}"
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text = f'{text}["{escaped}"]'
        after_index = False
    return text
