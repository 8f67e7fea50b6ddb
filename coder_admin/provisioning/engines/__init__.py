"""The engines that build workspaces, and which one this deployment uses."""

from __future__ import annotations

import json

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
from .embedded.state import FORMAT as EMBEDDED_FORMAT

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
    "available",
    "engine_named",
    "engine_of_state",
]

NAMES = ("embedded", "terraform")


def available() -> list[str]:
    """The engines that this machine can run: the one that the settings name, and what else is there."""
    from django.conf import settings

    from .terraform.binary import is_there

    found = {settings.PROVISIONER_ENGINE}
    if settings.EMBEDDED_ENGINE:
        found.add("embedded")
    if is_there(settings.TERRAFORM_BINARY):
        found.add("terraform")
    return sorted(found)


def engine_of_state(state: bytes | None) -> str:
    """The engine that wrote the state; "" when there is none or it cannot be told."""
    if not state:
        return ""
    try:
        document = json.loads(state)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    if document.get("format") == EMBEDDED_FORMAT:
        return "embedded"
    return "terraform" if "terraform_version" in document else ""


def engine_named(name: str) -> Engine:
    """The engine that the setting CODER_ADMIN_ENGINE names; EngineError for an unknown name."""
    if name == "embedded":
        from django.conf import settings

        if not settings.EMBEDDED_ENGINE:
            raise EngineError(
                "The embedded engine is switched off on this machine (CODER_ADMIN_EMBEDDED_ENGINE=false). "
                "Set CODER_ADMIN_ENGINE=terraform, or have a worker with the embedded engine run the build."
            )
        from .embedded.engine import EmbeddedEngine

        return EmbeddedEngine()
    if name == "terraform":
        from .terraform.configuration import from_settings
        from .terraform.engine import TerraformEngine

        return TerraformEngine(from_settings())
    known = ", ".join(NAMES)
    raise EngineError(f'There is no engine "{name}". Set CODER_ADMIN_ENGINE to one of: {known}.')
