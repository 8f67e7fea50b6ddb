"""``manage.py render_parameters``: the fixed contract of template authors' tool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from coder_admin.foundation.errors import Invalid

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = """
variable "image" {
  type        = string
  default     = "debian"
  description = "What to run"
}

data "coder_workspace_owner" "me" {}

data "coder_parameter" "n" {
  name    = "n"
  type    = "number"
  default = 3
  mutable = true
  validation {
    min       = 1
    max       = 9
    monotonic = "increasing"
  }
}

data "coder_parameter" "image" {
  name    = "image"
  default = "${var.image} of ${data.coder_workspace_owner.me.name}"
}

data "coder_workspace_preset" "p" {
  name       = "p"
  parameters = { n = 4 }
}

data "coder_workspace_tags" "t" {
  tags = { n = data.coder_parameter.n.value }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "template").mkdir()
    (tmp_path / "template" / "main.tf").write_text(TEMPLATE)
    return tmp_path / "template"


def written(tmp_path: Path, name: str, data: Any) -> str:
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("render_parameters", *arguments, "--json")
        assert ended.value.code == code
    else:
        call_command("render_parameters", *arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_document(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = run(
        capsys,
        str(folder),
        "--values",
        written(tmp_path, "v", {"n": "5"}),
        "--owner",
        written(tmp_path, "o", {"name": "ada", "groups": None}),
        "--var",
        "image=fedora",
    )
    assert set(body) == {"parameters", "presets", "tags", "unknown_tags", "variables", "diagnostics"}
    assert {p["name"]: p["value"] for p in body["parameters"]} == {
        "n": {"value": "5", "valid": True},
        "image": {"value": "fedora of ada", "valid": True},
    }
    assert body["presets"] == [{"name": "p", "parameters": {"n": "4"}, "default": False, "diagnostics": []}]
    assert body["tags"] == {"n": "5"}
    assert (body["unknown_tags"], body["diagnostics"]) == ([], [])
    assert body["variables"] == [
        {
            "name": "image",
            "type": "string",
            "default": "debian",
            "description": "What to run",
            "nullable": True,
            "sensitive": False,
        }
    ]


def test_previous_values_are_held_against_the_new_ones(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    previous = written(tmp_path, "p", {"n": "7", "image": "other"})
    body = run(capsys, str(folder), "--previous", previous)
    problems = {
        p["name"]: [(d["severity"], d["summary"]) for d in p["diagnostics"]] for p in body["parameters"]
    }
    assert problems == {
        "n": [("error", 'Parameter "n" monotonicity')],
        "image": [("warning", "Immutable parameter changed")],
    }


def test_top_level_error_is_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.tf").write_text("locals {\n  a = (1\n}\n")
    body = run(capsys, str(folder), code=1)
    assert body["diagnostics"][0]["severity"] == "error"
    assert [p["name"] for p in body["parameters"]] == ["image", "n"]
    for name in ("main.tf", "broken.tf"):
        (folder / name).unlink()
    assert run(capsys, str(folder), code=1)["parameters"] == []


def test_folder_that_is_none_is_a_top_level_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = run(capsys, str(tmp_path / "none"), code=1)
    assert [d["summary"] for d in body["diagnostics"]] == ["Files not found"]
    assert body["parameters"] == []


def test_unusable_files_are_one_line(folder: Path, tmp_path: Path) -> None:
    for arguments, reason in (
        ([str(folder), "--values", str(tmp_path / "none")], "cannot be read"),
        ([str(folder), "--values", written(tmp_path, "a", "{")], "not JSON"),
        ([str(folder), "--values", written(tmp_path, "b", {"n": 1})], "object of texts"),
        ([str(folder), "--owner", written(tmp_path, "c", {"colour": "red"})], "no attribute colour"),
        ([str(folder), "--owner", written(tmp_path, "d", {"groups": [1]})], "groups"),
        ([str(folder), "--var", "x"], "NAME=VALUE"),
    ):
        with pytest.raises(Invalid) as caught:
            call_command("render_parameters", *arguments, "--json")
        assert reason in str(caught.value)


@pytest.mark.parametrize("plan", [{"prior_state": {"values": {"root_module": []}}}, [], "{broken"])
def test_broken_plan_is_a_top_level_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], plan: Any
) -> None:
    plan = written(tmp_path, "p", plan)
    body = run(capsys, str(folder), "--plan", plan, code=1)
    assert body["diagnostics"][0]["summary"] == "Parsing plan JSON"


def test_table_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("render_parameters", str(folder))
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["PARAMETER", "TYPE", "FORM", "VALUE", "NOTES"]
    assert ["n", "number", "input", '"3"'] in lines
    assert 'preset "p": n = "4"' in out
    assert 'tag n = "3"' in out


def test_watch_renders_again_without_a_database(folder: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "CODER_ADMIN_DATA": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "coder_admin.settings",
    }
    values = written(tmp_path, "values", {})
    command = [sys.executable, str(ROOT / "manage.py"), "render_parameters", str(folder)]
    command += ["--watch", "--json", "--values", values]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            (folder / "main.tf").write_text(TEMPLATE.replace("default = 3", "default = 8"))
            second = json.loads(process.stdout.readline())
            Path(values).write_text('{"n": "9"}')
            third = json.loads(process.stdout.readline())
        finally:
            process.terminate()
    frames = (first, second, third)
    shown = [{p["name"]: p["value"]["value"] for p in body["parameters"]}["n"] for body in frames]
    assert shown == ["3", "8", "9"]
