"""Resources and data sources: their instances, what each is configured to be, and the provider's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_admin.terraform.config.declarations import Resource
from coder_admin.terraform.diagnostics import DiagnosticError
from coder_admin.terraform.environment import BudgetError, Env
from coder_admin.terraform.evaluation.builtin import plan_builtin
from coder_admin.terraform.evaluation.conditions import report_broken
from coder_admin.terraform.evaluation.content import evaluate_body, run
from coder_admin.terraform.evaluation.repetition import (
    UNKNOWN_REPETITION,
    UNSUITABLE,
    repeat_of,
    repetition,
)
from coder_admin.terraform.evaluation.scope import ResourceState, Scope, key_text
from coder_admin.terraform.graph import Node
from coder_admin.terraform.model import BlockContent, Instance, Key, Lifecycle
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, Value

if TYPE_CHECKING:
    from coder_admin.terraform.evaluation.evaluator import Evaluator


def resource_of(node: Node) -> Resource:
    """The block that a resource's node stands for."""
    mode, _, name = node.name.partition(".")
    resources = node.module.config.resources
    if mode == "data" and ("data", name) in resources:
        return resources[("data", name)]
    return resources[("managed", node.name)]


def run_resource(evaluator: Evaluator, node: Node, scope: Scope, *, seen: bool = True) -> None:
    """Evaluate all instances of a block in one module instance, and ask the provider about each.

    seen: whether references to the block find the instances; otherwise it stays to them what it was.
    """
    resource = resource_of(node)
    state = ResourceState(resource, repeat_of(resource), node.module.config.attribute_names)
    said = len(evaluator.diagnostics)
    keys = evaluator.keys(resource, evaluator.env(scope))
    wrong = next((d for d in evaluator.diagnostics[said:] if d.code == UNSUITABLE), None)
    if seen:
        scope.resources[(resource.mode, resource.key)] = state
    before = _dependencies(evaluator, node)
    if keys is None:
        state.expanded = False
        keys = {None: None}
    instances = evaluator.by_node.setdefault(node, [])
    for key, each in keys.items():
        env = evaluator.env(scope)
        repeated = repetition(key, each) if state.expanded else UNKNOWN_REPETITION
        env.count_index, env.each_key, env.each_value = repeated
        instance = _instance(evaluator, resource, scope, key, env)
        instance.depends_on = before
        instance.unknown_key = not state.expanded or scope.unknown_key
        instance.repetition_problem = wrong
        state.instances[key] = instance
        instances.append(instance)
        _decide(evaluator, resource, instance, env)


def _instance(evaluator: Evaluator, resource: Resource, scope: Scope, key: Key, env: Env) -> Instance:
    env.meter.spend(1)
    address = scope.prefixed(f"{resource.address}{key_text(key)}")
    content, steps = _content(resource, env, evaluator.kept.get(address))
    problems = list(content.diagnostics)
    rules = resource.lifecycle
    replace = tuple((text, run(compiled, env, problems)) for text, compiled in rules.replace_triggered_by)
    return Instance(
        address,
        resource.mode,
        resource.type,
        resource.name,
        scope.address,
        key,
        content,
        resource.range,
        lifecycle=Lifecycle(
            rules.create_before_destroy, rules.prevent_destroy, rules.ignore_changes, replace
        ),
        diagnostics=problems,
        steps=steps,
    )


def _content(resource: Resource, env: Env, kept: Instance | None) -> tuple[BlockContent, int]:
    """The arguments, and the steps that they take."""
    if kept is not None:
        env.meter.spend(kept.steps)
        return kept.config, kept.steps
    before = env.meter.steps
    content = evaluate_body(resource.body, env)
    return content, env.meter.steps - before


def _decide(evaluator: Evaluator, resource: Resource, instance: Instance, env: Env) -> None:
    """Conditions, and the provider's answer in between."""
    rules, found, reports = resource.lifecycle, evaluator.diagnostics, instance.diagnostics
    report_broken(rules.preconditions, env, "Resource precondition failed", found, reports)
    instance.value = _ask(evaluator, instance)
    env.self_value = DYNAMIC_UNKNOWN if instance.value is None else instance.value
    report_broken(rules.postconditions, env, "Resource postcondition failed", found, reports)
    evaluator.diagnostics += instance.diagnostics


def _ask(evaluator: Evaluator, instance: Instance) -> Value | None:
    provider = evaluator.provider
    if provider is not None:
        ask = provider.data if instance.mode == "data" else provider.resource
        try:
            with evaluator.meter.paused():
                found = ask(instance)
        except BudgetError:
            raise
        except DiagnosticError as problem:
            instance.diagnostics.append(problem.diagnostic)
            return None
        if found is not None:
            return found
    return plan_builtin(instance)


def _dependencies(evaluator: Evaluator, node: Node) -> tuple[str, ...]:
    """Addresses of the instances that a resource depends on, through everything in between. (Behind a cycle
    there may be resources that come later.)"""
    return tuple(
        instance.address
        for before in evaluator.graph.resource_ancestors(node)
        if before in evaluator.records
        for instance in evaluator.by_node.get(before, ())
    )
