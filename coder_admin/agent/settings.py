"""What the agent is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple


class SettingsError(Exception):
    """A variable is missing or useless; the text says which and what it should be."""


class AgentSettings(NamedTuple):
    token: str
    url: str  # base address of the server, without a trailing slash
    folder: str  # absolute path; the scripts run in it and it is their HOME


def settings_from(environ: Mapping[str, str]) -> AgentSettings:
    """Read CODER_AGENT_TOKEN, CODER_AGENT_URL and CODER_AGENT_DIR (default: the current folder)."""
    token = environ.get("CODER_AGENT_TOKEN", "").strip()
    url = environ.get("CODER_AGENT_URL", "").strip().rstrip("/")
    if not token:
        raise SettingsError("CODER_AGENT_TOKEN is not set: it must hold the agent's token")
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"CODER_AGENT_URL must be an http or https address, not {url!r}")
    return AgentSettings(token, url, os.path.abspath(environ.get("CODER_AGENT_DIR", "") or os.getcwd()))


def script_environment(
    base: Mapping[str, str], settings: AgentSettings, names: Mapping[str, str], declared: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a script: a few plain variables, who it runs for, then what the template set.

    The agent's own token is not handed on: scripts are the template author's code, and children of
    theirs write their environment into all sorts of logs.
    """
    env = {name: base[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME") if name in base}
    env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    env.update(
        HOME=settings.folder,
        SHELL="/bin/sh",
        CODER="true",
        CODER_AGENT_URL=settings.url,
        CODER_SCRIPT_DATA_DIR=settings.folder,
        **names,
    )
    env.update(declared)
    return env
