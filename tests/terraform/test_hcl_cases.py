"""Every expression and module of the case sets means what it means to Terraform."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coder_admin.terraform import DirectoryFileSystem, EvalContext, MemoryFileSystem, evaluate, load_module
from coder_admin.terraform.config.decode import constant
from coder_admin.terraform.syntax.parser import parse_config
from coder_admin.terraform.syntax.source import decode
from tests.case_sets import CASES
from tests.terraform.cases import (
    as_in_cases,
    folders,
    needs_cases,
    plain,
    read_json,
    same,
    type_of,
)

EXPRESSIONS = read_json("hcl/expressions.json")


def evaluation_of(row: dict[str, Any]) -> Any:
    lines = [
        f'variable "unknown_{name}" {{\n  type = {of}\n}}' for name, of in row.get("unknowns", {}).items()
    ]
    lines += ["locals {", row.get("locals", "")]
    lines += [f"{name} = var.unknown_{name}" for name in row.get("unknowns", {})]
    lines += ["}", 'output "result" {', f"value = {row['expr']}", "}", ""]
    files: dict[str, bytes | str] = {"main.tf": "\n".join(lines)}
    if row.get("files"):
        folder = DirectoryFileSystem(CASES / "hcl" / "files")
        files |= {f"files/{path}": folder.read(path) for path in folder.walk("")}
    return evaluate(load_module(MemoryFileSystem(files)))


@needs_cases
@pytest.mark.parametrize("group", sorted({row["group"] for row in EXPRESSIONS}))
def test_expressions_mean_what_they_mean_to_terraform(group: str) -> None:
    failures = []
    for row in EXPRESSIONS:
        if row["group"] != group:
            continue
        evaluation = evaluation_of(row)
        # A row's value may be sensitive; that an output must be marked for it is not what the row is about.
        errors = [
            found
            for found in evaluation.diagnostics
            if found.is_error and found.summary != "Output refers to sensitive values"
        ]
        problem = judge(row, evaluation, errors)
        if problem and not row.get("version_sensitive"):
            failures.append(f"{row['id']}: {row['expr']!r}: {problem}")
    assert not failures, "\n".join(failures)


def judge(row: dict[str, Any], evaluation: Any, errors: list[Any]) -> str:
    if row.get("error"):
        if not errors:
            return f"accepted; wanted {row['error_gist']}"
        # The parser words its errors by what it sees, and the row's text stood in another place.
        if row["stage"] == "syntax":
            return ""
        return "" if errors[0].summary == row["error_gist"] else f"{errors[0]}; wanted {row['error_gist']}"
    if errors:
        return f"refused: {errors[0]}"
    value = evaluation.outputs["result"]
    got = plain(value)
    if not same(got, row["result"]):
        return f"{got!r}; wanted {row['result']!r}"
    if "type" in row and type_of(value) != row["type"]:
        return f"type {type_of(value)}; wanted {row['type']}"
    return ""


@needs_cases
def test_the_console_says_the_same_of_every_expression(tmp_path: Path) -> None:
    """All rows through `console --json`: one process for each module that rows refer to."""
    scopes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in EXPRESSIONS:
        scopes.setdefault((row.get("locals", ""), json.dumps(row.get("unknowns", {}))), []).append(row)
    failures = []
    for (local_values, unknowns), rows in scopes.items():
        names = json.loads(unknowns)
        lines = [f'variable "unknown_{name}" {{\n  type = {of}\n}}' for name, of in names.items()]
        lines += ["locals {", local_values, *(f"{name} = var.unknown_{name}" for name in names), "}", ""]
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(CASES / "hcl" / "files", folder / "files")
        (folder / "main.tf").write_text("\n".join(lines))
        for row, answer in zip(rows, console(folder, [row["expr"] for row in rows]), strict=True):
            fine = "error" in answer if row.get("error") else same(answer.get("value"), row["result"])
            if not fine and not row.get("version_sensitive"):
                failures.append(f"{row['id']}: {row['expr']!r}: {answer}")
    assert not failures, "\n".join(failures)


def console(folder: Path, expressions: list[str]) -> list[Any]:
    """The answers of the command to expressions, in order."""
    given = "".join(json.dumps({"id": at, "expr": text}) + "\n" for at, text in enumerate(expressions))
    done = subprocess.run(
        [sys.executable, "-m", "coder_admin.terraform", "console", "--dir", str(folder), "--json"],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answers = [json.loads(line, object_hook=as_in_cases) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(len(expressions)))
    return answers


@needs_cases
@pytest.mark.parametrize("folder", folders("hcl/modules"), ids=lambda folder: folder.name)
def test_modules_give_the_outputs_or_errors_of_terraform(folder: Path) -> None:
    expected = read_json(f"hcl/modules/{folder.name}/expected.json")
    evaluation = evaluate(load_module(DirectoryFileSystem(folder)), context=EvalContext(strict=True))
    errors = [found for found in evaluation.diagnostics if found.is_error]
    if expected.get("error"):
        assert len(errors) == len(expected["errors"]), [str(found) for found in errors]
        for got, wanted in zip(errors, expected["errors"], strict=True):
            assert got.summary == wanted["summary"]
            if "line" in wanted:
                assert got.detail.startswith(wanted["detail"][:60])
                assert got.range is not None
                assert (got.range.file, got.range.start.line) == (wanted["file"], wanted["line"])
            for member in expected.get("cycle_members", ()):
                assert member in got.detail
        return
    assert not errors, [str(found) for found in errors]
    outputs = evaluation.outputs
    assert same({name: plain(value) for name, value in outputs.items()}, expected["outputs"])
    assert {name: type_of(value) for name, value in outputs.items()} == expected["types"]
    sensitive = [name for name, value in outputs.items() if value.is_sensitive]
    assert sorted(sensitive) == sorted(expected.get("sensitive", []))
    warnings = [found.summary for found in evaluation.diagnostics if not found.is_error]
    assert warnings == expected.get("warnings", [])


@needs_cases
@pytest.mark.parametrize("row", read_json("hcl/syntax/specsuite.json"), ids=lambda row: row["file"])
def test_specsuite_files_parse_as_in_terraform(row: dict[str, Any]) -> None:
    path = CASES / "hcl" / "syntax" / row["file"]
    source, problems = decode(row["file"], path.read_bytes())
    assert not problems
    parsed = parse_config(source)
    lines = [found.range.start.line for found in parsed.diagnostics if found.range]
    assert lines == row.get("lines", [])
    if not row["valid"]:
        assert row["error_gist"] in [found.summary for found in parsed.diagnostics]


@needs_cases
@pytest.mark.parametrize(
    "row",
    [row for row in read_json("hcl/syntax/specsuite.json") if "attributes" in row or "blocks" in row],
    ids=lambda row: row["file"],
)
def test_specsuite_values(row: dict[str, Any]) -> None:
    source, _ = decode(row["file"], (CASES / "hcl" / "syntax" / row["file"]).read_bytes())
    body = parse_config(source).body
    bodies = {block.type: block.body for block in body.blocks} | {"": body}
    for block, attributes in (row.get("blocks") or {"": row["attributes"]}).items():
        for name, wanted in attributes.items():
            value = constant(source, bodies[block].attributes[name].expr)
            assert same(plain(value), wanted), name
