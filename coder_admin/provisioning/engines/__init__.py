"""The engines that build workspaces, and which one this deployment uses."""

from __future__ import annotations

from .base import (
    AgentMetadataResult,
    AgentResult,
    ApplyResult,
    AppResult,
    Engine,
    EngineError,
    EngineRequest,
    LogFunction,
    MetadataItem,
    Plan,
    ResourceResult,
    ScriptResult,
    Step,
    WorkspaceMetadata,
)

__all__ = [
    "AgentMetadataResult",
    "AgentResult",
    "AppResult",
    "ApplyResult",
    "Engine",
    "EngineError",
    "EngineRequest",
    "LogFunction",
    "MetadataItem",
    "Plan",
    "ResourceResult",
    "ScriptResult",
    "Step",
    "WorkspaceMetadata",
    "engine_named",
]

NAMES = ("embedded", "terraform")


def engine_named(name: str) -> Engine:
    """The engine that the setting CODER_ADMIN_ENGINE names; EngineError for an unknown name."""
    if name == "embedded":
        from .embedded.engine import EmbeddedEngine

        return EmbeddedEngine()
    if name == "terraform":
        from .terraform.configuration import from_settings
        from .terraform.engine import TerraformEngine

        return TerraformEngine(from_settings())
    known = ", ".join(NAMES)
    raise EngineError(f'There is no engine "{name}". Set CODER_ADMIN_ENGINE to one of: {known}.')
