"""Every use of a system subject in the product is known here, so that a new one is seen in review."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def uses() -> list[tuple[str, str, str]]:
    """(file, system subject, reason) of every `acting_as(...)` outside of tests."""
    found = []
    for package in ("coder_admin", "prebuilds", "rbac"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                    "acting_as",
                    "acting_as_sub_agent_api",
                ):
                    reasons = [k.value for k in node.keywords if k.arg == "reason"]
                    first = ast.unparse(node.args[0]) if node.args else ""
                    reason = ast.unparse(reasons[0]) if reasons else ""
                    found.append((str(path.relative_to(ROOT)), first, reason))
    return found


def test_every_use_names_a_subject_and_gives_a_written_reason() -> None:
    listed = uses()
    assert listed
    for where, who, reason in listed:
        assert who.startswith("SystemSubject."), where
        assert len(reason.split()) >= 4, f"{where}: say in a clause why the program acts in its own name"
        assert reason[0] in "\"'f", f"{where}: write the reason where it is used"
