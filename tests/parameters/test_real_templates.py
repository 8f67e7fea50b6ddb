"""The real templates: each imports without a crash or a false error, and what it declares is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coder_admin.files.archives import pack, read_archive
from coder_admin.parameters.folders import read_folder
from coder_admin.parameters.inspection import inspect_template
from coder_admin.parameters.owner import Owner
from coder_admin.terraform import MemoryFileSystem, load_module

from .shared_cases import CASES_DIR

FOLDER = CASES_DIR / "real_templates"
FOLDERS = sorted(path for path in FOLDER.iterdir() if path.is_dir()) if FOLDER.is_dir() else []
OWNER = Owner(id="7d1b1f0e-0000-4000-8000-000000000001", name="ada", full_name="Ada", email="ada@example.com")

_BLOCK = re.compile(
    r'^\s*data\s+"?(coder_parameter|coder_workspace_preset)"?\s+"?([\w-]+)"?\s*\{', re.MULTILINE
)


def declared(files: dict[str, bytes], kind: str) -> tuple[int, int]:
    """How many blocks of a kind the root folder declares: (always there, only under count or for_each).

    Counted in the text, without our parser.
    """
    fixed = repeated = 0
    for path, content in files.items():
        if "/" in path or not path.endswith(".tf"):
            continue
        text = re.sub(r"/\*.*?\*/", "", content.decode(), flags=re.DOTALL)
        text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", "//")))
        starts = [(match.start(), match[1]) for match in _BLOCK.finditer(text)]
        for start, found in starts:
            if found != kind:
                continue
            body = text[start : text.find("\n}", start)]
            if re.search(r"^  (count|for_each)\s*=", body, re.MULTILINE):
                repeated += 1
            else:
                fixed += 1
    return fixed, repeated


def test_the_cases_are_all_there() -> None:
    if not FOLDERS:
        pytest.skip(f"no shared cases in {CASES_DIR}")
    assert len(FOLDERS) == 30


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_real_template_imports(folder: Path) -> None:
    files = read_archive(pack(read_folder(folder)))
    required = [
        name
        for name, variable in load_module(MemoryFileSystem(files)).variables.items()
        if variable.default is None
    ]
    lines: list[str] = []
    result = inspect_template(
        files,
        owner=OWNER,
        given=dict.fromkeys(required, "1"),
        log=lambda stage, line, level: lines.append(line),
    )
    fixed, repeated = declared(files, "coder_parameter")
    assert fixed <= len(result.parameters) <= fixed + repeated
    if not repeated:
        assert len(result.parameters) == fixed
    presets, more = declared(files, "coder_workspace_preset")
    assert presets <= len(result.presets) <= presets + more
    assert all(note["severity"] == "warning" for note in result.diagnostics)
    assert {variable.name for variable in result.variables} >= set(required)


def test_some_templates_declare_what_they_declare() -> None:
    """The counter above is itself checked on two templates that were counted by hand."""
    if not FOLDERS:
        pytest.skip(f"no shared cases in {CASES_DIR}")
    by_name = {folder.name: folder for folder in FOLDERS}
    assert declared(read_folder(by_name["coder--coder-templates-kubernetes"]), "coder_parameter") == (3, 0)
    assert (
        sum(declared(read_folder(by_name["coder--iamtaochen-templates-ssh-linux"]), "coder_parameter")) == 8
    )
