"""From the state's JSON to what a workspace shows, by way of the reader that both engines share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from coder_admin.provisioning.engines.base import ResourceResult
from coder_admin.provisioning.engines.embedded.results import resources_of
from coder_admin.provisioning.engines.embedded.state import Resource, State
from coder_admin.provisioning.plans import StateResource, TerraformState

KEY: Final = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')


def resources(state: TerraformState) -> tuple[ResourceResult, ...]:
    """Resources with their agents, apps, scripts and metadata."""
    managed = [r for r in state.resources if r.mode == "managed"]
    instances: dict[str, list[StateResource]] = defaultdict(list)
    for one in managed:
        instances[without_keys(one.address)].append(one)
    rows = [_row(one, instances) for one in managed]
    return resources_of(State({row.address: row for row in rows}))


def without_keys(address: str) -> str:
    """``module.a[0].coder_agent.x["k"]`` as ``module.a.coder_agent.x``: how a state names dependencies."""
    return KEY.sub("", address)


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
        dependencies=tuple(_dependencies(one, instances)),
    )


def _dependencies(one: StateResource, instances: Mapping[str, Sequence[StateResource]]) -> Iterable[str]:
    """Addresses of instances. A state says only which block is depended on; of that block's instances those
    count whose keys agree longest with ours (``count`` beside ``count``, resources of one module call)."""
    keys = KEY.findall(one.address)
    for dependency in one.depends_on:
        candidates = instances.get(without_keys(dependency), ())
        shared = [_agreement(keys, KEY.findall(c.address)) for c in candidates]
        yield from (c.address for c, n in zip(candidates, shared, strict=True) if n == max(shared))


def _agreement(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many of the keys from the left are the same."""
    pairs = zip(ours, theirs, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
