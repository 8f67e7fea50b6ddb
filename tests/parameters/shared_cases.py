"""The shared cases: facts about what real programs answer, read from beside the repository."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.case_sets import CASES, has_cases

CASES_DIR = CASES
has_cases()  # in CI the absence of the cases is a failure, here and now


def cases_folder(name: str) -> Path:
    """The folder of one kind of cases; the test is skipped where the cases are not at hand."""
    folder = CASES_DIR / name
    if not folder.exists():
        pytest.skip(f"no shared cases in {CASES_DIR} (set CASES_DIR)")
    return folder


@cache
def load(path: str) -> Any:
    file = CASES_DIR / path
    return json.loads(file.read_text()) if file.exists() else None


def rows(path: str, table: str | None = None) -> list[Any]:
    """Rows for parametrising; one skipped row where the cases are absent."""
    data = load(path)
    if data is None:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no shared cases in {CASES_DIR}"))]
    listed = data if table is None else data[table]
    return [pytest.param(row, id=str(row.get("name") or index)) for index, row in enumerate(listed)]


def says(text: str, gist: str) -> bool:
    """Whether a message holds every word of a gist, in any order: gists give the sense, not the wording."""
    words = re.findall(r"[^\s\"'=,:]+", gist.lower())
    plain = re.sub(r"[\"'=,:]", " ", text.lower())
    return all(word in plain for word in words)
