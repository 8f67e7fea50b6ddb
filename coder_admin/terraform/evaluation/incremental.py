"""Evaluating again after a change: only what depends on the change is worked out anew.

Every node of the graph is either run, or taken over from the evaluation before with its values, instances,
diagnostics and its share of the budget. A node is run when a variable was given another value, when the
provider would answer one of its instances otherwise, or when something it depends on came out differently.
The outcome is what an evaluation from scratch gives; the one before stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coder_admin.terraform.evaluation.evaluator import Evaluator
from coder_admin.terraform.evaluation.resources import resource_of
from coder_admin.terraform.evaluation.scope import ModuleState, ResourceState, Scope
from coder_admin.terraform.graph import Node
from coder_admin.terraform.model import Instance, Provider

_SameAnswer = Callable[[Instance], bool]
_Path = tuple[str, ...]


def can_continue(before: Evaluator, after: Evaluator) -> bool:
    """Whether an evaluation can start from another: of the same module in the same context, and complete."""
    return (
        before.module is after.module
        and before.context == after.context
        and before.broken_files == after.broken_files
        and not before.stopped
        and len(before.records) == len(before.graph.nodes)
    )


def run_again(before: Evaluator, after: Evaluator) -> None:
    """Evaluate `after`, a new evaluator, with what can be kept of `before`."""
    after.scopes = _copies(before.scopes)
    after.root = after.scopes[()][0]
    # Blocks in cycles are evaluated last, whatever has changed: until then they have no instances.
    after.by_node = {node: found for node, found in before.by_node.items() if not node.in_cycle}
    after.guarded(lambda: _Rerun(before, after).run())


class _Rerun:
    """One pass over the graph."""

    def __init__(self, before: Evaluator, after: Evaluator) -> None:
        self.before = before
        self.after = after
        self.same_answer = _comparison(before.provider, after.provider)
        # Resources with other instances than before: what depends on them in any way names other addresses.
        self.renamed: set[Node] = set()
        old, new = before.given, after.given
        was, now = before.given_at, after.given_at
        find = after.graph.find
        changed = [
            name
            for name in {**old, **new}
            if old.get(name) != new.get(name) or was.get(name) != now.get(name)
        ]
        self.dirty = {node for name in changed if (node := find((), "variable", name)) is not None}

    def run(self) -> None:
        """All nodes. A stop leaves nothing of the evaluation before in those that were not reached."""
        after, nodes = self.after, self.after.graph.nodes
        reached = 0
        try:
            for node in nodes:
                changed = node in self.dirty
                if changed or (node in after.by_node and self.is_stale(node)):
                    reached += 1
                    if self.rerun(node) if changed else self.ask_again(node):
                        self.dirty.update(node.dependents)
                else:
                    self.take_over(node)
                    reached += 1
        finally:
            for node in nodes[reached:]:
                self.forget(node)

    def take_over(self, node: Node) -> None:
        """Account for a node whose values stay."""
        record = self.before.records[node]
        self.after.meter.spend(record.steps)
        self.after.meter.add_instances(record.instances)
        self.after.diagnostics += record.diagnostics
        self.after.records[node] = record

    def is_stale(self, node: Node) -> bool:
        """Whether a resource's node must run although nothing that it reads has changed."""
        if self.renamed and not self.renamed.isdisjoint(self.after.graph.resource_ancestors(node)):
            return True
        same = self.same_answer
        return same is not None and not all(map(same, self.after.by_node[node]))

    def rerun(self, node: Node) -> bool:
        """Run the node; True when what others see of it has changed."""
        if node.kind == "call":
            return self.rerun_call(node)
        old = self.seen(self.before, node)
        self.forget(node)
        self.after.node(node)
        if node.kind == "resource":
            addresses = [[i.address for i in e.by_node.get(node, ())] for e in (self.before, self.after)]
            if addresses[0] != addresses[1]:
                self.renamed.add(node)
        return old != self.seen(self.after, node)

    def ask_again(self, node: Node) -> bool:
        """Run a resource's node of which only the provider's answer, or what it depends on, is different."""
        if resource_of(node).mentions_itself:
            return self.rerun(node)  # what it saw of itself may be different too
        self.after.kept = {instance.address: instance for instance in self.after.by_node[node]}
        try:
            return self.rerun(node)
        finally:
            self.after.kept = {}

    def rerun_call(self, node: Node) -> bool:
        """Run a module call's expansion. When its instances are those of before they are kept."""
        after = self.after
        owners = after.scopes.get(node.module.path, [])
        states = [scope.modules.get(node.name) for scope in owners]
        inside = self.forget(node)
        after.node(node)
        if len(owners) != len(self.before.scopes.get(node.module.path, ())):
            return True
        if [_expansion(state) for state in states] != [
            _expansion(scope.modules.get(node.name)) for scope in owners
        ]:
            return True
        after.scopes.update(inside)
        for scope, state in zip(owners, states, strict=True):
            if state is not None:
                scope.modules[node.name] = state
        return False

    def seen(self, evaluator: Evaluator, node: Node) -> list[Any]:
        """What other nodes can see of a node, in every instance of its module."""
        scopes = evaluator.scopes.get(node.module.path, ())
        match node.kind:
            case "variable":
                return [scope.variables.get(node.name) for scope in scopes]
            case "local":
                return [scope.locals.get(node.name) for scope in scopes]
            case "output":
                return [scope.outputs.get(node.name) for scope in scopes]
            case "resource":
                resource = resource_of(node)
                return [_resource(scope.resources.get((resource.mode, resource.key))) for scope in scopes]
            case _:
                return []

    def forget(self, node: Node) -> dict[_Path, list[Scope]]:
        """Remove what was taken over of a node. Of a module call: all its instances, which are returned."""
        after = self.after
        inside: dict[_Path, list[Scope]] = {}
        if node.kind == "call":
            start = (*node.module.path, node.name)
            below = [path for path in after.scopes if path[: len(start)] == start]
            inside = {path: after.scopes.pop(path) for path in below}
        elif node.kind == "resource":
            after.by_node.pop(node, None)
        for scope in after.scopes.get(node.module.path, ()):
            match node.kind:
                case "variable":
                    scope.variables.pop(node.name, None)
                case "local":
                    scope.locals.pop(node.name, None)
                case "output":
                    scope.outputs.pop(node.name, None)
                case "call":
                    scope.modules.pop(node.name, None)
                case "resource":
                    resource = resource_of(node)
                    scope.resources.pop((resource.mode, resource.key), None)
                case _:
                    pass
        return inside


