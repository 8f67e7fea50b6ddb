"""From the state's JSON to what a workspace shows, by way of the reader that both engines share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from coder_admin.provisioning.engines.base import ResourceResult
from coder_admin.provisioning.engines.embedded.results import resources_of
from coder_admin.provisioning.engines.embedded.state import Resource, State
from coder_admin.provisioning.plan_references import KEY, References, read_references, without_keys
from coder_admin.provisioning.plans import StateResource, TerraformPlan, TerraformState

#: Types that belong to another resource, and the argument that says to which.
BELONGS: Final = {
    **dict.fromkeys(("coder_app", "coder_script", "coder_env"), "agent_id"),
    "coder_metadata": "resource_id",
}


def resources(state: TerraformState) -> tuple[ResourceResult, ...]:
    """Resources with their agents, apps, scripts and metadata."""
    managed = [r for r in state.resources if r.mode == "managed"]
    instances: dict[str, list[StateResource]] = defaultdict(list)
    for one in managed:
        instances[without_keys(one.address)].append(one)
    rows = [_row(one, instances) for one in managed]
    return resources_of(State({row.address: row for row in rows}))


def planned_resources(plan: TerraformPlan) -> tuple[ResourceResult, ...]:
    """What the plan would leave behind, read as a state is: resources with agents, apps, scripts, metadata.

    Ids that only the apply makes are taken to be the addresses; who belongs to whom is found by what the
    configuration refers to.
    """
    managed = [r for r in plan.planned if r.mode == "managed"]
    instances: dict[str, list[StateResource]] = defaultdict(list)
    for one in managed:
        instances[without_keys(one.address)].append(one)
    references = read_references(plan.configuration)
    rows = [_planned_row(one, instances, references) for one in managed]
    return resources_of(State({row.address: row for row in rows}))


def _planned_row(
    one: StateResource, instances: Mapping[str, Sequence[StateResource]], references: References
) -> Resource:
    block = without_keys(one.address)
    attributes = {**one.values}
    if attributes.get("id") is None:
        attributes["id"] = one.address
    argument = BELONGS.get(one.type)
    if argument is not None and attributes.get(argument) is None:
        owner = _owner(one, argument, references.of(block, argument), instances)
        attributes[argument] = None if owner is None else owner.values.get("id") or owner.address
    reached = sorted(references.reachable(block)) or one.depends_on
    return Resource(
        address=one.address,
        type=one.type,
        name=one.name,
        key=one.index,
        attributes=attributes,
        dependencies=tuple(r.address for r in _nearest(one.address, reached, instances)),
    )


def provider_of(address: str) -> str:
    """``module.x["a"].docker_container.dev[0]`` is made by ``docker``."""
    parts = without_keys(address).split(".")
    return parts[-2].split("_")[0] if len(parts) > 1 else ""


def _row(one: StateResource, instances: Mapping[str, Sequence[StateResource]]) -> Resource:
    return Resource(
        address=one.address,
        type=one.type,
        name=one.name,
        key=one.index,
        attributes=one.values,
        dependencies=tuple(r.address for r in _nearest(one.address, one.depends_on, instances)),
    )


def _owner(
    one: StateResource,
    argument: str,
    named: Sequence[str],
    instances: Mapping[str, Sequence[StateResource]],
) -> StateResource | None:
    """The resource that the argument names. A plan without a configuration (the embedded engine's) only says
    on what all an instance depends: then it is the agent, or else what depends on the others."""
    if named:
        return next(iter(_nearest(one.address, named, instances)), None)
    candidates = list(_nearest(one.address, one.depends_on, instances))
    if argument == "agent_id":
        return next((c for c in candidates if c.type == "coder_agent"), None)
    below = {address for candidate in candidates for address in candidate.depends_on}
    return next((c for c in candidates if c.address not in below), None)


def _nearest(
    address: str, blocks: Iterable[str], instances: Mapping[str, Sequence[StateResource]]
) -> Iterable[StateResource]:
    """Instances of the blocks that an instance depends on. Only the blocks are known; of a block's instances
    those count whose keys agree longest with ours (``count`` beside ``count``, resources of one call)."""
    keys = KEY.findall(address)
    for block in blocks:
        candidates = instances.get(without_keys(block), ())
        shared = [_agreement(keys, KEY.findall(c.address)) for c in candidates]
        yield from (c for c, n in zip(candidates, shared, strict=True) if n == max(shared))


def _agreement(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many of the keys from the left are the same."""
    pairs = zip(ours, theirs, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
