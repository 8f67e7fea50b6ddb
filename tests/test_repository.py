"""Promises about the repository itself that no other tool checks."""

from __future__ import annotations

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("coder_admin", "prebuilds", "rbac")
SOURCES = [
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts
]


def test_views_and_endpoints_leave_queries_to_selectors_and_services() -> None:
    thin = re.compile(r"(^|/)(views|api|consumers|dashboard/people)(/.*)?\.py$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        if thin.search(str(path.relative_to(ROOT)))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"\.objects\.", line)
    ]
    assert found == []


def test_no_lock_or_setting_names_a_registry() -> None:
    files = [*(ROOT / "requirements").iterdir(), ROOT / "pyproject.toml", ROOT / "Makefile"]
    for file in files:
        assert not re.search(r"https?://|index-url *=|find-links *=", file.read_text()), file


def test_every_dependency_is_pinned_with_a_hash() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        for block in re.split(r"\n(?=[a-z0-9])", lock.read_text().strip()):
            if not block.startswith("#"):
                assert re.match(r"[\w.-]+(\[[\w, -]+\])?==\S+", block), block[:80]
                assert "--hash=sha256:" in block, block[:80]


def test_extras_are_locked_where_a_dependency_asks_for_them() -> None:
    """pip refuses `name[extra]` beside a lock of the bare `name` as soon as a newer release is out."""
    locked = {
        canonicalize_name(requirement.name): requirement.extras
        for line in (ROOT / "requirements" / "dev.lock").read_text().splitlines()
        if re.match(r"[a-z0-9]", line)
        for requirement in [Requirement(line.rstrip(" \\"))]
    }
    missing = [
        f"{name}: {text}"
        for name in locked
        for text in _requires(name)
        for wanted in [Requirement(text)]
        if wanted.extras and (wanted.marker is None or wanted.marker.evaluate({"extra": ""}))
        if not wanted.extras <= locked[canonicalize_name(wanted.name)]
    ]
    assert missing == []


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # locked for another platform
        return []


@pytest.mark.parametrize(
    "command",
    sorted(path.stem for package in PACKAGES for path in (ROOT / package).rglob("commands/[a-z]*.py")),
)
def test_every_management_command_has_a_test(command: str) -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert re.search(rf"[\"'\s]{command}[\"'\s]", tests), f"no test names the command {command}"


def test_no_template_writes_script_or_style_into_the_page() -> None:
    """The content security policy allows our own files only."""
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")|<style|\sstyle=|\son[a-z]+=", re.I
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "templates").rglob("*.html")
        if path.parent.name != "notifications"  # e-mails: they have no policy, and no style sheets either
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if inline.search(line)
    ]
    assert found == []


def test_the_readme_names_every_setting() -> None:
    readme = (ROOT / "README.md").read_text()
    settings = "".join(path.read_text() for path in (ROOT / "coder_admin/settings").glob("*.py"))
    names = set(re.findall(r"env\.\w+\(\s*\"(CODER_ADMIN_\w+|CODER_WORKSPACE_\w+)\"", settings))
    assert sorted(name for name in names if name not in readme) == []


def test_the_agent_imports_nothing_but_the_standard_library() -> None:
    """Many agents run at once: what it imports is what each of them costs."""
    script = (
        "import sys; import coder_admin.agent.__main__; "
        "print(' '.join(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names))))"
    )
    result = subprocess.run(
        [ROOT / ".venv/bin/python", "-S", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(result.stdout.split()) <= {"__main__", "coder_admin"}