def _comparison(before: Provider | None, after: Provider | None) -> _SameAnswer | None:
    """Tells whether `after` answers an instance as `before` did; None when it does for every one."""
    if before is None and after is None:
        return None
    ask = getattr(after, "same_answer", None)
    if ask is None or before is None:
        return lambda _: False
    return lambda instance: bool(ask(before, instance))


def _resource(state: ResourceState | None) -> object:
    if state is None:
        return None
    values = {
        key: instance.config.attributes if instance.value is None else instance.value
        for key, instance in state.instances.items()
    }
    return state.expanded, values


def _expansion(state: ModuleState | None) -> object:
    if state is None:
        return None
    scopes = {
        key: (scope.address, scope.unknown_key, scope.count_index, scope.each_key, scope.each_value)
        for key, scope in state.scopes.items()
    }
    return state.expanded, scopes


def _copies(scopes: dict[_Path, list[Scope]]) -> dict[_Path, list[Scope]]:
    """All module instances, copied; parents come before their children."""
    made: dict[Scope, Scope] = {}
    for instances in scopes.values():
        for scope in instances:
            made[scope] = scope.copy(None if scope.parent is None else made[scope.parent])
    for scope, copy in made.items():
        for name, state in scope.modules.items():
            copy.modules[name] = state.copy({key: made[inner] for key, inner in state.scopes.items()})
    return {path: [made[scope] for scope in instances] for path, instances in scopes.items()}
