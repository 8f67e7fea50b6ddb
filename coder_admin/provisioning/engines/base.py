"""What every engine takes and gives (design, section 6). Pure data: no Django, no engine of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from coder_admin.terraform import FileSystem

Transition = Literal["start", "stop", "delete"]
BuildStage = Literal["none", "create", "claim"]


class EngineError(Exception):
    """The engine cannot go on: the message says what is wrong, where, and what to do."""


class LogFunction(Protocol):
    """Takes one line of output; ``JobContext.log`` is one."""

    def __call__(self, stage: str, output: str, level: str = "info", source: str = "provisioner") -> None: ...


CheckCanceled = Callable[[], None]
"""Raises when the job was asked to end. Called between instances, in plan and apply, while a resource waits
and while long expressions are evaluated."""


def never_canceled() -> None:
    """A ``CheckCanceled`` for work that nobody cancels."""


Phase = Callable[[str], AbstractContextManager[None]]
"""Times what is done inside it, under the name of a stage: init, plan or apply."""

KeepState = Callable[[bytes], None]
"""Takes what exists so far while an apply runs, so that it is known when the machine is lost."""


def untimed(stage: str) -> AbstractContextManager[None]:
    """A ``Phase`` that nobody looks at."""
    return nullcontext()


def not_kept(state: bytes) -> None:
    """A ``KeepState`` for work whose state is only wanted at its end."""


@dataclass(frozen=True)
class WorkspaceMetadata:
    """The facts of a build that ``data.coder_workspace`` and ``data.coder_workspace_owner`` show.

    ``running_agent_tokens``: agent name to the token of the living agent, on a claim only.
    """

    access_url: str = ""
    transition: Transition = "start"
    stage: BuildStage = "none"
    workspace_id: str = ""
    workspace_name: str = ""
    owner: Mapping[str, Any] = field(default_factory=dict)
    template_id: str = ""
    template_name: str = ""
    template_version: str = ""
    running_agent_tokens: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineRequest:
    """One build as an engine sees it.

    ``workdir`` is the folder of the workspace: kept from build to build, the only place where the engine
    writes. ``state`` is what the last apply returned, None before the first. ``phase`` times the stages,
    ``keep`` takes the state now and then while an apply runs.
    """

    source: FileSystem
    workdir: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    metadata: WorkspaceMetadata = field(default_factory=WorkspaceMetadata)
    state: bytes | None = None
    destroy: bool = False
    phase: Phase = untimed
    keep: KeepState = not_kept


@dataclass(frozen=True)
class Plan:
    """What an apply would do, as a document in Terraform's plan JSON format.

    ``replacements``: address to the paths that force it, without Coder's own types ({} for none).
    ``private`` is the engine's own and only valid within its process.
    """

    document: Mapping[str, Any]
    replacements: Mapping[str, list[str]] = field(default_factory=dict)
    private: object = None

    def to_json(self) -> Mapping[str, Any]:
        return self.document

    @property
    def counts(self) -> tuple[int, int, int]:
        """Resources to add, change and destroy; a replacement counts as one added and one destroyed."""
        changes = [c for c in self.document.get("resource_changes", []) if c.get("mode") == "managed"]
        actions = [c["change"]["actions"] for c in changes]
        return (
            sum("create" in a for a in actions),
            sum("update" in a for a in actions),
            sum("delete" in a for a in actions),
        )


@dataclass(frozen=True)
class ScriptResult:
    display_name: str
    script: str
    icon: str = ""
    cron: str = ""
    run_on_start: bool = False
    run_on_stop: bool = False
    start_blocks_login: bool = False
    timeout: int = 0  # seconds, 0 = none
    log_path: str = ""


@dataclass(frozen=True)
class AppResult:
    slug: str
    display_name: str = ""
    url: str = ""
    command: str = ""
    icon: str = ""
    external: bool = False
    subdomain: bool = False
    share: str = "owner"
    order: int = 0
    group: str = ""
    hidden: bool = False
    open_in: str = "slim-window"
    tooltip: str = ""
    healthcheck_url: str = ""
    healthcheck_interval: int = 0  # seconds
    healthcheck_threshold: int = 0


@dataclass(frozen=True)
class AgentMetadataResult:
    key: str
    display_name: str = ""
    script: str = ""
    interval: int = 0  # seconds
    timeout: int = 0  # seconds
    order: int = 0


@dataclass(frozen=True)
class AgentResult:
    name: str
    token: str
    id: str = ""
    os: str = ""
    arch: str = ""
    dir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[ScriptResult, ...] = ()
    apps: tuple[AppResult, ...] = ()
    metadata: tuple[AgentMetadataResult, ...] = ()
    connection_timeout: int = 120  # seconds, 0 = none
    motd_file: str = ""
    troubleshooting_url: str = ""
    order: int = 0
    display_apps: tuple[str, ...] = ()
    api_key_scope: str = "all"
    auth: str = "token"


@dataclass(frozen=True)
class MetadataItem:
    key: str
    value: str
    sensitive: bool = False


@dataclass(frozen=True)
class ResourceResult:
    address: str
    type: str
    name: str
    icon: str = ""
    hide: bool = False
    daily_cost: int = 0
    metadata: tuple[MetadataItem, ...] = ()
    agents: tuple[AgentResult, ...] = ()


@dataclass(frozen=True)
class Step:
    """One operation that an apply finished; for the job's timings."""

    resource: str  # address
    action: str  # create, update or delete
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class ApplyResult:
    """What is there after an apply. ``state`` is to be kept also when ``error`` is set or it was canceled."""

    state: bytes
    resources: tuple[ResourceResult, ...] = ()
    error: str | None = None
    canceled: bool = False
    outputs: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


class Engine(Protocol):
    name: str

    def supports(self, types: set[str]) -> set[str]:
        """Those of the types (``null_resource``, ``data.local_file``) that the engine cannot build."""
        ...

    def plan(
        self, request: EngineRequest, log: LogFunction, check_canceled: CheckCanceled = never_canceled
    ) -> Plan: ...

    def apply(
        self, request: EngineRequest, plan: Plan, log: LogFunction, check_canceled: CheckCanceled
    ) -> ApplyResult: ...
