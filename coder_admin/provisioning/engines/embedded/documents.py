"""The plan as a document in Terraform's plan JSON format, so that both engines share one reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from coder_admin.terraform.values import Value

from .changes import Action, Change, change_of
from .codec import plan_sensitive, plan_unknown, plan_value
from .planner import Planned
from .state import State
from .types import RESOURCE_TYPES

FORMAT_VERSION: Final = "1.2"
PROVIDERS: Final = {
    "coder": "registry.terraform.io/coder/coder",
    "local": "registry.terraform.io/hashicorp/local",
    "null": "registry.terraform.io/hashicorp/null",
    "random": "registry.terraform.io/hashicorp/random",
    "terraform": "terraform.io/builtin/terraform",
    "time": "registry.terraform.io/hashicorp/time",
}


def plan_document(planned: Planned) -> dict[str, Any]:
    """``resource_changes`` with actions, before, after and replace_paths; planned values; prior state."""
    changes = [c for c in planned.changes.values() if c.mode == "managed"]
    kept = [(c, c.after) for c in changes if c.after is not None]
    return {
        "format_version": FORMAT_VERSION,
        "planned_values": {
            "outputs": {name: _output(value) for name, value in planned.outputs.items()},
            "root_module": _modules(kept),
        },
        "resource_changes": [_change(c) for c in planned.changes.values()],
        "output_changes": {name: _output_change(value) for name, value in planned.outputs.items()},
        "prior_state": {
            "format_version": "1.0",
            "values": {"root_module": _modules([*_prior(planned.state), *_read(planned)])},
        },
        "applyable": any(c.action is not Action.NO_OP for c in changes),
        "complete": True,
        "errored": False,
    }


def _change(change: Change) -> dict[str, Any]:
    before, after = change.before, change.after
    body: dict[str, Any] = {
        "actions": change.actions,
        "before": None if before is None else plan_value(before),
        "after": None if after is None else plan_value(after),
        "after_unknown": {} if after is None or after.is_wholly_known else plan_unknown(after),
        "before_sensitive": False if before is None else plan_sensitive(before),
        "after_sensitive": False if after is None else plan_sensitive(after),
    }
    if change.action is Action.READ:
        body["after_unknown"] = True
    if change.replace_paths:
        body["replace_paths"] = [list(path) for path in change.replace_paths]
    found = {**_identity(change), "change": body}
    if change.reason:
        found["action_reason"] = change.reason
    return found


def _identity(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {"address": change.address}
    if change.module:
        found["module_address"] = change.module
    found |= {"mode": change.mode, "type": change.type, "name": change.name}
    if change.key is not None:
        found["index"] = change.key
    return {**found, "provider_name": PROVIDERS.get(change.type.split("_")[0], "")}


def _prior(state: State) -> list[tuple[Change, Value]]:
    """The state's resources as instances with their values."""
    found = []
    for resource in state.resources.values():
        kind = RESOURCE_TYPES.get(resource.type)
        value = resource.value(kind.schema.type) if kind is not None else None
        if value is not None:
            identity = Change(
                resource.address,
                "managed",
                resource.type,
                resource.name,
                resource.module,
                resource.key,
                Action.NO_OP,
                dependencies=resource.dependencies,
            )
            found.append((identity, value))
    return found


def _read(planned: Planned) -> list[tuple[Change, Value]]:
    """Data sources that were read for the plan: Terraform shows them among what was there before."""
    return [(change_of(instance, Action.READ), value) for instance, value in planned.read.values()]


def _modules(resources: Iterable[tuple[Change, Value]]) -> dict[str, Any]:
    """Nested modules with their resources, as ``root_module`` holds them."""
    root: dict[str, Any] = {}
    nodes: dict[str, dict[str, Any]] = {"": root}
    for change, value in resources:
        node = _module(nodes, change.module)
        node.setdefault("resources", []).append(
            {
                **{k: v for k, v in _identity(change).items() if k != "module_address"},
                "schema_version": 0,
                "values": plan_value(value),
                "sensitive_values": plan_sensitive(value),
                **({"depends_on": list(change.dependencies)} if change.dependencies else {}),
            }
        )
    return root


def _module(nodes: dict[str, dict[str, Any]], address: str) -> dict[str, Any]:
    if address not in nodes:
        parent = _module(nodes, _parent(address))
        node: dict[str, Any] = {"address": address}
        parent.setdefault("child_modules", []).append(node)
        nodes[address] = node
    return nodes[address]


def _parent(address: str) -> str:
    """``module.a["x.module.y"].module.b`` lies in ``module.a["x.module.y"]``."""
    quoted = False
    cut = 0
    for n, letter in enumerate(address):
        if letter == '"' and (n == 0 or address[n - 1] != "\\"):
            quoted = not quoted
        elif not quoted and address.startswith(".module.", n):
            cut = n
    return address[:cut]


def _output(value: Value) -> dict[str, Any]:
    found: dict[str, Any] = {"sensitive": bool(value.deep_marks)}
    if value.is_wholly_known:
        found["value"] = plan_value(value)
    return found


def _output_change(value: Value) -> Mapping[str, Any]:
    return {
        "actions": ["create"],
        "before": None,
        "after": plan_value(value),
        "after_unknown": plan_unknown(value),
        "before_sensitive": False,
        "after_sensitive": bool(value.deep_marks),
    }
