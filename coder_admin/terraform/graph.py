"""The dependency graph of a tree of modules, and the order in which to evaluate it.

Nodes are what Terraform's own graph has: variables, locals, resources, expansions of module calls, outputs,
checks. A node stands for all instances of its module, so the order does not depend on any value and is worked
out once per tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from coder_admin.terraform.compile.core import Compiled, Reference
from coder_admin.terraform.config.declarations import ModuleCall, Rule
from coder_admin.terraform.config.loader import ModuleNode
from coder_admin.terraform.diagnostics import Diagnostic, Range, error


@dataclass(slots=True, eq=False)
class Node:
    """One thing to evaluate. kind: variable, validation, local, resource, call, output, check.

    name: the name within its module; for a resource `data.TYPE.NAME` or `TYPE.NAME`.
    """

    kind: str
    module: ModuleNode
    name: str
    label: str
    range: Range | None
    order: int
    depends_on: list[Node] = field(default_factory=list)
    dependents: list[Node] = field(default_factory=list)
    in_cycle: bool = False


@dataclass(slots=True)
class Graph:
    """All nodes in an order in which every node comes after what it depends on."""

    nodes: list[Node]
    by_key: dict[tuple[tuple[str, ...], str, str], Node]
    diagnostics: list[Diagnostic]
    _ancestors: dict[Node, tuple[Node, ...]] = field(default_factory=dict)

    def find(self, path: tuple[str, ...], kind: str, name: str) -> Node | None:
        return self.by_key.get((path, kind, name))

    def resource_ancestors(self, node: Node) -> tuple[Node, ...]:
        """The nearest resources before a node, through everything in between. Worked out once."""
        known = self._ancestors.get(node)
        if known is not None:
            return known
        found: dict[Node, None] = {}
        stack = list(reversed(node.depends_on))
        seen: set[Node] = set()
        while stack:
            before = stack.pop()
            if before in seen:
                continue
            seen.add(before)
            if before.kind == "resource":
                found[before] = None
            else:
                stack.extend(reversed(before.depends_on))
        self._ancestors[node] = tuple(found)
        return self._ancestors[node]


class _Builder:
    def __init__(self, root: ModuleNode) -> None:
        self.root = root
        self.nodes: list[Node] = []
        self.by_key: dict[tuple[tuple[str, ...], str, str], Node] = {}
        self.modules: dict[tuple[str, ...], ModuleNode] = {}
        self.of_module: dict[tuple[str, ...], list[Node]] = {}

    def build(self) -> Graph:
        for module in self.root.walk():
            self.modules[module.path] = module
            self.of_module[module.path] = []
            self.add_nodes(module)
        for module in self.modules.values():
            self.add_edges(module)
        for node in self.nodes:
            for before in node.depends_on:
                before.dependents.append(node)
        ordered, cycles = _sorted(self.nodes)
        return Graph(ordered, self.by_key, cycles)

    def add(self, kind: str, module: ModuleNode, name: str, label: str, where: Range | None) -> None:
        prefix = f"{module.address}." if module.path else ""
        node = Node(kind, module, name, f"{prefix}{label}", where, len(self.nodes))
        self.nodes.append(node)
        self.of_module[module.path].append(node)
        self.by_key[(module.path, kind, name)] = node

    def add_nodes(self, module: ModuleNode) -> None:
        config = module.config
        for variable in config.variables.values():
            self.add("variable", module, variable.name, f"var.{variable.name}", variable.range)
            if variable.validations:
                label = f"var.{variable.name} (validation)"
                self.add("validation", module, variable.name, label, variable.range)
        for local in config.locals.values():
            self.add("local", module, local.name, f"local.{local.name}", local.range)
        for resource in config.resources.values():
            self.add("resource", module, resource.address, resource.address, resource.range)
        for call in config.calls.values():
            self.add("call", module, call.name, f"module.{call.name}", call.range)
        for output in config.outputs.values():
            self.add("output", module, output.name, f"output.{output.name}", output.range)
        for check in config.checks.values():
            self.add("check", module, check.name, f"check.{check.name}", check.range)

    def add_edges(self, module: ModuleNode) -> None:
        path, config = module.path, module.config
        opening = self.by_key.get((path[:-1], "call", path[-1])) if path else None
        for variable in config.variables.values():
            node = self.by_key[(path, "variable", variable.name)]
            if module.call is not None and variable.name in module.call.arguments:
                self.link(node, path[:-1], module.call.arguments[variable.name].references)
            if variable.validations:
                validation = self.by_key[(path, "validation", variable.name)]
                validation.depends_on.append(node)
                self.link(validation, path, _of_rules(variable.validations))
        for local in config.locals.values():
            self.link(self.by_key[(path, "local", local.name)], path, local.value.references)
        for resource in config.resources.values():
            self.link(self.by_key[(path, "resource", resource.address)], path, resource.references)
        for call in config.calls.values():
            self.link(self.by_key[(path, "call", call.name)], path, _of_call(call))
        for output in config.outputs.values():
            references = [*output.depends_on, *_of_rules(output.preconditions)]
            if output.value is not None:
                references += output.value.references
            self.link(self.by_key[(path, "output", output.name)], path, references)
        for check in config.checks.values():
            self.link(self.by_key[(path, "check", check.name)], path, _of_rules(check.assertions))
        if opening is not None:
            for node in self.of_module[path]:
                node.depends_on.append(opening)

    def link(self, node: Node, path: tuple[str, ...], references: Iterable[Reference]) -> None:
        """Add what the references, seen from the module at `path`, mean as dependencies."""
        found = dict.fromkeys(node.depends_on)
        for reference in references:
            found.update(dict.fromkeys(self.targets(path, reference)))
        node.depends_on = list(found)

    def targets(self, path: tuple[str, ...], reference: Reference) -> list[Node]:
        match reference.kind:
            case "var":
                key = (path, "variable", reference.name)
            case "local":
                key = (path, "local", reference.name)
            case "managed":
                key = (path, "resource", reference.name)
            case "data":
                key = (path, "resource", f"data.{reference.name}")
            case "module":
                return self.module_targets(path, reference)
            case _:
                return []
        found = self.by_key.get(key)
        return [] if found is None else [found]

    def module_targets(self, path: tuple[str, ...], reference: Reference) -> list[Node]:
        inside = (*path, reference.name)
        call = self.by_key.get((path, "call", reference.name))
        found = [] if call is None else [call]
        child = self.modules.get(inside)
        if child is None:
            return found
        named = reference.output
        names = [named] if named in child.config.outputs else list(child.config.outputs)
        return found + [self.by_key[(inside, "output", name)] for name in names if name is not None]


def _of_rules(rules: Iterable[Rule]) -> list[Reference]:
    found: list[Reference] = []
    for rule in rules:
        found += rule.condition.references
        if rule.message is not None:
            found += rule.message.references
    return found


def _of_call(call: ModuleCall) -> list[Reference]:
    found = list(call.depends_on)
    repeat: list[Compiled | None] = [call.count, call.for_each]
    for compiled in repeat:
        if compiled is not None:
            found += compiled.references
    return found


def _sorted(nodes: list[Node]) -> tuple[list[Node], list[Diagnostic]]:
    """Dependencies first, otherwise in source order; nodes of a cycle are marked and reported.

    A depth-first walk with a stack of its own: a chain of a thousand locals is no recursion.
    """
    done: list[Node] = []
    state: dict[Node, int] = {}  # 1: on the path, 2: done
    diagnostics: list[Diagnostic] = []
    for start in nodes:
        if start in state:
            continue
        path: list[tuple[Node, int]] = [(start, 0)]
        state[start] = 1
        while path:
            node, at = path[-1]
            if at < len(node.depends_on):
                path[-1] = (node, at + 1)
                following = node.depends_on[at]
                seen = state.get(following)
                if seen is None:
                    state[following] = 1
                    path.append((following, 0))
                elif seen == 1:
                    _report_cycle([item for item, _ in path], following, diagnostics)
                continue
            path.pop()
            state[node] = 2
            done.append(node)
    return done, diagnostics


def _report_cycle(path: list[Node], start: Node, diagnostics: list[Diagnostic]) -> None:
    members = path[path.index(start) :]
    new = any(not member.in_cycle for member in members)
    for member in members:
        member.in_cycle = True
    if not new:
        return
    if len(members) == 1 and start.kind == "local":
        value = start.module.config.locals[start.name].value
        detail = f"Local value local.{start.name} cannot use its own result as part of its expression."
        diagnostics.append(error("Self-referencing local value", detail, value.range, "cycle"))
        return
    names = [_cycle_label(member) for member in members]
    diagnostics.append(
        error(
            "Cycle",
            "These values depend on each other, so none of them can be worked out first: "
            f"{', '.join(names)}.",
            start.range,
            "cycle",
        )
    )


def _cycle_label(node: Node) -> str:
    """As Terraform writes members of a cycle."""
    return node.label if node.kind == "resource" else f"{node.label} (expand)"


def build_graph(root: ModuleNode) -> Graph:
    """The graph of a loaded tree."""
    return _Builder(root).build()


def to_dot(graph: Graph) -> str:
    """The graph in Graphviz's language."""
    lines = ["digraph {", '  rankdir = "RL";']
    for node in sorted(graph.nodes, key=lambda item: item.order):
        lines.append(f'  "{_escaped(node.label)}";')
        for before in node.depends_on:
            lines.append(f'  "{_escaped(node.label)}" -> "{_escaped(before.label)}";')
    return "\n".join([*lines, "}", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
