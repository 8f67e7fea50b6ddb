"""What the server tells the agent about its workspace (reference notifications-agents-provisioning 3.2)."""

from __future__ import annotations

import os
from typing import Any, NamedTuple


class Script(NamedTuple):
    id: str
    log_source_id: str
    log_path: str
    script: str
    cron: str
    timeout: float  # seconds; 0 = no limit
    run_on_start: bool
    run_on_stop: bool
    start_blocks_login: bool
    display_name: str


class App(NamedTuple):
    """An app whose health is looked at: a URL, every how many seconds, how many failures are too many."""

    id: str
    slug: str
    url: str
    interval: float
    threshold: int


class Datum(NamedTuple):
    """A fact to measure: a script, every how many seconds (0 = once), and its time limit."""

    key: str
    script: str
    interval: float
    timeout: float


class Manifest(NamedTuple):
    agent_id: str
    agent_name: str
    owner_id: str
    owner_username: str
    workspace_id: str
    workspace_name: str
    workspace_build_id: str
    directory: str
    environment_variables: dict[str, str]
    scripts: tuple[Script, ...]
    apps: tuple[App, ...]
    metadata: tuple[Datum, ...]

    @property
    def identity(self) -> tuple[str, str]:
        """Whom this run serves: owner and build. A reinit event for the same pair changes nothing."""
        return self.owner_id, self.workspace_build_id


def manifest_from(data: dict[str, Any]) -> Manifest:
    """Read the server's JSON; absent optional fields take their zero value."""

    def text(name: str) -> str:
        return str(data.get(name) or "")

    return Manifest(
        agent_id=str(data["agent_id"]),
        agent_name=text("agent_name"),
        owner_id=str(data["owner_id"]),
        owner_username=text("owner_username"),
        workspace_id=str(data["workspace_id"]),
        workspace_name=text("workspace_name"),
        workspace_build_id=str(data["workspace_build_id"]),
        directory=text("directory"),
        environment_variables={str(k): str(v) for k, v in (data.get("environment_variables") or {}).items()},
        scripts=tuple(_script_from(item) for item in data.get("scripts") or ()),
        apps=tuple(app for item in data.get("apps") or () if (app := _app_from(item)) is not None),
        metadata=tuple(_datum_from(item) for item in data.get("metadata") or ()),
    )


def _app_from(item: dict[str, Any]) -> App | None:
    """The app if it has a health check. An interval that is none becomes five seconds, as in Coder."""
    check = item.get("healthcheck") or {}
    if not check.get("url"):
        return None
    return App(
        id=str(item["id"]),
        slug=str(item.get("slug") or ""),
        url=str(check["url"]),
        interval=float(check.get("interval") or 5),
        threshold=max(1, int(check.get("threshold") or 1)),
    )


def _datum_from(item: dict[str, Any]) -> Datum:
    return Datum(
        key=str(item["key"]),
        script=str(item.get("script") or ""),
        interval=float(item.get("interval") or 0),
        timeout=float(item.get("timeout") or 0),
    )


def _script_from(item: dict[str, Any]) -> Script:
    return Script(
        id=str(item["id"]),
        log_source_id=str(item["log_source_id"]),
        log_path=str(item.get("log_path") or ""),
        script=str(item.get("script") or ""),
        cron=str(item.get("cron") or ""),
        timeout=float(item.get("timeout") or 0),
        run_on_start=bool(item.get("run_on_start")),
        run_on_stop=bool(item.get("run_on_stop")),
        start_blocks_login=bool(item.get("start_blocks_login")),
        display_name=str(item.get("display_name") or ""),
    )


def path_inside(folder: str, wanted: str) -> str | None:
    """`wanted` (`~`, relative, or absolute) as a path within `folder`; None if it lies elsewhere."""
    if wanted.startswith("~"):
        wanted = wanted[1:].lstrip("/")
    path = os.path.normpath(os.path.join(folder, wanted))
    if path == folder or path.startswith(folder.rstrip("/") + "/"):
        return path
    return None
