"""A provider ``coder/coder`` for tests: Coder's blocks, as far as the tests use them, from the environment.

Run by Terraform as a plugin. It knows nothing of the product: what it reads and where is what Coder's own
provider reads. An agent whose token is passed on keeps it, and the plan already knows it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from tf.blocks import SetNestedBlock
from tf.iface import DataSource, Provider, Resource
from tf.runner import run_provider
from tf.schema import Attribute, Block, Schema
from tf.types import Bool, List, Map, Number, String, Unknown


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _texts(*names: str, **how: Any) -> list[Attribute]:
    return [Attribute(name, String(), **how) for name in names]


def _new(*names: str, type_: Any = None) -> list[Attribute]:
    """Optional arguments of which a change makes a new resource."""
    return [Attribute(n, type_ or String(), optional=True, requires_replace=True) for n in names]


def _running_token() -> str | None:
    return os.environ.get(f"CODER_RUNNING_WORKSPACE_AGENT_TOKEN_{_sha('')}")


class _Made(Resource):  # type: ignore[misc]  # tf has no types
    """Exists in the state alone."""

    name = ""
    attributes: list[Attribute] = []
    blocks: list[Any] = []

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return cls.name

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema([Attribute("id", String(), computed=True), *cls.attributes], block_types=cls.blocks)

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        return {**planned, "id": str(uuid.uuid4())}

    def read(self, ctx: Any, current: dict[str, Any]) -> dict[str, Any]:
        return current

    def update(self, ctx: Any, current: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
        return planned

    def delete(self, ctx: Any, current: dict[str, Any]) -> None:
        return None


class Agent(_Made):
    name = "agent"
    attributes = [
        *_new("os", "arch", "dir", "startup_script"),
        *_new("env", type_=Map(String())),
        Attribute("token", String(), computed=True, sensitive=True, default=_running_token() or Unknown),
        *_texts("init_script", computed=True),
    ]

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        script = os.environ.get(f"CODER_AGENT_SCRIPT_{planned['os']}_{planned['arch']}", "")
        token = _running_token() or str(uuid.uuid4())
        return {**planned, "id": str(uuid.uuid4()), "token": token, "init_script": script}


class Script(_Made):
    name = "script"
    attributes = [
        *_new("agent_id", "display_name", "script", "cron"),
        *_new("run_on_start", type_=Bool()),
        *_new("timeout", type_=Number()),
    ]


class App(_Made):
    name = "app"
    attributes = _new("agent_id", "slug", "display_name", "url", "share")


class Env(_Made):
    name = "env"
    attributes = _new("agent_id", "name", "value")


class Metadata(_Made):
    name = "metadata"
    attributes = [*_new("resource_id", "icon"), *_new("daily_cost", type_=Number())]
    blocks = [
        SetNestedBlock(
            "item",
            Block(
                [
                    *_texts("key", required=True),
                    *_texts("value", optional=True),
                    Attribute("sensitive", Bool(), optional=True),
                ]
            ),
        )
    ]


class _Facts(DataSource):  # type: ignore[misc]  # tf has no types
    name = ""
    variables: Mapping[str, str] = {}

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return cls.name

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema(_texts(*cls.variables, computed=True))

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any]:
        return {name: os.environ.get(variable, "") for name, variable in self.variables.items()}


class Workspace(_Facts):
    name = "workspace"
    variables = {
        "id": "CODER_WORKSPACE_ID",
        "name": "CODER_WORKSPACE_NAME",
        "transition": "CODER_WORKSPACE_TRANSITION",
        "access_url": "CODER_AGENT_URL",
        "template_name": "CODER_WORKSPACE_TEMPLATE_NAME",
        "template_version": "CODER_WORKSPACE_TEMPLATE_VERSION",
    }

    @classmethod
    def get_schema(cls) -> Schema:
        numbers = [Attribute(n, Number(), computed=True) for n in ("start_count", "prebuild_count")]
        flags = [Attribute(n, Bool(), computed=True) for n in ("is_prebuild", "is_prebuild_claim")]
        return Schema([*_texts(*cls.variables, computed=True), *numbers, *flags])

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any]:
        prebuild = os.environ.get("CODER_WORKSPACE_IS_PREBUILD") == "true"
        return {
            **super().read(ctx, config),
            "start_count": int(os.environ.get("CODER_WORKSPACE_TRANSITION") == "start"),
            "prebuild_count": int(prebuild),
            "is_prebuild": prebuild,
            "is_prebuild_claim": os.environ.get("CODER_WORKSPACE_IS_PREBUILD_CLAIM") == "true",
        }


class Owner(_Facts):
    name = "workspace_owner"
    variables = {
        "id": "CODER_WORKSPACE_OWNER_ID",
        "name": "CODER_WORKSPACE_OWNER",
        "full_name": "CODER_WORKSPACE_OWNER_NAME",
        "email": "CODER_WORKSPACE_OWNER_EMAIL",
    }

    @classmethod
    def get_schema(cls) -> Schema:
        groups = Attribute("groups", List(String()), computed=True)
        return Schema([*_texts(*cls.variables, computed=True), groups])

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any]:
        groups = json.loads(os.environ["CODER_WORKSPACE_OWNER_GROUPS"])
        return {**super().read(ctx, config), "groups": groups}


class Parameter(_Facts):
    name = "parameter"

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema(
            [
                *_texts("name", required=True),
                *_texts("default", optional=True),
                Attribute("mutable", Bool(), optional=True),
                *_texts("value", "id", computed=True),
            ]
        )

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any]:
        value = os.environ.get(f"CODER_PARAMETER_{_sha(config['name'])}", config["default"])
        return {**config, "id": config["name"], "value": value}


class Preset(_Facts):
    name = "workspace_preset"

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema(
            [
                *_texts("name", required=True),
                *_texts("description", optional=True),
                Attribute("default", Bool(), optional=True),
                Attribute("parameters", Map(String()), optional=True),
                *_texts("id", computed=True),
            ],
            block_types=[
                SetNestedBlock("prebuilds", Block([Attribute("instances", Number(), required=True)]))
            ],
        )

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "id": config["name"]}


class CoderProvider(Provider):  # type: ignore[misc]  # tf has no types
    def get_model_prefix(self) -> str:
        return "coder_"

    def get_provider_schema(self, diags: Any) -> Schema:
        return Schema([])

    def full_name(self) -> str:
        return "registry.terraform.io/coder/coder"

    def validate_config(self, diags: Any, config: dict[str, Any]) -> None:
        return None

    def configure_provider(self, diags: Any, config: dict[str, Any]) -> None:
        return None

    def get_data_sources(self) -> list[Any]:
        return [Workspace, Owner, Parameter, Preset]

    def get_resources(self) -> list[Any]:
        return [Agent, Script, App, Env, Metadata]


if __name__ == "__main__":
    run_provider(CoderProvider(), sys.argv)
