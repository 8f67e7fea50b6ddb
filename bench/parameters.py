"""A keystroke in a form of 30 parameters and 5 modules: from the request to the answer's JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import partial

from .figure import Figure

ROUNDS = 400
PRESETS = 20


def measure() -> list[Figure]:
    """Milliseconds of processor time per render, and of judging 20 presets with pools as an import does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from coder_admin.parameters.owner import DEFAULT_OWNER
    from coder_admin.parameters.presets import validated
    from coder_admin.parameters.render import Renderer, compile_template
    from coder_admin.terraform import MemoryFileSystem

    template = compile_template(MemoryFileSystem(files()))
    renderer = Renderer(template)
    output = renderer.render(DEFAULT_OWNER, {})
    assert len(output.parameters) == 30, output.diagnostics
    assert len(output.presets) == PRESETS

    def keystroke(number: int) -> None:
        json.dumps(renderer.render(DEFAULT_OWNER, {"r1": str(number % 100)}).wire(number))

    spent = sorted(timed(partial(keystroke, n)) for n in range(ROUNDS))
    presets = timed(lambda: validated(output.presets, lambda inputs: renderer.render(DEFAULT_OWNER, inputs)))
    return [
        Figure("keystroke, 30 parameters, 5 modules, median", spent[ROUNDS // 2], 5, "ms"),
        Figure("the same, slowest of a hundred", spent[ROUNDS * 99 // 100], 25, "ms"),
        Figure(f"judging {PRESETS} presets at import", presets, 200, "ms"),
    ]


def timed(work: Callable[[], object]) -> float:
    """Processor milliseconds of this thread: a busy machine does not count."""
    begun = time.thread_time()
    work()
    return (time.thread_time() - begun) * 1000


def files() -> dict[str, str]:
    """A chain of five modules with four parameters each, and ten numbers and the presets in the root."""
    root, made = "", {}
    for module in range(5):
        source = '"seed"' if module == 0 else f"module.m{module - 1}.x"
        root += f'module "m{module}" {{\n  source = "./m{module}"\n  x = {source}\n}}\n'
        made[f"m{module}/main.tf"] = 'variable "x" {}\noutput "x" {\n  value = "${var.x}+"\n}\n' + "".join(
            f'data "coder_parameter" "p{n}" {{\n  name = "m{module}-p{n}"\n  default = "${{var.x}}{n}"\n'
            f'  option {{\n    name = "A"\n    value = "${{var.x}}{n}"\n  }}\n'
            '  option {\n    name = "B"\n    value = "b"\n  }\n}\n'
            for n in range(4)
        )
    for n in range(10):
        root += (
            f'data "coder_parameter" "r{n}" {{\n  name = "r{n}"\n  type = "number"\n  default = {n}\n'
            "  mutable = true\n  validation {\n    min = 0\n    max = 100\n  }\n}\n"
        )
    for n in range(PRESETS):
        root += (
            f'data "coder_workspace_preset" "s{n}" {{\n  name = "s{n}"\n  parameters = {{ r1 = {n} }}\n'
            "  prebuilds {\n    instances = 1\n  }\n}\n"
        )
    return {"main.tf": root, **made}
