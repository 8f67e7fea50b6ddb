"""Sensitive values never leave the server: not as values, and not in what is said about them (4.11)."""

from __future__ import annotations

import json

import pytest

from coder_admin.parameters.authoring import document

from .test_render import parameter, render

SECRET = "s3cr3t-1"
VARIABLES = f"""
variable "s" {{
  default   = "{SECRET}"
  sensitive = true
}}
variable "m" {{
  default   = {{ "{SECRET}" = "{SECRET}" }}
  sensitive = true
}}
"""
EXPRESSIONS = [
    "var.s",
    '"a ${var.s}"',
    "var.m",
    "{ k = var.m }",
    "{ (var.s) = 1 }",
    "merge(var.m, { a = 1 })",
    f'sensitive({{ x = "{SECRET}" }})',
    "file(var.s)",
    "templatefile(var.s, {})",
    "jsondecode(var.s)",
    "regex(var.s, var.s)",
    'timeadd(var.s, "1h")',
    "timecmp(var.s, var.s)",
    "cidrhost(var.s, 1)",
    "base64decode(var.s)",
    "parseint(var.s, 10)",
    "tonumber(var.s)",
    "lookup({ a = 1 }, var.s)",
    "{ a = 1 }[var.s]",
    "var.m.nope",
    "var.s + 1",
    "var.s ? 1 : 2",
    "{ for x in [var.s, var.s] : x => 1 }",
    "try(file(var.s))",
]
PLACES = [
    "default = {0}",
    'default = "a"\n  description = {0}\n  icon = {0}\n  styling = {0}\n  type = {0}\n  form_type = {0}',
    'default = "a"\n  count = {0}',
    'default = "a"\n  for_each = {0}',
    'default = "a"\n  option {{\n    name = {0}\n    value = {0}\n    description = {0}\n  }}',
    'default = "a"\n  validation {{\n    regex = {0}\n    error = {0}\n  }}',
    'default = "a"\n  dynamic "option" {{\n    for_each = {0}\n    content {{\n'
    "      name = option.value\n      value = option.value\n    }}\n  }}",
]
OTHERS = """
data "coder_parameter" "n" {{
  name = {0}
}}
data "coder_workspace_tags" "t" {{
  tags = {0}
}}
data "coder_workspace_tags" "u" {{
  tags = {{ a = {0} }}
}}
data "coder_workspace_preset" "x" {{
  name       = "x"
  icon       = {0}
  parameters = {0}
}}
data "coder_workspace_preset" "y" {{
  name       = "y"
  parameters = {{ p = {0} }}
  prebuilds {{
    instances = {0}
    scheduling {{
      timezone = {0}
      schedule {{
        cron      = {0}
        instances = {0}
      }}
    }}
  }}
}}
"""


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_nothing_sensitive_is_sent(expression: str) -> None:
    for place in PLACES:
        hcl = VARIABLES + parameter("p", place.format(expression)) + OTHERS.format(expression)
        assert SECRET not in json.dumps(document(render(hcl)))


def test_what_is_declared_not_sensitive_is_shown() -> None:
    assert SECRET in json.dumps(document(render(VARIABLES + parameter("p", "default = nonsensitive(var.s)"))))
