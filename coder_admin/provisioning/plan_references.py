"""What a plan's configuration says about who refers to whom. Pure.

A plan holds no dependencies of what it will make; its ``configuration`` holds, for each argument, the names
that its expression mentions. A reference to a module's output or to a variable leads through to the resources
behind it. What locals stand for a plan does not tell: a reference through a local ends there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

KEY: Final = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')
NOT_RESOURCES: Final = frozenset({"local", "each", "count", "path", "terraform", "self"})


@dataclass
class References:
    """``direct``: address of a block (without keys) to its arguments, and each argument to the addresses of
    the blocks it mentions. Nested blocks count as the argument of their name."""

    direct: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def of(self, address: str, argument: str) -> tuple[str, ...]:
        return self.direct.get(address, {}).get(argument, ())

    def reachable(self, address: str) -> set[str]:
        """All blocks that the block depends on, by any way."""
        found: set[str] = set()
        waiting = [address]
        while waiting:
            for named in self.direct.get(waiting.pop(), {}).values():
                fresh = set(named) - found
                found |= fresh
                waiting += fresh
        found.discard(address)
        return found


@dataclass(frozen=True)
class _Scope:
    """One module of the configuration: where it lies, and how it was called."""

    prefix: str
    module: Mapping[str, Any]
    parent: _Scope | None = None
    call: Mapping[str, Any] = field(default_factory=dict)

    def children(self) -> Iterator[tuple[str, _Scope]]:
        for name, call in _mapping(self.module.get("module_calls")).items():
            inner = _mapping(_mapping(call).get("module"))
            yield name, _Scope(f"{self.prefix}module.{name}.", inner, self, _mapping(call))


def without_keys(address: str) -> str:
    """``module.a[0].coder_agent.x["k"]`` as ``module.a.coder_agent.x``: the block, not its instances."""
    return KEY.sub("", address)


def read_references(configuration: Mapping[str, Any]) -> References:
    """The references of every resource and data source in the plan's ``configuration``."""
    found = References()
    waiting = [_Scope("", _mapping(configuration.get("root_module")))]
    while waiting:
        scope = waiting.pop()
        for block in _objects(scope.module.get("resources")):
            address = scope.prefix + str(block.get("address"))
            arguments: dict[str, tuple[str, ...]] = {}
            expressions = {**_mapping(block.get("expressions")), "": {"references": block.get("depends_on")}}
            for name in ("count_expression", "for_each_expression"):
                expressions[name] = block.get(name)
            for name, expression in expressions.items():
                if named := _resolved(scope, _names(expression)):
                    arguments[name] = named
            found.direct[address] = arguments
        waiting += [child for _, child in scope.children()]
    return found


def _resolved(scope: _Scope, names: Iterable[str]) -> tuple[str, ...]:
    """The blocks behind the names, in the order in which they are mentioned."""
    found: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(scope, name) for name in _precise(names)]
    while waiting:
        where, name = waiting.pop(0)
        if (where.prefix, name) in seen:
            continue
        seen.add((where.prefix, name))
        parts = without_keys(name).split(".")
        match parts:
            case ["var", variable, *_] if where.parent is not None:
                given = _mapping(where.call.get("expressions")).get(variable)
                waiting += [(where.parent, n) for n in _precise(_names(given))]
            case ["module", module, *output]:
                inner = dict(where.children()).get(module)
                if inner is not None:
                    waiting += [(inner, n) for n in _output_names(inner.module, output)]
            case ["data", kind, block, *_]:
                found[f"{where.prefix}data.{kind}.{block}"] = None
            case [kind, block, *_] if kind not in NOT_RESOURCES and kind not in {"var", "module"}:
                found[f"{where.prefix}{kind}.{block}"] = None
    return tuple(found)


def _output_names(module: Mapping[str, Any], path: list[str]) -> list[str]:
    """What an output of the module refers to; all of them when it is not said which one (``module.m[i].x``
    with an index that is computed)."""
    outputs = _mapping(module.get("outputs"))
    chosen = [outputs.get(path[0])] if path else list(outputs.values())
    return [n for output in chosen for n in _precise(_names(_mapping(output).get("expression")))]


def _precise(names: Iterable[str]) -> list[str]:
    """Without the names that a longer one repeats: beside ``module.m.out`` a plan also lists ``module.m``."""
    plain = list(dict.fromkeys(without_keys(name) for name in names))
    return [name for name in plain if not any(other.startswith(f"{name}.") for other in plain)]


def _names(expression: Any) -> list[str]:
    """Every name that an expression mentions, those in nested blocks too; without recursion."""
    found: list[str] = []
    waiting = [expression]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            named = item.get("references")
            if isinstance(named, list):
                found += [str(name) for name in named]
            waiting += [part for key, part in item.items() if key != "references"]
        elif isinstance(item, list):
            waiting += item
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())
