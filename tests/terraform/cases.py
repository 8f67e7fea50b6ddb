"""Where the case sets are, and how a value compares with what a case expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coder_admin.terraform import Value
from coder_admin.terraform.printing import to_json_text
from coder_admin.terraform.types import type_to_json
from tests.case_sets import ABSENT, CASES, has_cases

needs_cases = pytest.mark.skipif(not has_cases(), reason=ABSENT)


def read_json(path: str) -> Any:
    """A JSON file of the case sets; an empty list where they are absent."""
    return json.loads((CASES / path).read_text()) if has_cases() else []


def folders(path: str) -> list[Path]:
    """Sub-folders of a case set, sorted."""
    return sorted(item for item in (CASES / path).iterdir() if item.is_dir()) if has_cases() else []


def as_in_cases(found: dict[str, Any]) -> dict[str, Any]:
    """An object of our JSON as the cases have it: `{"$unknown": True}` stands for what is unknown."""
    return {"$unknown": True} if found.keys() == {"unknown", "type"} else found


def plain(value: Value) -> Any:
    """The value as plain data with exact numbers; `{"$unknown": True}` for what is unknown."""
    return json.loads(to_json_text(value), object_hook=as_in_cases)


def same(got: Any, wanted: Any) -> bool:
    """Equal, with doubles compared to 12 digits and bools apart from numbers."""
    if isinstance(got, bool) or isinstance(wanted, bool):
        return got is wanted
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        if isinstance(got, int) and isinstance(wanted, int):
            return got == wanted
        return got == wanted or abs(float(got) - float(wanted)) <= 1e-12 * abs(float(wanted))
    if isinstance(got, dict) and isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(same(got[key], wanted[key]) for key in got)
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    return type(got) is type(wanted) and bool(got == wanted)


def type_of(value: Value) -> Any:
    return type_to_json(value.type)
