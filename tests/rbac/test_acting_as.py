"""Every use of a system subject in the product is listed beside this file, so that a new one is seen in
review. After a change that is meant: `python -m tests.rbac.test_acting_as` writes the list anew."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("system_subjects.txt")


def uses() -> list[tuple[str, str, list[str]]]:
    """(file, system subject, reasons) of every `acting_as(...)` outside of tests. A reason given by name is
    looked up among the texts that the file assigns to that name."""
    found = []
    for package in ("coder_admin", "prebuilds", "rbac"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and (
                    getattr(node.func, "id", "") or getattr(node.func, "attr", "")
                ) in (
                    "acting_as",
                    "acting_as_sub_agent_api",
                ):
                    given = [k.value for k in node.keywords if k.arg == "reason"]
                    who = ast.unparse(node.args[0]) if node.args else ""
                    reasons = [text for value in given for text in _texts(tree, value)]
                    found.append((str(path.relative_to(ROOT)), who, reasons))
    return found


def _texts(tree: ast.Module, value: ast.expr) -> list[str]:
    if isinstance(value, ast.Constant | ast.JoinedStr):
        return [ast.unparse(value)]
    if isinstance(value, ast.IfExp):
        return _texts(tree, value.body) + _texts(tree, value.orelse)
    if not isinstance(value, ast.Name):
        return []
    assigned = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and node.value is not None
        and value.id
        in [getattr(t, "id", "") for t in getattr(node, "targets", [getattr(node, "target", None)])]
    ]
    return [text for inner in assigned if not isinstance(inner, ast.Name) for text in _texts(tree, inner)]


def test_every_use_names_a_subject_and_gives_a_written_reason() -> None:
    listed = uses()
    assert listed
    for where, who, reasons in listed:
        assert who.startswith("SystemSubject."), where
        assert reasons, f"{where}: write the reason in the file that uses it"
        for reason in reasons:
            assert len(reason.split()) >= 3, f"{where}: say in a clause why the program acts in its own name"


def listing() -> str:
    """One line for each use: file, subject, reason."""
    lines = sorted(
        f"{where}: {who.removeprefix('SystemSubject.')}: {' / '.join(reasons)}"
        for where, who, reasons in uses()
    )
    return "\n".join(lines) + "\n"


def test_the_list_of_uses_is_the_reviewed_one() -> None:
    assert listing() == LIST.read_text(), "review the new use, then run python -m tests.rbac.test_acting_as"


if __name__ == "__main__":
    LIST.write_text(listing())
