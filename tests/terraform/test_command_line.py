"""`python -m coder_admin.terraform` keeps its contracts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coder_admin.terraform.commands import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.tf").write_text(
        'variable "size" { type = number }\nvariable "name" { default = "x" }\n'
        'locals { greeting = "Hello, ${var.name}" }\n'
        'output "greeting" { value = "${local.greeting} ${var.size}" }\n'
    )
    return tmp_path


def out(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_outputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outputs", str(folder), "--var", "size=2", "--var", "name=y", "--json"]) == 0
    assert out(capsys) == {"outputs": {"greeting": "Hello, y 2"}}


def test_outputs_with_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outputs", str(folder), "--json"]) == 1
    found = out(capsys)["diagnostics"]
    assert [item["summary"] for item in found] == ["No value for required variable"]
    assert (found[0]["file"], found[0]["line"], found[0]["column"]) == ("main.tf", 1, 1)


def test_validate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder), "--json"]) == 0
    assert out(capsys) == {"valid": True, "diagnostics": []}
    (folder / "bad.tf").write_text("a = \n\nb {\n")
    assert main(["validate", str(folder), "--json"]) == 1
    answer = out(capsys)
    assert not answer["valid"]
    assert {item["file"] for item in answer["diagnostics"]} == {"bad.tf"}
    assert all(item["line"] and item["column"] and item["detail"] for item in answer["diagnostics"])


def test_graph(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(folder)]) == 0
    assert '"output.greeting" -> "local.greeting";' in capsys.readouterr().out


def test_a_missing_folder_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["outputs", str(tmp_path), "--json"]) == 1
    assert out(capsys)["diagnostics"][0]["summary"] == "No configuration files"


def test_console_answers_json_lines(folder: Path) -> None:
    requests = [
        {"id": 1, "expr": "1 + 1"},
        {"id": "two", "expr": "local.greeting"},
        {"id": 3, "expr": "[var.size, null, 1e30, 0.1]"},
        {"id": 4, "expr": "[1][5]"},
        {"id": 5, "expr": "1 +"},
        {"id": 6},
    ]
    done = subprocess.run(
        [sys.executable, "-m", "coder_admin.terraform", "console", "--dir", str(folder), "--json"],
        input="".join(json.dumps(request) + "\n" for request in requests) + "not json\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[0] == {"id": 1, "value": 2}
    assert answers[1] == {"id": "two", "value": "Hello, x"}
    assert answers[2] == {"id": 3, "value": [{"unknown": True, "type": "number"}, None, 10**30, 0.1]}
    assert answers[3]["error"].startswith("Invalid index: ")
    assert answers[4]["id"] == 5
    assert "error" in answers[4]
    assert answers[5]["id"] == 6
    assert answers[6]["id"] is None
