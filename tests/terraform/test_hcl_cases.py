"""Every expression and module of the case sets means what it means to Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coder_admin.terraform import DirectoryFileSystem, EvalContext, MemoryFileSystem, evaluate, load_module
from coder_admin.terraform.config.decode import constant
from coder_admin.terraform.syntax.parser import parse_config
from coder_admin.terraform.syntax.source import decode
from tests.terraform.cases import CASES, folders, needs_cases, plain, read_json, same, type_of

EXPRESSIONS = read_json("hcl/expressions.json")
# Messages that are worded differently on purpose; every other refusal carries Terraform's summary.
OTHER_SUMMARY = {
    "fn-files-1f6fd3891a",  # a missing file is one kind of error for all file functions
    "fn-files-e726c79d79",
    "fn-string-77cefeab32",  # names the argument at fault
}


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
        if row["stage"] == "syntax" or row["id"] in OTHER_SUMMARY:
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
