"""Random trees of modules whose parts depend on each other in every way that the language has."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from coder_admin.terraform import Instance, Provider, Value, object_, string
from coder_admin.terraform.values import boolean, null, number, set_of, tuple_, unknown
from tests.terraform.random_expressions import random_expression

_USES = [
    "@", "@", "[@, @]", "{a = @, b = @}", '"x-${jsonencode(@)}"', "try(@ + 1, @)", "try(@.value, @)",
    "@.value",
    "try(length(@), 0)", "@ == @", "sensitive(@)", "try(nonsensitive(@), @)", "try(@ ? @ : @, 0)", "type(@)",
    "[for x in try(tolist(@), [@]) : x]", "{for k, v in try(@, {}) : k => v}", "try(@[0], @)",
    "coalesce(@, 1)",
    "try(tonumber(@) > 1, false)", "@[*]", "can(@.value)", "length(@)", "keys(@)", "try(one(@), null)",
]  # fmt: skip
_REPEATS = [
    "", "", "", "count = try(min(3, max(0, floor(tonumber(@)))), 1)", "count = try(length(@), 0) > 1 ? 2 : 1",
    'for_each = try(toset([for x in @ : tostring(x)]), toset(["a", "b"]))', "for_each = try(tomap(@), {})",
    "count = @", "for_each = @",
]  # fmt: skip


def random_tree(source: random.Random) -> dict[str, str]:
    """The files of a root module with up to three modules below it, one of them two levels down."""
    files = {"c/main.tf": _module(source, source.randint(1, 3), [])}
    files["b/main.tf"] = _module(source, source.randint(1, 3), [])
    files["a/main.tf"] = _module(source, source.randint(1, 4), ["../c"])
    files["main.tf"] = _module(source, source.randint(3, 9), ["./a", "./b"][: source.randint(0, 2)])
    return files


def random_inputs(source: random.Random) -> dict[str, Value]:
    """Values for some of the variables."""
    return {f"v{i}": _value(source) for i in range(3) if source.random() < 0.8}


def _value(source: random.Random) -> Value:
    simple = [number(source.randint(0, 3)), string(source.choice("abc")), boolean(source.random() < 0.5)]
    texts = [string(letter) for letter in "abc" if source.random() < 0.5]
    return source.choice(
        [
            *simple,
            tuple_(texts),
            set_of(texts, string("").type),
            object_({text.data: number(1) for text in texts}),
            null(),
            unknown(source.choice([string("").type, number(1).type])),
        ]
    )


def _module(source: random.Random, size: int, children: list[str]) -> str:
    names = [*(f"var.v{i}" for i in range(3)), *(f"local.l{i}" for i in range(size))]
    names += [f"data.t.d{i}" for i in range(2)] + ["t.r0"]
    names += [f"module.m{i}.{name}" for i in range(len(children)) for name in ("o0", "o1")]
    names += [f"module.m{i}" for i in range(len(children))]
    order = source.sample(names, len(names)) if source.random() < 0.8 else []

    def use(text: str, user: str) -> str:
        """Fill in names that come before the user in some order; without an order there may be cycles."""
        known = order[: order.index(user)] if user in order else order or names
        while "@" in text:
            text = text.replace("@", source.choice(known) if known else "1", 1)
        return text

    def expression(user: str) -> str:
        if source.random() < 0.2:
            return random_expression(source, 1)
        return use(source.choice(_USES), user)

    parts = []
    for i in range(3):
        default = source.choice(["", "  default = 1\n", "  default = null\n"])
        kind = source.choice(["", "  type = any\n", "  type = string\n", "  sensitive = true\n"])
        rule = f'  validation {{\n    condition = try(var.v{i} != 2, true)\n    error_message = "No."\n  }}\n'
        parts.append(f'variable "v{i}" {{\n{default}{kind}{rule if source.random() < 0.3 else ""}}}\n')
    parts.append("locals {\n")
    parts += [f"  l{i} = {expression(f'local.l{i}')}\n" for i in range(size)]
    parts.append("}\n")
    for mode, kind, name in (
        ("data", "data.t.d0", "d0"),
        ("data", "data.t.d1", "d1"),
        ("resource", "t.r0", "r0"),
    ):
        repeat = use(source.choice(_REPEATS), kind)
        each = source.choice(["each.key", "count.index", "1"])
        parts.append(
            f'{mode} "t" "{name}" {{\n  {repeat}\n  a = {expression(kind)}\n  i = try({each}, 0)\n'
            f'  dynamic "d" {{\n    for_each = try(tolist({use("@", kind)}), [])\n    content {{\n'
            f"      x = d.value\n    }}\n  }}\n}}\n"
        )
    for i, path in enumerate(children):
        user = f"module.m{i}"
        repeat = use(source.choice(_REPEATS), user)
        arguments = "".join(f"  v{at} = {expression(user)}\n" for at in range(3) if source.random() < 0.6)
        parts.append(f'module "m{i}" {{\n  source = "{path}"\n  {repeat}\n{arguments}}}\n')
    for i in range(2):
        parts.append(f'output "o{i}" {{\n  value = {expression("")}\n}}\n')
    condition = use("try(@ != 1, true)", "")
    parts.append(
        f'check "c" {{\n  assert {{\n    condition = {condition}\n    error_message = "C."\n  }}\n}}\n'
    )
    return "".join(parts)


@dataclass
class Answers:
    """A provider whose data sources have the value that an input names by their address, if any does."""

    inputs: Mapping[str, str]
    asked: int = 0

    def data(self, instance: Instance) -> Value | None:
        self.asked += 1
        given = self.inputs.get(instance.address)
        if given is None:
            return None
        return object_({**instance.config.attributes, "value": string(given)})

    def resource(self, _instance: Instance) -> Value | None:
        self.asked += 1
        return None

    def same_answer(self, previous: Provider, instance: Instance) -> bool:
        if not isinstance(previous, Answers):
            return False
        return previous.inputs.get(instance.address) == self.inputs.get(instance.address)
