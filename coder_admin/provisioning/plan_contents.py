"""What Coder's blocks in a plan or state say: parameters, presets and tags. Pure.

Data sources that Terraform could read before the plan stand in ``prior_state``, the others among the planned
values; whichever engine wrote the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .plans import StateResource, TerraformPlan


@dataclass(frozen=True)
class PlannedParameter:
    """A ``coder_parameter`` with the value that this plan was made with; None where it is not known yet."""

    address: str
    name: str
    type: str
    value: str | None
    default: str | None
    form_type: str
    display_name: str
    description: str
    icon: str
    mutable: bool
    ephemeral: bool
    required: bool
    order: int
    options: tuple[Mapping[str, str], ...] = ()
    validation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedSchedule:
    cron: str
    instances: int


@dataclass(frozen=True)
class PlannedPreset:
    """A ``coder_workspace_preset``. ``instances`` None: it has no pool. ``ttl`` in seconds, 0 = none."""

    address: str
    name: str
    parameters: Mapping[str, str]
    default: bool = False
    description: str = ""
    icon: str = ""
    instances: int | None = None
    ttl: int = 0
    timezone: str = ""
    schedules: tuple[PlannedSchedule, ...] = ()


@dataclass(frozen=True)
class PlanContents:
    parameters: tuple[PlannedParameter, ...] = ()
    presets: tuple[PlannedPreset, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def contents_of(plan: TerraformPlan) -> PlanContents:
    """Parameters by their order and name, presets and tags in the order of the document."""
    rows = {r.address: r for r in (*plan.prior, *plan.planned) if r.mode == "data"}
    parameters = [_parameter(r) for r in rows.values() if r.type == "coder_parameter"]
    # One parameter may be declared by several modules; the first declaration is shown.
    unique = {p.name: p for p in reversed(parameters)}
    tags: dict[str, str] = {}
    for row in rows.values():
        if row.type == "coder_workspace_tags":
            tags |= _texts(row.values.get("tags"))
    return PlanContents(
        parameters=tuple(sorted(unique.values(), key=lambda p: (p.order, p.name))),
        presets=tuple(_preset(r) for r in rows.values() if r.type == "coder_workspace_preset"),
        tags=tags,
    )


def _parameter(row: StateResource) -> PlannedParameter:
    has = row.values
    validation = _first(has.get("validation"))
    return PlannedParameter(
        address=row.address,
        name=_text(has, "name"),
        type=_text(has, "type") or "string",
        value=None if has.get("value") is None else str(has["value"]),
        default=None if has.get("default") is None else str(has["default"]),
        form_type=_text(has, "form_type"),
        display_name=_text(has, "display_name"),
        description=_text(has, "description"),
        icon=_text(has, "icon"),
        mutable=has.get("mutable") is True,
        ephemeral=has.get("ephemeral") is True,
        required=has.get("optional") is False,
        order=_number(has, "order"),
        options=tuple(
            {name: _text(option, name) for name in ("name", "value", "description", "icon")}
            for option in _blocks(has.get("option"))
        ),
        validation={name: value for name, value in validation.items() if value not in (None, "", False)},
    )


def _preset(row: StateResource) -> PlannedPreset:
    has = row.values
    pool = _first(has.get("prebuilds"))
    scheduling = _first(pool.get("scheduling"))
    return PlannedPreset(
        address=row.address,
        name=_text(has, "name"),
        parameters=_texts(has.get("parameters")),
        default=has.get("default") is True,
        description=_text(has, "description"),
        icon=_text(has, "icon"),
        instances=_number(pool, "instances") if pool else None,
        ttl=_number(_first(pool.get("expiration_policy")), "ttl"),
        timezone=_text(scheduling, "timezone"),
        schedules=tuple(
            PlannedSchedule(_text(s, "cron"), _number(s, "instances"))
            for s in _blocks(scheduling.get("schedule"))
        ),
    )


def _blocks(value: Any) -> Iterable[Mapping[str, Any]]:
    """Nested blocks: a list of objects, or a single object where the schema allows one only."""
    if isinstance(value, Mapping):
        return [value]
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _first(value: Any) -> Mapping[str, Any]:
    return next(iter(_blocks(value)), {})


def _texts(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def _text(has: Mapping[str, Any], name: str) -> str:
    value = has.get(name)
    return "" if value is None else str(value)


def _number(has: Mapping[str, Any], name: str) -> int:
    value = has.get(name)
    return int(value) if isinstance(value, int | float) else 0
