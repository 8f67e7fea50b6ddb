"""The environment of the command: what Coder's provider reads, the variables, and hardly anything else.

Pure. Names and values of ``CODER_*`` are those that Coder's provider reads (reference: prebuilds.md, 5.4).
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from coder_admin.provisioning.engines.base import EngineError, EngineRequest, WorkspaceMetadata
from coder_admin.provisioning.engines.embedded.types.coder import INIT_SCRIPT

PASSED_ON: Final = (
    *("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
NEVER: Final = ("CODER_", "DJANGO_", "DATABASE_URL", "REDIS_URL", "TF_")  # beginnings of the server's own
TOKEN: Final = "CODER_RUNNING_WORKSPACE_AGENT_TOKEN"  # noqa: S105 - a name
TRANSITIONS: Final = {"start": "start", "stop": "stop", "delete": "destroy"}
PLATFORMS: Final = (
    *("linux_amd64", "linux_arm64", "linux_armv7", "darwin_amd64", "darwin_arm64"),
    *("windows_amd64", "windows_arm64"),
)
VARIABLE: Final = re.compile(r"[\w-]+")


def environment(
    request: EngineRequest,
    *,
    server: Mapping[str, str],
    passed_on: Iterable[str],
    home: Path,
    plugin_cache: Path,
    cli_config: Path,
    agent_ids: Mapping[str, str],
) -> dict[str, str]:
    """All variables of the command. ``server``: our own environment. ``agent_ids``: id of each agent in
    the state by its name. Raises EngineError for a value that no environment can hold."""
    plain = _plain(server, passed_on)
    own = {
        "HOME": str(home),
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_CLI_CONFIG_FILE": str(cli_config),
        "TF_PLUGIN_CACHE_DIR": str(plugin_cache),
        # Templates rarely bring a lock file; without this the cache would be of no use to them.
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1",
        "TF_CLI_ARGS_plan": variable_arguments(request.variables),
    }
    found = {
        **own,
        **plain,
        **workspace_variables(request.metadata),
        **token_variables(request.metadata, agent_ids),
        **{parameter_variable(name): value for name, value in request.parameters.items()},
    }
    for name, value in found.items():
        if "\0" in value:
            raise EngineError(f"The value of {_told(name, request)} holds a NUL character; remove it.")
    return {name: value for name, value in found.items() if value or name.startswith("CODER_")}


def parameter_variable(name: str) -> str:
    """``CODER_PARAMETER_`` and the SHA-256 of the parameter's name in hex."""
    return "CODER_PARAMETER_" + hashlib.sha256(name.encode()).hexdigest()


def token_variable(agent_id: str) -> str:
    """Where the provider looks for the token of a living agent; "" when there is only one."""
    return f"{TOKEN}_{hashlib.sha256(agent_id.encode()).hexdigest()}"


def token_variables(meta: WorkspaceMetadata, agent_ids: Mapping[str, str]) -> dict[str, str]:
    """Tokens of living agents, on a claim only: by the agents' ids, and without one for a single agent."""
    if meta.stage != "claim":
        return {}
    tokens = meta.running_agent_tokens
    found = {token_variable(agent_ids[name]): t for name, t in tokens.items() if name in agent_ids}
    if len(tokens) == 1:
        (only,) = tokens.values()
        found |= {TOKEN: only, token_variable(""): only}
    return found


def workspace_variables(meta: WorkspaceMetadata) -> dict[str, str]:
    """What ``data.coder_workspace`` and ``data.coder_workspace_owner`` show."""
    owner = meta.owner
    found = {
        "CODER_AGENT_URL": meta.access_url,
        "CODER_WORKSPACE_TRANSITION": TRANSITIONS[meta.transition],
        "CODER_WORKSPACE_ID": meta.workspace_id,
        "CODER_WORKSPACE_NAME": meta.workspace_name,
        "CODER_WORKSPACE_TEMPLATE_ID": meta.template_id,
        "CODER_WORKSPACE_TEMPLATE_NAME": meta.template_name,
        "CODER_WORKSPACE_TEMPLATE_VERSION": meta.template_version,
        "CODER_WORKSPACE_OWNER_ID": str(owner.get("id") or ""),
        "CODER_WORKSPACE_OWNER": str(owner.get("name") or ""),
        "CODER_WORKSPACE_OWNER_NAME": str(owner.get("full_name") or ""),
        "CODER_WORKSPACE_OWNER_EMAIL": str(owner.get("email") or ""),
        "CODER_WORKSPACE_OWNER_GROUPS": json.dumps(list(owner.get("groups") or ())),
        "CODER_WORKSPACE_OWNER_RBAC_ROLES": json.dumps(list(owner.get("rbac_roles") or ())),
        "CODER_WORKSPACE_OWNER_LOGIN_TYPE": str(owner.get("login_type") or ""),
        "CODER_WORKSPACE_OWNER_SSH_PUBLIC_KEY": str(owner.get("ssh_public_key") or ""),
        "CODER_WORKSPACE_OWNER_SSH_PRIVATE_KEY": str(owner.get("ssh_private_key") or ""),
        "CODER_WORKSPACE_OWNER_SESSION_TOKEN": str(owner.get("session_token") or ""),
        "CODER_WORKSPACE_OWNER_OIDC_ACCESS_TOKEN": str(owner.get("oidc_access_token") or ""),
    }
    found |= {f"CODER_AGENT_SCRIPT_{platform}": INIT_SCRIPT for platform in PLATFORMS}
    if meta.stage == "create":
        found["CODER_WORKSPACE_IS_PREBUILD"] = "true"
    if meta.stage == "claim":
        found["CODER_WORKSPACE_IS_PREBUILD_CLAIM"] = "true"
    return found


def variable_arguments(variables: Mapping[str, str]) -> str:
    """The template's variables as ``-var`` arguments, quoted for TF_CLI_ARGS_plan.

    On the command line itself every user of the machine could read them; in a file they would lose to the
    template's own ``*.auto.tfvars``, and as TF_VAR_* to any file at all.
    """
    for name in variables:
        if not VARIABLE.fullmatch(name):
            raise EngineError(f'"{name}" is no name of a Terraform variable.')
    return " ".join(shlex.quote(f"-var={name}={value}") for name, value in variables.items())


def _plain(server: Mapping[str, str], passed_on: Iterable[str]) -> dict[str, str]:
    wished = (*PASSED_ON, *passed_on)
    exact = {name for name in wished if not name.endswith("*")}
    beginnings = tuple(name[:-1] for name in wished if name.endswith("*"))
    return {
        name: value
        for name, value in server.items()
        if not name.startswith(NEVER) and (name in exact or (beginnings and name.startswith(beginnings)))
    }


def _told(variable: str, request: EngineRequest) -> str:
    for name in request.parameters:
        if parameter_variable(name) == variable:
            return f'the parameter "{name}"'
    return "a template variable" if variable == "TF_CLI_ARGS_plan" else variable
