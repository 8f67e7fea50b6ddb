"""`python -m coder_admin.terraform` keeps its contracts."""

from __future__ import annotations

import json
import os
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


def test_outputs_that_differ_from_run_to_run_have_a_value_in_a_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.tf").write_text('output "at" {\n  value = timestamp()\n}\n')
    assert main(["outputs", str(tmp_path), "--json"]) == 0
    assert out(capsys)["outputs"]["at"] == {"unknown": True, "type": "string"}
    assert main(["outputs", str(tmp_path), "--json", "--build"]) == 0
    assert out(capsys)["outputs"]["at"].endswith("Z")


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
    assert main(["validate", str(tmp_path / "none"), "--json"]) == 1
    found = out(capsys)
    assert (found["valid"], found["diagnostics"][0]["summary"]) == (False, "No such directory")
    assert main(["outputs", str(tmp_path / "none"), "--json"]) == 1
    assert out(capsys)["diagnostics"][0]["summary"] == "No such directory"
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
        {"id": 7, "expr": "<<EOT\nlast line\nEOT"},
        {"id": 8, "expr": "timestamp()"},
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
    assert answers[6] == {"id": 7, "value": "last line\n"}
    assert answers[7] == {"id": 8, "value": {"unknown": True, "type": "string"}}
    assert answers[8]["id"] is None


def command(*arguments: str, given: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "coder_admin.terraform", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


def test_the_prompt_answers_and_keeps_its_history(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = command(
        "console", "--dir", str(folder), given="local.greeting\n1 +\n\nexit\n", XDG_STATE_HOME=str(state)
    )
    assert done.returncode == 0
    assert '"Hello, x"' in done.stdout
    assert "error: " in done.stderr
    history = state / "coder-admin" / "terraform-console-history"
    assert history.exists()
    assert history.stat().st_mode & 0o077 == 0


def test_the_prompt_reads_expressions_of_several_lines(folder: Path, tmp_path: Path) -> None:
    given = '[\n1,\n  2 + 1]\n<<E\nx ${upper("y")}\nE\nmax(\n\n"a\n[sensitive(1)]\n'
    done = command("console", "--dir", str(folder), given=given, XDG_STATE_HOME=str(tmp_path / "state"))
    answers = [line.replace("> ", "").strip() for line in done.stdout.splitlines()]
    assert [answer for answer in answers if answer] == ["[1,3]", r'"x Y\n"', "(sensitive value)"]
    assert done.stderr.count("error: ") == 2


def test_the_contracts_hold_for_a_process(folder: Path) -> None:
    done = command("outputs", str(folder), "--var", "size=2", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"outputs": {"greeting": "Hello, x 2"}})
    done = command("outputs", str(folder), "--json")
    assert done.returncode == 1
    assert set(json.loads(done.stdout)) == {"diagnostics"}
    done = command("validate", str(folder), "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"valid": True, "diagnostics": []})
    (folder / "bad.tf").write_text("locals {\n  a = b.c\n}\n")
    done = command("validate", str(folder), "--json")
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert set(found) == {"severity", "summary", "detail", "file", "line", "column"}
    assert (found["severity"], found["file"], found["line"], found["column"]) == ("error", "bad.tf", 2, 7)
    assert command("graph", str(folder)).stdout.startswith("digraph {")
    assert command("outputs").returncode == 2
