"""``coder_*``: agents, their scripts, apps and variables, and what a person sees of a resource.

The schemas are those of Coder's provider; arguments it may gain later are accepted with a warning.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from coder_admin.terraform.types import BOOL, NUMBER, STRING, map_type
from coder_admin.terraform.values import SENSITIVE, Value, boolean, number, string

from ..resource import Call, ResourceType
from ..schema import Attribute, Nested, Schema, computed, optional, required

INIT_SCRIPT: Final = (
    "#!/bin/sh\n# The provisioner starts this workspace's agent itself; nothing is left to do here.\n"
)


def _flag(default: bool, *, force_new: bool = True) -> Attribute:
    return optional(BOOL, default=boolean(default), force_new=force_new)


def _whole(default: int = 0) -> Attribute:
    return optional(NUMBER, default=number(default), force_new=True)


def _text(default: str | None = None) -> Attribute:
    return optional(default=None if default is None else string(default), force_new=True)


class CoderResource(ResourceType):
    """Has an id and nothing else of its own. As in Coder's provider, every change makes a new one."""

    def create(self, call: Call) -> dict[str, Any]:
        return {"id": str(uuid.uuid4())}


class CoderAgent(CoderResource):
    name = "coder_agent"
    schema = Schema(
        {
            "id": computed(),
            "token": computed(sensitive=True),
            "init_script": computed(),
            "arch": required(force_new=True),
            "os": required(force_new=True),
            "auth": _text("token"),
            "dir": _text(),
            "env": optional(map_type(STRING), force_new=True),
            "startup_script": _text(),
            "startup_script_behavior": _text("non-blocking"),
            "startup_script_timeout": _whole(300),
            "login_before_ready": optional(BOOL, force_new=True),
            "shutdown_script": _text(),
            "shutdown_script_timeout": _whole(300),
            "connection_timeout": _whole(120),
            "motd_file": _text(),
            "troubleshooting_url": _text(),
            "order": _whole(),
            "api_key_scope": _text("all"),
        },
        {
            "metadata": Nested(
                {
                    "key": required(),
                    "display_name": optional(),
                    "script": required(),
                    "interval": required(NUMBER),
                    "timeout": optional(NUMBER, default=number(5)),
                    "order": optional(NUMBER, default=number(0)),
                },
                force_new=True,
            ),
            "display_apps": Nested(
                {
                    name: optional(BOOL, default=boolean(name != "vscode_insiders"))
                    for name in (
                        "vscode",
                        "vscode_insiders",
                        "web_terminal",
                        "ssh_helper",
                        "port_forwarding_helper",
                    )
                },
                maximum=1,
                force_new=True,
            ),
            "resources_monitoring": Nested(
                {},
                {
                    "memory": Nested({"enabled": required(BOOL), "threshold": required(NUMBER)}),
                    "volume": Nested(
                        {"enabled": required(BOOL), "threshold": required(NUMBER), "path": required()}
                    ),
                },
                maximum=1,
                force_new=True,
            ),
        },
        lenient=True,
    )

    def plan(self, call: Call, planned: dict[str, Value]) -> dict[str, Value]:
        # A claim keeps the token of the living agent, and the plan knows it: what holds the token (a
        # container's environment) is then not replaced for it.
        token = self._running_token(call)
        if token is not None and not planned["token"].is_known:
            return {
                **planned,
                "token": string(token).with_marks(SENSITIVE),
                "init_script": string(INIT_SCRIPT),
            }
        return planned

    def create(self, call: Call) -> dict[str, Any]:
        token = self._running_token(call) or str(uuid.uuid4())
        return {"id": str(uuid.uuid4()), "token": token, "init_script": INIT_SCRIPT}

    def _running_token(self, call: Call) -> str | None:
        metadata = call.request.metadata
        return metadata.running_agent_tokens.get(call.name) if metadata.stage == "claim" else None


class CoderScript(CoderResource):
    name = "coder_script"
    schema = Schema(
        {
            "id": computed(),
            "agent_id": required(force_new=True),
            "display_name": required(force_new=True),
            "script": required(force_new=True),
            "icon": _text(),
            "cron": _text(),
            "run_on_start": _flag(False),
            "run_on_stop": _flag(False),
            "start_blocks_login": _flag(False),
            "timeout": _whole(),
            "log_path": _text(),
        },
        lenient=True,
    )


class CoderApp(CoderResource):
    name = "coder_app"
    schema = Schema(
        {
            "id": computed(),
            "agent_id": required(force_new=True),
            "slug": required(force_new=True),
            "display_name": _text(),
            "url": _text(),
            "command": _text(),
            "icon": _text(),
            "external": _flag(False),
            "subdomain": optional(BOOL, force_new=True),
            "share": _text("owner"),
            "order": _whole(),
            "group": _text(),
            "hidden": _flag(False),
            "open_in": _text("slim-window"),
            "tooltip": _text(),
            "name": _text(),
            "relative_path": optional(BOOL, force_new=True),
        },
        {
            "healthcheck": Nested(
                {"url": required(), "interval": required(NUMBER), "threshold": required(NUMBER)},
                maximum=1,
                force_new=True,
            )
        },
        lenient=True,
    )


class CoderEnv(CoderResource):
    name = "coder_env"
    schema = Schema(
        {
            "id": computed(),
            "agent_id": required(force_new=True),
            "name": required(force_new=True),
            "value": _text(),
            "merge_strategy": _text("replace"),
        },
        lenient=True,
    )


class CoderMetadata(CoderResource):
    name = "coder_metadata"
    schema = Schema(
        {
            "id": computed(),
            "resource_id": required(force_new=True),
            "hide": optional(BOOL, force_new=True),
            "icon": _text(),
            "daily_cost": optional(NUMBER, force_new=True),
        },
        {
            "item": Nested(
                {
                    "key": required(),
                    "value": optional(),
                    "sensitive": optional(BOOL, default=boolean(False)),
                    "is_null": computed(BOOL),
                },
                force_new=True,
            )
        },
        lenient=True,
    )
