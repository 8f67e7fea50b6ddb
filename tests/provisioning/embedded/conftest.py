"""A workspace on the embedded engine: builds follow each other with the state of the last one."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coder_admin.provisioning.engines import (
    AgentResult,
    ApplyResult,
    Engine,
    EngineRequest,
    Plan,
    ResourceResult,
    WorkspaceMetadata,
    engine_named,
)
from coder_admin.provisioning.engines.embedded.state import State, load
from coder_admin.terraform import MemoryFileSystem

Files = Mapping[str, str]


@dataclass
class Space:
    """One workspace. ``logs`` holds the lines of the last build."""

    workdir: Path
    engine: Engine = field(default_factory=lambda: engine_named("embedded"))
    state: bytes | None = None
    logs: list[tuple[str, str, str]] = field(default_factory=list)
    check_canceled: Callable[[], None] = lambda: None

    def request(self, files: str | Files, **facts: Any) -> EngineRequest:
        sources = {"main.tf": files} if isinstance(files, str) else files
        variables, parameters = facts.pop("variables", {}), facts.pop("parameters", {})
        metadata = WorkspaceMetadata(**facts)
        return EngineRequest(
            source=MemoryFileSystem({n: textwrap.dedent(t).encode() for n, t in sources.items()}),
            workdir=self.workdir,
            variables=variables,
            parameters=parameters,
            metadata=metadata,
            state=self.state,
            destroy=metadata.transition == "delete",
        )

    def log(self, stage: str, output: str, level: str = "info", source: str = "provisioner") -> None:
        self.logs.append((stage, output, level))

    def plan(self, files: str | Files, **facts: Any) -> Plan:
        return self.engine.plan(self.request(files, **facts), self.log)

    def build(self, files: str | Files, **facts: Any) -> ApplyResult:
        """Plan and apply; the state is kept, as a build keeps it, also after an error."""
        self.logs.clear()
        request = self.request(files, **facts)
        plan = self.engine.plan(request, self.log)
        result = self.engine.apply(request, plan, self.log, self.check_canceled)
        self.state = result.state
        return result

    def ok(self, files: str | Files, **facts: Any) -> ApplyResult:
        result = self.build(files, **facts)
        assert result.error is None
        return result

    @property
    def now(self) -> State:
        return load(self.state)

    def attributes(self, address: str) -> Mapping[str, Any]:
        found = self.now.resources[address].attributes
        assert found is not None
        return found

    def steps(self, result: ApplyResult) -> list[str]:
        return [f"{step.action} {step.resource}" for step in result.steps]

    def text(self) -> str:
        return "\n".join(output for _, output, _ in self.logs)


def actions(plan: Plan) -> dict[str, list[str]]:
    return {c["address"]: c["change"]["actions"] for c in plan.to_json()["resource_changes"]}


def change(plan: Plan, address: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(c for c in plan.to_json()["resource_changes"] if c["address"] == address)
    return found


def agents(result: ApplyResult) -> list[AgentResult]:
    return [agent for resource in result.resources for agent in resource.agents]


def resource(result: ApplyResult, address: str) -> ResourceResult:
    return next(r for r in result.resources if r.address == address)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "workspace")
