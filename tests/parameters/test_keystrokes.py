"""A renderer that is used again and again renders what a new one renders."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from coder_admin.parameters.owner import DEFAULT_OWNER
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.terraform import DirectoryFileSystem, MemoryFileSystem

DEMO = Path(__file__).resolve().parents[2] / "coder_admin" / "operations" / "demo_templates"
CHAIN = """
data "coder_workspace_owner" "me" {}
data "coder_parameter" "size" {
  name    = "size"
  type    = "number"
  default = length(data.coder_workspace_owner.me.groups)
}
data "coder_parameter" "disk" {
  count   = data.coder_parameter.size.value > 2 ? 1 : 0
  name    = "disk"
  default = "d${data.coder_parameter.size.value}"
}
data "coder_parameter" "note" {
  name    = "note"
  default = try(data.coder_parameter.disk[0].value, "no disk")
}
"""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("folder", ["", *sorted(path.name for path in DEMO.iterdir() if path.is_dir())])
def test_each_keystroke_renders_as_from_scratch(folder: str, seed: int) -> None:
    files = DirectoryFileSystem(DEMO / folder) if folder else MemoryFileSystem({"main.tf": CHAIN})
    used = Renderer(compile_template(files))
    source = random.Random(seed)
    inputs: dict[str, str] = {}
    owner = DEFAULT_OWNER
    names = [parameter.name for parameter in used.render().parameters] or ["nothing"]
    for _ in range(8):
        if source.random() < 0.2:
            owner = dataclasses.replace(owner, groups=tuple("abc"[: source.randint(0, 3)]))
        if source.random() < 0.2 and inputs:
            del inputs[source.choice(sorted(inputs))]
        else:
            inputs[source.choice(names)] = source.choice(["1", "3", "x", "true", ""])
        assert used.render(owner, inputs) == Renderer(compile_template(files)).render(owner, inputs)
