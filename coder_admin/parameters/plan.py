"""Data that an import's plan read from the world (reference dynamic-parameters 4.4).

Only data sources, never ``coder_*``: those hold the importer's tokens, keys, groups and values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coder_admin.terraform.values import Value, from_python, object_

_INDEX = re.compile(r"\[[^\]]*\]")
_MAX_DEPTH = 64

Address = tuple[str, str, str, int | str | None]
"""(module path, type, name, key)"""


class PlanError(ValueError):
    """The plan's JSON is not a plan; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class PlanData:
    """Values of data sources by address."""

    values: Mapping[Address, Value] = field(default_factory=dict)

    def of(self, module_path: str, kind: str, name: str, key: int | str | None) -> Value | None:
        """What the plan read for one instance; a plan made of the unindexed module serves its instances."""
        exact = self.values.get((module_path, kind, name, key))
        if exact is not None or "[" not in module_path:
            return exact
        return self.values.get((_INDEX.sub("", module_path), kind, name, key))


EMPTY_PLAN = PlanData()


def read_plan(plan: Any) -> PlanData:
    """The data sources of ``terraform show -json``'s prior state. ``None`` and ``{}`` are no plan."""
    if plan is None or plan == {}:
        return EMPTY_PLAN
    if not isinstance(plan, Mapping):
        raise PlanError("the plan is not a JSON object")
    state = plan.get("prior_state") or {}
    values = state.get("values") if isinstance(state, Mapping) else None
    root = values.get("root_module") if isinstance(values, Mapping) else None
    found: dict[Address, Value] = {}
    if root is not None:
        _read_module(root, "", found, 0)
    return PlanData(found)


def _read_module(module: Any, path: str, found: dict[Address, Value], depth: int) -> None:
    if not isinstance(module, Mapping) or depth > _MAX_DEPTH:
        raise PlanError(
            f"the module {path or 'at the root'} of the plan is not an object, or nested too deeply"
        )
    for resource in _objects(module.get("resources"), f"resources of {path or 'the root module'}"):
        kind, name = str(resource.get("type", "")), str(resource.get("name", ""))
        if resource.get("mode") != "data" or kind.startswith("coder_"):
            continue
        values = resource.get("values")
        key = resource.get("index")
        if isinstance(values, Mapping) and (key is None or isinstance(key, int | str)):
            # A null of the plan is no answer: what the template writes there stays.
            given = {str(k): from_python(v) for k, v in values.items() if v is not None}
            found[path, kind, name, key] = object_(given)
    for child in _objects(module.get("child_modules"), f"child modules of {path or 'the root module'}"):
        _read_module(child, str(child.get("address", "")), found, depth + 1)


def _objects(items: Any, what: str) -> list[Mapping[str, Any]]:
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise PlanError(f"the {what} in the plan are not a list of objects")
    return items


def merged(written: Value, planned: Value) -> Value:
    """Objects merge deeply, planned values win, and what only the template writes survives."""
    if isinstance(written.data, dict) and isinstance(planned.data, dict):
        both = dict(written.data)
        for name, value in planned.data.items():
            both[name] = merged(both[name], value) if name in both else value
        return object_(both)
    return planned
