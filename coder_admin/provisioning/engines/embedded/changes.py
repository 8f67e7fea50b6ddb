"""What is to happen with one resource instance: pure, from what is wanted and what exists."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from coder_admin.terraform import Instance, Key, Range
from coder_admin.terraform.types import DYNAMIC
from coder_admin.terraform.values import Value, unknown

from .codec import Step, to_state
from .resource import Call, ResourceType
from .schema import mark

IGNORE_ALL: Final = "all"
_STEP: Final = re.compile(r'\.?([A-Za-z_][\w-]*)|\.?(\d+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


class Action(StrEnum):
    NO_OP = "no-op"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    READ = "read"  # a data source that can only be read during the apply


@dataclass(frozen=True)
class Decision:
    action: Action
    after: dict[str, Value]
    replace_paths: tuple[tuple[Step, ...], ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """A decision about an instance, with what carrying it out needs to know."""

    address: str
    mode: str
    type: str
    name: str
    module: str
    key: Key
    action: Action
    before: Value | None = None
    after: Value | None = None
    replace_paths: tuple[tuple[Step, ...], ...] = ()
    reason: str = ""
    dependencies: tuple[str, ...] = ()
    create_before_destroy: bool = False
    triggers: Mapping[str, str] = field(default_factory=dict)
    range: Range | None = None

    @property
    def actions(self) -> list[str]:
        """As Terraform's plan JSON names them."""
        if self.action is not Action.REPLACE:
            return [self.action.value]
        return ["create", "delete"] if self.create_before_destroy else ["delete", "create"]

    @property
    def destroys(self) -> bool:
        return self.action in {Action.DELETE, Action.REPLACE}


def change_of(instance: Instance, action: Action, **facts: object) -> Change:
    return Change(
        address=instance.address,
        mode=instance.mode,
        type=instance.type,
        name=instance.name,
        module=instance.module_path,
        key=instance.key,
        action=action,
        range=instance.range,
        **facts,  # type: ignore[arg-type]
    )


def decide(
    kind: ResourceType,
    config: Mapping[str, Value],
    call: Call,
    *,
    ignore: Sequence[str] = (),
    triggered: bool = False,
) -> Decision:
    """``call.prior`` is what exists ({} for nothing); ``triggered``: replace_triggered_by asks for a new one.

    As providers do: what is written counts, what only the provider sets stays as it was; a changed attribute
    that forces a new resource replaces it; an unknown value counts as changed.
    """
    if not call.prior:
        return Decision(Action.CREATE, _planned(kind, config, call, {}))
    wanted = _ignoring(kind, config, call.prior, ignore)
    planned = _planned(kind, wanted, call, call.prior)
    changed = [
        n for n in kind.schema.names if planned[n].deeply_unmarked() != call.prior[n].deeply_unmarked()
    ]
    forcing = [name for name in changed if kind.schema.forces_new(name)]
    if forcing or triggered:
        after = _planned(kind, wanted, call, {})
        reason = "replace_because_cannot_update" if forcing else "replace_by_triggers"
        return Decision(Action.REPLACE, after, tuple((name,) for name in forcing), reason)
    if not changed:
        return Decision(Action.NO_OP, planned)
    moving = {
        name: unknown(attribute.type)
        for name, attribute in kind.schema.attributes.items()
        if attribute.computed and not attribute.stable and name not in changed
    }
    return Decision(Action.UPDATE, mark({**planned, **moving}, kind.schema))


def _planned(
    kind: ResourceType, wanted: Mapping[str, Value], call: Call, prior: Mapping[str, Value]
) -> dict[str, Value]:
    planned: dict[str, Value] = {}
    for name in kind.schema.names:
        value = wanted[name]
        if kind.schema.is_computed(name) and value.is_known and value.is_null:
            value = prior[name] if name in prior else unknown(kind.schema.attributes[name].type)
        planned[name] = value
    return mark(kind.plan(replace(call, prior=prior, planned=planned), planned), kind.schema)


def _ignoring(
    kind: ResourceType, config: Mapping[str, Value], prior: Mapping[str, Value], ignore: Sequence[str]
) -> Mapping[str, Value]:
    """The configuration with ignored attributes as they are."""
    if not ignore:
        return config
    if IGNORE_ALL in ignore:
        return {name: prior[name] for name in config}
    wanted = dict(config)
    for path in ignore:
        steps = steps_of(path)
        if steps and steps[0] in wanted:
            name = str(steps[0])
            wanted[name] = _carry(wanted[name], prior[name], steps[1:])
    return wanted


def _carry(value: Value, prior: Value, steps: Sequence[Step]) -> Value:
    """The value with the part at the path as it was before (also: absent as it was before)."""
    if not steps:
        return prior
    step = steps[0]
    if isinstance(value.data, dict) and isinstance(prior.data, dict):
        members = dict(value.data)
        name = str(step)
        if name in prior.data:
            before = prior.data[name]
            members[name] = _carry(members[name], before, steps[1:]) if name in members else before
        elif len(steps) == 1:
            members.pop(name, None)
        return Value(value.type if value.type.is_collection else None, members, value.marks)
    if not isinstance(value.data, tuple) or not isinstance(prior.data, tuple):
        return value
    if isinstance(step, int) and step < len(value.data) and step < len(prior.data):
        items = list(value.data)
        items[step] = _carry(items[step], prior.data[step], steps[1:])
        return Value(value.type if value.type.is_collection else None, tuple(items), value.marks)
    return value


def steps_of(path: str) -> list[Step]:
    """``tags["a"].b[0]`` as its steps; [] for what is no path."""
    steps: list[Step] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            return []
        name, dotted, index, key = match.groups()
        if name is not None:
            steps.append(name)
        elif key is not None:
            steps.append(str(json.loads(f'"{key}"')))
        else:
            steps.append(int(dotted if dotted is not None else index))
        end = match.end()
    return steps if end == len(path) else []


def trigger_hashes(values: Iterable[tuple[str, Value]]) -> dict[str, str]:
    """What replace_triggered_by refers to, as hashes (the state holds no foreign values); "": unknown."""
    return {reference: _hash(value) for reference, value in values}


def _hash(value: Value) -> str:
    plain = value.deeply_unmarked()
    if not plain.is_wholly_known:
        return ""
    text = json.dumps(to_state(plain, DYNAMIC), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def triggered(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether something referred to changed since the resource was made (unknown counts as changed)."""
    return any(reference in before and before[reference] != digest for reference, digest in now.items())
