"""The template language beside ``tfparse``, the Go evaluator under Coder's own preview library.

Medians in one run on the same folders: the demo templates and, where they are, the real templates of the case
sets. ``tfparse`` keeps nothing between calls, so its warm call is what both of our figures are held against.
"""

from __future__ import annotations

import gc
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.figure import Figure
from coder_admin.parameters.provider import FormProvider
from coder_admin.terraform import (
    DirectoryFileSystem,
    Evaluation,
    MemoryFileSystem,
    Module,
    evaluate,
    load_module,
)
from coder_admin.terraform.module import clear_caches

PROJECT = Path(__file__).resolve().parents[1]
DEMO = PROJECT / "coder_admin" / "operations" / "demo_templates"
CASES = Path(os.environ.get("CASES_DIR") or PROJECT.parent / "shared" / "cases")
TEMPLATES_IN_MEMORY = 200
MIB = 1024 * 1024


def folders() -> list[Path]:
    """Every template folder there is to measure."""
    places = [DEMO, CASES / "real_templates"]
    return [
        folder
        for place in places
        if place.is_dir()
        for folder in sorted(place.iterdir())
        if any(folder.glob("*.tf"))
    ]


def median_ms(once: Callable[[], object], runs: int) -> float:
    """Milliseconds of the middle run."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        once()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def geometric_mean(numbers: Sequence[float]) -> float:
    """The mean that ratios want."""
    return math.exp(statistics.fmean(map(math.log, numbers)))


_TOOL = """variable "name" { type = string }
variable "setting" { type = string }
locals { title = title(replace(var.name, "-", " ")) }
data "coder_parameter" "version" {
  name        = "${var.name}-version"
  default     = "1"
  description = "Version of ${local.title} for ${var.setting}"
}
resource "coder_script" "s" {
  display_name = local.title
  script       = "run ${data.coder_parameter.version.value}"
}
output "line" { value = "${local.title}: ${data.coder_parameter.version.value} ${var.setting}" }
"""


def form_template(*, parameters: int, modules: int) -> dict[str, bytes]:
    """A template of that many parameters in all, one of them in each module. Some depend on the one before,
    every fifth has options; a local value reads all, and the modules and the agent read some."""
    own = parameters - modules
    values = [
        f"try(data.coder_parameter.p{at}{'[0]' if at % 3 == 1 else ''}.value, null)" for at in range(own)
    ]
    every = "".join(f"    p{at} = {value}\n" for at, value in enumerate(values))
    calls = "".join(
        f'module "m{at}" {{\n  source = "./tool"\n  name = "t-{at}"\n  setting = {values[at * 3 % own]}\n}}\n'
        for at in range(modules)
    )
    lines = ", ".join(f"module.m{at}.line" for at in range(modules))
    text = (
        "".join(map(_parameter, range(own)))
        + f"locals {{\n  all = {{\n{every}  }}\n"
        + '  set = [for k, v in local.all : "${k}=${v}" if v != null]\n}\n'
        + calls
        + 'resource "coder_agent" "main" {\n  os = "linux"\n  arch = "amd64"\n'
        + f'  env = {{ ALL = jsonencode(local.set) }}\n  startup_script = join("\\n", [{lines}])\n}}\n'
    )
    return {"main.tf": text.encode(), "tool/main.tf": _TOOL.encode()}


def _parameter(at: int) -> str:
    options = [f'  option {{\n    name = "Option {o}"\n    value = "{o}"\n  }}\n' for o in "abcdef"]
    count = f'  count = data.coder_parameter.p{at - 1}.value == "off" ? 0 : 1\n' if at % 3 == 1 else ""
    return (
        f'data "coder_parameter" "p{at}" {{\n  name = "p{at}"\n  display_name = "Parameter {at}"\n'
        f'  type = "string"\n  default = "a"\n  order = {at}\n{count}'
        f"{''.join(options) if at % 5 == 0 else ''}}}\n"
    )


def resident_bytes() -> int:
    """Memory of this process that is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Form:
    """A form that is typed into: every call changes one parameter (or, without any, one variable)."""

    def __init__(self, module: Module) -> None:
        self.module = module
        first = evaluate(module, provider=FormProvider())
        blocks = first.instances_of("data", "coder_parameter")
        names = [
            str(block.config.attributes["name"].data) for block in blocks if "name" in block.config.attributes
        ]
        self.parameter = names[len(names) // 2] if names else ""
        self.variable = next(iter(module.variables), "")
        self.typed = 0
        self.last: Evaluation = first

    def keystroke(self) -> Evaluation:
        """Evaluate again with another input."""
        self.typed += 1
        text = str(self.typed)
        provider = FormProvider({self.parameter: text} if self.parameter else {})
        variables = {} if self.parameter or not self.variable else {self.variable: text}
        self.last = evaluate(self.module, provider=provider, variables=variables, previous=self.last)
        return self.last


def against_tfparse() -> list[Figure]:
    """First evaluation and re-evaluation: geometric means over all folders."""
    import tfparse

    first, again, peer = [], [], []
    for folder in folders():
        files = MemoryFileSystem(
            {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        )

        def fresh(files: MemoryFileSystem = files) -> None:
            clear_caches()
            evaluate(load_module(files), provider=FormProvider())

        tfparse.load_from_path(str(folder))
        peer.append(median_ms(partial(tfparse.load_from_path, str(folder)), 5))
        first.append(median_ms(fresh, 5))
        again.append(median_ms(Form(load_module(DirectoryFileSystem(folder))).keystroke, 30))
    theirs = geometric_mean(peer)
    return [
        Figure("first evaluation (goal: 3 x tfparse)", geometric_mean(first), theirs * 3, "ms"),
        Figure("evaluation after one input (tfparse / 20)", geometric_mean(again), theirs / 20, "ms"),
    ]


_FIRST_CALL = """
import sys, time
{imports}
started = time.perf_counter()
{call}
print((time.perf_counter() - started) * 1000)
"""
_OURS = (
    "from pathlib import Path; from coder_admin.terraform import *",
    "evaluate(load_module(DirectoryFileSystem(Path(sys.argv[1]))))",
)
_THEIRS = ("import tfparse", "tfparse.load_from_path(sys.argv[1])")


def first_call() -> Figure:
    """The very first call of a process, imports excluded: medians over the demo templates."""

    def measured(parts: tuple[str, str], folder: Path) -> float:
        script = _FIRST_CALL.format(imports=parts[0], call=parts[1])
        command = [sys.executable, "-c", script, str(folder)]
        return float(subprocess.run(command, capture_output=True, check=True, cwd=PROJECT).stdout)

    demo = [folder for folder in folders() if folder.parent == DEMO]
    ours, theirs = (
        statistics.median(measured(parts, folder) for folder in demo for _ in range(3))
        for parts in (_OURS, _THEIRS)
    )
    return Figure("first call of a process (goal: tfparse's)", ours, theirs, "ms")


def form() -> Figure:
    """A keystroke in a template of 30 parameters and 5 modules."""
    module = load_module(MemoryFileSystem(form_template(parameters=30, modules=5)))
    return Figure("keystroke, 30 parameters and 5 modules", median_ms(Form(module).keystroke, 100), 2.0, "ms")


def memory() -> Figure:
    """What 200 different compiled templates add to the process: real ones, each varied in its text."""
    clear_caches()
    gc.collect()
    before = resident_bytes()
    sources = folders()
    kept = []
    for at in range(TEMPLATES_IN_MEMORY):
        folder = sources[at % len(sources)]
        texts = {
            str(p.relative_to(folder)): p.read_bytes() + f"# variant {at}\n".encode()
            for p in folder.glob("*.tf")
        }
        module = load_module(MemoryFileSystem(texts))
        evaluate(module)
        kept.append(module)
    gc.collect()
    used = (resident_bytes() - before) / MIB
    return Figure(f"memory of {len(kept)} compiled templates", used, 200.0, "MiB")


def measure() -> list[Figure]:
    """Every figure of the language."""
    return [*against_tfparse(), first_call(), form(), memory()]
