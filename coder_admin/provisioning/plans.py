"""Reading Terraform's plan and state JSON (format 1.x), whichever engine wrote it.

Pure. Both engines hand their plans over in this one format, so that replacement detection, the build page
and the importer read one thing. Unknown members are ignored, missing ones are empty; only a document that
is no plan at all is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_OP = ("no-op",)


class PlanError(ValueError):
    """The document is not a plan (or state) in Terraform's JSON format."""


@dataclass(frozen=True)
class ResourceChange:
    """One entry of ``resource_changes``."""

    address: str
    mode: str
    type: str
    name: str
    actions: tuple[str, ...]
    module_address: str = ""
    index: int | str | None = None
    before: Any = None
    after: Any = None
    after_unknown: Any = False
    before_sensitive: Any = False
    after_sensitive: Any = False
    replace_paths: tuple[Any, ...] = ()
    action_reason: str = ""
    has_change: bool = True
    deposed: str = ""

    @property
    def replaces(self) -> bool:
        return "create" in self.actions and "delete" in self.actions


@dataclass(frozen=True)
class StateResource:
    """One resource instance of ``planned_values``, ``prior_state`` or a state document."""

    address: str
    mode: str
    type: str
    name: str
    index: int | str | None
    values: Mapping[str, Any]
    sensitive_values: Any
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class TerraformPlan:
    changes: tuple[ResourceChange, ...] = ()
    planned: tuple[StateResource, ...] = ()
    prior: tuple[StateResource, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    errored: bool = False
    terraform_version: str = ""


@dataclass(frozen=True)
class TerraformState:
    resources: tuple[StateResource, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    terraform_version: str = ""


def read_plan(document: str | bytes | Mapping[str, Any]) -> TerraformPlan:
    """A plan as ``terraform show -json PLANFILE`` prints it."""
    plan = _document(document, "plan")
    planned = _mapping(plan.get("planned_values"))
    prior = _mapping(_mapping(plan.get("prior_state")).get("values"))
    return TerraformPlan(
        changes=tuple(_change(entry) for entry in _objects(plan.get("resource_changes"))),
        planned=tuple(_walk(_mapping(planned.get("root_module")))),
        prior=tuple(_walk(_mapping(prior.get("root_module")))),
        outputs={name: _mapping(o).get("value") for name, o in _mapping(planned.get("outputs")).items()},
        variables={name: _mapping(v).get("value") for name, v in _mapping(plan.get("variables")).items()},
        configuration=_mapping(plan.get("configuration")),
        errored=plan.get("errored") is True,
        terraform_version=str(plan.get("terraform_version") or ""),
    )


def read_state(document: str | bytes | Mapping[str, Any]) -> TerraformState:
    """A state as ``terraform show -json`` prints it; an empty state has no values at all."""
    state = _document(document, "state")
    values = _mapping(state.get("values"))
    return TerraformState(
        resources=tuple(_walk(_mapping(values.get("root_module")))),
        outputs={name: _mapping(o).get("value") for name, o in _mapping(values.get("outputs")).items()},
        terraform_version=str(state.get("terraform_version") or ""),
    )


def daily_cost(plan: TerraformPlan) -> int:
    """Credits a day that the planned resources cost: the sum over their ``coder_metadata``. A cost that is
    only known after the apply counts as 0."""
    costs = (entry.values.get("daily_cost") for entry in plan.planned if entry.type == "coder_metadata")
    return sum(max(0, int(cost)) for cost in costs if isinstance(cost, int | float))


def replacements(changes: Iterable[ResourceChange]) -> dict[str, list[str]] | None:
    """What the plan replaces and why: address to the paths that force it (reference: section 2).

    Not counted: entries without a change, no-ops, entries without ``replace_paths`` (also plain creations),
    and Coder's own types: a ``coder_agent`` is replaced on every build by nature. None when nothing is left.
    """
    found: dict[str, list[str]] = {}
    for change in changes:
        if not change.has_change or change.actions == NO_OP or not change.replace_paths:
            continue
        if change.type.startswith("coder_"):
            continue
        found[change.address] = [path_text(path) for path in change.replace_paths]
    return found or None


def path_text(path: Any) -> str:
    """``["root_block_device", 0, "volume_size"]`` as ``root_block_device.0.volume_size``; a scalar as is."""
    if isinstance(path, list | tuple):
        return ".".join(_step_text(step) for step in path)
    return _step_text(path)


def replacement_lines(changes: Iterable[ResourceChange]) -> list[str]:
    """The warning a build log shows for replaced resources, sorted by address, then path; [] for none.

    Here replacements without paths count too (a person must see them), Coder's own types still do not.
    """
    replaced = sorted(
        (c for c in changes if c.has_change and c.replaces and not c.type.startswith("coder_")),
        key=lambda c: c.address,
    )
    if not replaced:
        return []
    lines = ["Resource replacements:"]
    for change in replaced:
        lines.append(f"  -/+ {change.address} (replace)")
        paths = sorted(change.replace_paths, key=path_text)
        if not paths:
            lines.append("      ~ replacement reason unavailable")
        lines.extend(_path_line(change, path) for path in paths)
    return lines


def _path_line(change: ResourceChange, path: Any) -> str:
    """One path with its values; those that must not or cannot be shown are replaced by what they are."""
    steps = path if isinstance(path, list | tuple) else [path]
    before = _shown(change.before, change.before_sensitive, False, steps)
    after = _shown(change.after, change.after_sensitive, change.after_unknown, steps)
    return f"      ~ {path_text(path)} (forces replacement): {before} -> {after}"


def _shown(value: Any, sensitive: Any, unknown: Any, steps: Iterable[Any]) -> str:
    for step in steps:
        if sensitive is True:
            return "(sensitive value)"
        if unknown is True:
            return "(known after apply)"
        value, sensitive, unknown = _member(value, step), _member(sensitive, step), _member(unknown, step)
    if _marked(sensitive):
        return "(sensitive value)"
    if unknown is True:
        return "(known after apply)"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 200 else text[:199] + "…"


def _marked(marks: Any) -> bool:
    if isinstance(marks, Mapping):
        return any(_marked(m) for m in marks.values())
    if isinstance(marks, list):
        return any(_marked(m) for m in marks)
    return marks is True


def _member(value: Any, step: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(step))
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return None


def _step_text(step: Any) -> str:
    if isinstance(step, bool):
        return "true" if step else "false"
    if isinstance(step, float) and step.is_integer():
        return str(int(step))
    return str(step)


def _document(document: str | bytes | Mapping[str, Any], what: str) -> Mapping[str, Any]:
    if isinstance(document, str | bytes):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"the {what} is not JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise PlanError(f"the {what} is not a JSON object")
    version = document.get("format_version")
    if not isinstance(version, str) or version.split(".")[0] not in {"0", "1"}:
        raise PlanError(f"the {what} has the format version {version!r}; this program reads 1.x")
    return document


def _change(entry: Mapping[str, Any]) -> ResourceChange:
    change = entry.get("change")
    body = _mapping(change)
    paths = body.get("replace_paths")
    return ResourceChange(
        address=str(entry.get("address") or ""),
        mode=str(entry.get("mode") or "managed"),
        type=str(entry.get("type") or ""),
        name=str(entry.get("name") or ""),
        module_address=str(entry.get("module_address") or ""),
        index=entry.get("index"),
        deposed=str(entry.get("deposed") or ""),
        actions=tuple(str(a) for a in _list(body.get("actions"))) or NO_OP,
        before=body.get("before"),
        after=body.get("after"),
        after_unknown=body.get("after_unknown", False),
        before_sensitive=body.get("before_sensitive", False),
        after_sensitive=body.get("after_sensitive", False),
        replace_paths=tuple(_list(paths)),
        action_reason=str(entry.get("action_reason") or ""),
        has_change=isinstance(change, Mapping),
    )


def _walk(module: Mapping[str, Any]) -> Iterator[StateResource]:
    """Resources of a module and of the modules in it, without recursion (a state may nest at will)."""
    waiting = [module]
    while waiting:
        current = waiting.pop()
        for entry in _objects(current.get("resources")):
            yield StateResource(
                address=str(entry.get("address") or ""),
                mode=str(entry.get("mode") or "managed"),
                type=str(entry.get("type") or ""),
                name=str(entry.get("name") or ""),
                index=entry.get("index"),
                values=_mapping(entry.get("values")),
                sensitive_values=entry.get("sensitive_values", {}),
                depends_on=tuple(str(d) for d in _list(entry.get("depends_on"))),
            )
        waiting.extend(reversed(list(_objects(current.get("child_modules")))))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in _list(value) if isinstance(item, Mapping))
