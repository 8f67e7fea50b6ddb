"""A form that is typed into shows what a fresh one would: whatever was rendered before, by whomever."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from coder_admin.parameters.owner import Owner
from coder_admin.parameters.render import Renderer, compile_template
from coder_admin.terraform import MemoryFileSystem

FILES = {
    "main.tf": """
data "coder_workspace_owner" "me" {}

data "coder_parameter" "kind" {
  name    = "kind"
  default = contains(data.coder_workspace_owner.me.groups, "big") ? "large" : "small"
  dynamic "option" {
    for_each = toset(["small", "large", "own"])
    content {
      name  = title(option.value)
      value = option.value
    }
  }
}

data "coder_parameter" "number" {
  count   = data.coder_parameter.kind.value == "large" ? 1 : 0
  name    = "number"
  type    = "number"
  default = length(data.coder_parameter.kind.value)
  validation {
    min   = 2
    max   = 9
    error = "{value} is not between {min} and {max}"
  }
}

data "coder_parameter" "disks" {
  name    = "disks"
  type    = "list(string)"
  default = jsonencode([data.coder_parameter.kind.value])
}

data "coder_parameter" "disk" {
  for_each = toset(try(jsondecode(data.coder_parameter.disks.value), []))
  name     = "disk-${each.key}"
  default  = "${each.key}-${try(data.coder_parameter.number[0].value, "none")}"
}

module "tool" {
  source = "./tool"
  text   = try(data.coder_parameter.disk["a"].value, data.coder_parameter.kind.value)
}

data "coder_parameter" "last" {
  name        = "last"
  default     = module.tool.text
  description = "after ${module.tool.text}"
}

data "coder_workspace_preset" "p" {
  name       = data.coder_parameter.kind.value
  parameters = { last = module.tool.text }
}

data "coder_workspace_tags" "t" {
  tags = { kind = data.coder_parameter.kind.value, text = module.tool.text }
}
""",
    "tool/main.tf": """
variable "text" {}

data "coder_parameter" "suffix" {
  name    = "suffix"
  default = "!"
}

output "text" { value = "${var.text}${data.coder_parameter.suffix.value}" }
""",
}

_texts = st.sampled_from(["", "small", "large", "own", "3", "12", "a", "é"])
_inputs = st.fixed_dictionaries(
    {},
    optional={
        "kind": _texts,
        "number": _texts,
        "disks": st.sampled_from(["[]", '["a"]', '["a","b"]', "[", "", '["b",null]']),
        "disk-a": _texts,
        "suffix": _texts,
        "last": _texts,
        "unknown": _texts,
    },
)
_owners = st.sampled_from([Owner(name="ada"), Owner(name="bob", groups=("big", "Everyone"))])
_steps = st.lists(st.tuples(st.integers(0, 2), _owners, _inputs), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(steps=_steps)
def test_incremental_render_equals_fresh_render(steps: list[tuple[int, Owner, dict[str, str]]]) -> None:
    template = compile_template(MemoryFileSystem(FILES))
    forms = [Renderer(template) for _ in range(3)]
    for form, owner, inputs in steps:
        shown = forms[form].render(owner, inputs)
        fresh = Renderer(compile_template(MemoryFileSystem(FILES))).render(owner, inputs)
        assert shown.wire(1) == fresh.wire(1)
        assert [preset.wire() for preset in shown.presets] == [preset.wire() for preset in fresh.presets]
        assert (shown.tags, shown.unknown_tags) == (fresh.tags, fresh.unknown_tags)
