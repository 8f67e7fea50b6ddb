"""Where the shared case sets are: facts about what real programs answer, beside the repository.

A user's clone has none and skips the tests that read them; in CI (CI=true) their absence is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CASES = Path(os.environ.get("CASES_DIR") or PROJECT.parent / "shared" / "cases")
ABSENT = f"no case sets at {CASES}; CASES_DIR names another folder"


def has_cases() -> bool:
    """Whether the case sets are there. Raises RuntimeError when CI lacks them."""
    if CASES.is_dir():
        return True
    if os.environ.get("CI") == "true":
        raise RuntimeError(ABSENT)
    return False
