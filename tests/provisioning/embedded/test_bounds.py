"""What a template may not do: run without end, fill the machine, open the network."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from coder_admin.provisioning.engines import EngineError
from coder_admin.provisioning.engines.embedded.sources import DATA_SOURCES
from coder_admin.provisioning.engines.embedded.types import RESOURCE_TYPES

from .conftest import Space

MANY = {
    "a million resources": 'resource "terraform_data" "x" { count = 1000000 }',
    "a million by key": 'resource "terraform_data" "x" {\n'
    '  for_each = toset([for n in range(1000) : "k${n}"])\n'
    "  input = [for a in range(1000) : [for b in range(1000) : b]]\n}",
    "modules in modules": 'module "m" {\n  source = "./m"\n  count  = 1000\n}',
    "a loop over loops": "locals { x = [for a in range(1000) : [for b in range(1000) : "
    "[for c in range(1000) : a * b * c]]] }\noutput x { value = local.x }",
    "a text that doubles": 'locals {\n  a = join("", [for n in range(1000) : "0123456789"])\n'
    + "".join(f'  {chr(98 + n)} = "${{local.{chr(97 + n)}}}${{local.{chr(97 + n)}}}"\n' for n in range(20))
    + "}\noutput x { value = local.u }",
    "locals in a ring": "locals {\n  a = local.b\n  b = local.a\n}\noutput x { value = local.a }",
    "a module that is its own": 'module "m" { source = "./" }',
}
INNER = {"m/main.tf": 'module "n" {\n  source = "./n"\n  count  = 1000\n}', "m/n/main.tf": "locals { x = 1 }"}
WORDS = ("is allowed", "are allowed", "budget", "more than", "cycle", "depend", "deep", "itself", "limit")


@pytest.mark.parametrize("template", MANY.values(), ids=MANY)
def test_a_template_without_end_ends_with_the_reason(space: Space, template: str) -> None:
    began = time.process_time()
    with pytest.raises(EngineError) as caught:
        space.plan({"main.tf": template.replace("output x", 'output "x"'), **INNER})
    assert any(word in str(caught.value).lower() for word in WORDS), caught.value
    assert time.process_time() - began < 20
    assert len(str(caught.value)) < 5_000


ALL_TYPES = """
    data "coder_workspace" "me" {}
    data "coder_workspace_owner" "me" {}
    data "coder_provisioner" "me" {}
    data "coder_parameter" "p" {
      name    = "p"
      default = "1"
    }
    data "coder_workspace_preset" "p" {
      name       = "p"
      parameters = {}
    }
    data "coder_workspace_tags" "t" { tags = { a = "http://127.0.0.1:9/" } }
    data "null_data_source" "n" { inputs = { a = "http://127.0.0.1:9/" } }
    data "local_file" "f" { filename = "main.tf" }
    data "local_sensitive_file" "f" { filename = "main.tf" }
    resource "null_resource" "n" { triggers = { a = "1" } }
    resource "terraform_data" "t" { input = "http://127.0.0.1:9/" }
    resource "random_id" "r" { byte_length = 2 }
    resource "random_string" "r" { length = 4 }
    resource "random_password" "r" { length = 4 }
    resource "random_uuid" "r" {}
    resource "random_pet" "r" {}
    resource "random_integer" "r" {
      min = 1
      max = 2
    }
    resource "random_shuffle" "r" { input = ["a", "b"] }
    resource "random_bytes" "r" { length = 2 }
    resource "time_static" "t" {}
    resource "time_offset" "t" { offset_days = 1 }
    resource "time_rotating" "t" { rotation_days = 1 }
    resource "time_sleep" "t" { create_duration = "1ms" }
    resource "local_file" "f" {
      filename = "a.txt"
      content  = "http://127.0.0.1:9/"
    }
    resource "local_sensitive_file" "f" {
      filename = "b.txt"
      content  = "x"
    }
    resource "coder_agent" "a" {
      os   = "linux"
      arch = "amd64"
    }
    resource "coder_app" "a" {
      agent_id = coder_agent.a.id
      slug     = "a"
      url      = "http://127.0.0.1:9/"
    }
    resource "coder_script" "s" {
      agent_id     = coder_agent.a.id
      display_name = "s"
      script       = "curl http://127.0.0.1:9/"
      run_on_start = true
    }
    resource "coder_env" "e" {
      agent_id = coder_agent.a.id
      name     = "A"
      value    = "1"
    }
    resource "coder_metadata" "m" {
      resource_id = terraform_data.t.id
      item {
        key   = "a"
        value = "1"
      }
    }
"""
PROGRAM = """
    import sys
    from pathlib import Path
    opened = []
    def audit(event, arguments):
        programs = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.system", "ctypes.dlopen")
        if event.startswith("socket.") or event in ("urllib.Request", *programs):
            opened.append((event, arguments))
    from coder_admin.provisioning.engines import EngineRequest, WorkspaceMetadata, engine_named
    from coder_admin.provisioning.engines.base import never_canceled
    from coder_admin.provisioning.engines.embedded import engine
    from coder_admin.terraform import MemoryFileSystem
    import django; django.setup()
    template, folder = sys.stdin.read(), Path(sys.argv[1])
    sys.addaudithook(audit)
    used = engine_named("embedded")
    def quiet(*a, **b): pass
    state = None
    for transition in ("start", "stop", "delete"):
        source = MemoryFileSystem({"main.tf": template.encode()})
        metadata = WorkspaceMetadata(transition=transition)
        gone = transition == "delete"
        request = EngineRequest(source, folder, state=state, metadata=metadata, destroy=gone)
        plan = used.plan(request, quiet)
        result = used.apply(request, plan, quiet, never_canceled)
        assert result.error is None, result.error
        state = result.state
        print(transition, len(result.resources))
    print("opened", opened)
"""


def test_no_type_opens_the_network_or_starts_a_program(space: Space) -> None:
    """Watched by the interpreter itself, for every type there is, in a process of its own."""
    template = textwrap.dedent(ALL_TYPES)
    for name in RESOURCE_TYPES:
        assert f'resource "{name}"' in template, f"{name} is not watched"
    for name in DATA_SOURCES:
        assert f'data "{name}"' in template, f"data.{name} is not watched"
    space.workdir.mkdir(parents=True)
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(space.workdir)],
        input=template,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "opened []" in answer.stdout, answer.stdout
