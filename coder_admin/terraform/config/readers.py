"""Code that reads what a name stands for, from the scope that an expression runs in."""

from __future__ import annotations

from coder_admin.terraform.compile.core import Run
from coder_admin.terraform.environment import Env
from coder_admin.terraform.syntax import tree
from coder_admin.terraform.values import DYNAMIC_UNKNOWN, EPHEMERAL, Value, normalized

EPHEMERAL_UNKNOWN = DYNAMIC_UNKNOWN.with_marks(EPHEMERAL)


def step_name(step: tree.Step) -> str | None:
    """The name in `.name` or `["name"]`; None for an index."""
    if isinstance(step, tree.AttributeStep):
        return normalized(step.name)
    return step.key if isinstance(step.key, str) else None


def resource_reader(key: tuple[str, str], repeat: str, steps: list[tree.Step]) -> tuple[Run, int]:
    """Code that reads a resource, and how many of the following steps it has used.

    `T.N.attr` and `T.N[0].attr` go straight to the attribute: one that is not written in the block, of a
    type that nobody knows, is unknown and no error.
    """
    if not repeat and steps and (name := step_name(steps[0])) is not None:
        return _single(key, name), 1
    if (
        repeat
        and len(steps) > 1
        and isinstance(steps[0], tree.IndexStep)
        and isinstance(steps[1], tree.AttributeStep)
    ):
        index = steps[0].key
        instance_key: int | str = index if isinstance(index, str) else _whole(index.text)
        return _instance(key, instance_key, normalized(steps[1].name)), 2

    def run(env: Env) -> Value:
        scope = env.scope
        return DYNAMIC_UNKNOWN if scope is None else scope.resources[key].whole()

    return run, 0


def _whole(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _single(key: tuple[str, str], name: str) -> Run:
    def run(env: Env) -> Value:
        scope = env.scope
        return DYNAMIC_UNKNOWN if scope is None else scope.resources[key].attribute(None, name)

    return run


def _instance(key: tuple[str, str], instance_key: int | str, name: str) -> Run:
    def run(env: Env) -> Value:
        scope = env.scope
        return DYNAMIC_UNKNOWN if scope is None else scope.resources[key].attribute(instance_key, name)

    return run


def from_names(name: str) -> Run:
    """An iterator of a dynamic block."""

    def run(env: Env) -> Value:
        return env.vars[name]

    return run


def _present(value: Value | None) -> Value:
    return DYNAMIC_UNKNOWN if value is None else value


def ephemeral(_env: Env) -> Value:
    return EPHEMERAL_UNKNOWN


def itself(env: Env) -> Value:
    return _present(env.self_value)


def count_index(env: Env) -> Value:
    return _present(env.count_index)


def each_key(env: Env) -> Value:
    return _present(env.each_key)


def each_value(env: Env) -> Value:
    return _present(env.each_value)
