"""A template with every form type, a chain of dependent parameters and a default that knows the owner."""

from __future__ import annotations

from coder_admin.catalog.models import Template, TemplateVersionParameter, TemplateVersionTerraformValues
from tests.dashboard.world import World, archive, everyone_may_use
from tests.prebuilds import world as pools

NAME = "every-kind"
ADDRESS = f"/templates/coder/{NAME}/workspace"


def _options(*values: str) -> str:
    return "".join(f'  option {{\n    name = "{v.title()}"\n    value = "{v}"\n  }}\n' for v in values)


def _parameter(name: str, body: str, *, order: int, more: str = "") -> str:
    mutable = "" if "mutable" in body else "  mutable = true\n"
    return (
        f'data "coder_parameter" "{name}" {{\n  name = "{name}"\n  order = {order}\n{mutable}{body}{more}}}\n'
    )


def source() -> str:
    """The template's one file."""
    first = "data.coder_parameter.first.value"
    return "".join(
        (
            'data "coder_workspace_owner" "me" {}\n',
            _parameter("first", '  default = "a"\n', order=1),
            _parameter("second", f'  default = "${{{first}}}b"\n', order=2),
            _parameter("third", '  default = "${data.coder_parameter.second.value}c"\n', order=3),
            # Its own description follows what is typed into it, and so does its placeholder.
            _parameter("echo", '  default = ""\n  description = "said: ${try(local.said, "")}"\n', order=4),
            _parameter("home", '  default = "/home/${data.coder_workspace_owner.me.name}"\n', order=5),
            _parameter(
                "choice", '  mutable = false\n  default = "one"\n', order=6, more=_options("one", "two")
            ),
            _parameter(
                "menu", '  form_type = "dropdown"\n  default = "red"\n', order=7, more=_options("red", "blue")
            ),
            _parameter(
                "several",
                '  type = "list(string)"\n  form_type = "multi-select"\n  default = jsonencode(["x"])\n',
                order=8,
                more=_options("x", "y", "z"),
            ),
            _parameter("tags", '  type = "list(string)"\n  default = jsonencode(["k"])\n', order=9),
            _parameter("box", '  type = "bool"\n  default = true\n', order=10),
            _parameter(
                "locked",
                '  type = "bool"\n  default = true\n  styling = jsonencode({disabled = true})\n',
                order=11,
            ),
            _parameter("lamp", '  type = "bool"\n  form_type = "switch"\n  default = false\n', order=12),
            _parameter(
                "cores",
                '  type = "number"\n  form_type = "slider"\n  default = 2\n',
                order=13,
                more='  validation {\n    min = 1\n    max = 8\n    monotonic = "increasing"\n  }\n',
            ),
            _parameter("story", '  form_type = "textarea"\n  default = "once"\n', order=14),
            _parameter(
                "secret", '  default = "hush"\n  styling = jsonencode({mask_input = true})\n', order=15
            ),
            _parameter("once", '  ephemeral = true\n  default = "no"\n', order=16),
            "locals {\n  said = data.coder_parameter.first.value\n}\n",
            'resource "null_resource" "box" {}\n',
        )
    )


def every_kind(here: World) -> Template:
    """The template's rows, its active version imported."""
    row = pools.template(NAME, description="Every form type")
    version = row.active_version
    assert version is not None
    version.job.file = archive({"main.tf": source().encode()}, here.owner)
    version.job.save()
    TemplateVersionTerraformValues.objects.create(template_version=version, provisionerd_version="1.9")
    for name in ("choice", "once", "cores", "story", "menu"):
        TemplateVersionParameter.objects.create(
            template_version=version, name=name, mutable=name != "choice", ephemeral=name == "once"
        )
    everyone_may_use(row)
    return row
