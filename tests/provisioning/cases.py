"""Where the shared cases are; a user's clone has none and skips."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(os.environ.get("CASES_DIR") or ROOT.parent / "shared" / "cases")
if not CASES.is_dir():
    CASES = ROOT.parents[1] / "shared" / "cases"

needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"the shared cases are not here ({CASES}): set CASES_DIR to their folder"
)


def plan_folders() -> list[Path]:
    folder = CASES / "terraform_plans"
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
