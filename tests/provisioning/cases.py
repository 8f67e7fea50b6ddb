"""Where the shared cases are; a user's clone has none and skips."""

from pathlib import Path

import pytest

from tests.case_sets import ABSENT, CASES, has_cases

needs_cases = pytest.mark.skipif(not has_cases(), reason=ABSENT)


def plan_folders() -> list[Path]:
    folder = CASES / "terraform_plans"
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
