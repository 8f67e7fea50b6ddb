"""From a state to what a workspace shows: resources, each with its agents, their scripts and apps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from coder_admin.provisioning.engines.base import (
    AgentMetadataResult,
    AgentResult,
    AppResult,
    MetadataItem,
    ResourceResult,
    ScriptResult,
)

from .state import Resource, State

FOLDED: Final = frozenset({"coder_agent", "coder_app", "coder_script", "coder_env", "coder_metadata"})
ALL_APPS: Final = ("vscode", "vscode_insiders", "web_terminal", "ssh_helper", "port_forwarding_helper")
DEFAULT_APPS: Final = ("vscode", "web_terminal", "ssh_helper", "port_forwarding_helper")


def resources_of(state: State) -> tuple[ResourceResult, ...]:
    """Resources that are no part of another, in the order of their addresses.

    An agent belongs to the resource that depends on it most directly; one that nothing depends on is shown
    as a resource of its own, so that no agent is ever lost.
    """
    rows = [r for r in state.resources.values() if r.attributes is not None]
    plain = sorted((r for r in rows if r.type not in FOLDED), key=lambda r: r.address)
    metadata = {m.attributes["resource_id"]: m for m in _of(rows, "coder_metadata") if m.attributes}
    homes: dict[str, list[AgentResult]] = {}
    alone: list[ResourceResult] = []
    for agent in sorted(_of(rows, "coder_agent"), key=lambda r: r.address):
        result = _agent(agent, rows)
        home = _home(agent, plain)
        if home is None:
            shown = metadata.get(_attributes(agent)["id"])
            alone.append(_resource(agent, shown, (result,)))
        else:
            homes.setdefault(home.address, []).append(result)
    found = [
        _resource(r, metadata.get(_attributes(r).get("id")), tuple(homes.get(r.address, ()))) for r in plain
    ]
    return (*found, *alone)


def _home(agent: Resource, plain: Iterable[Resource]) -> Resource | None:
    """The nearest resource that depends on the agent: the one that depends on no other such resource."""
    users = [r for r in plain if agent.address in r.dependencies]
    names = {r.address for r in users}
    nearest = [r for r in users if not names.intersection(r.dependencies)]
    return nearest[0] if nearest else None


def _resource(resource: Resource, shown: Resource | None, agents: tuple[AgentResult, ...]) -> ResourceResult:
    meta = _attributes(shown) if shown is not None else {}
    return ResourceResult(
        address=resource.address,
        type=resource.type,
        name=resource.name,
        icon=_text(meta, "icon"),
        hide=bool(meta.get("hide")),
        daily_cost=int(meta.get("daily_cost") or 0),
        metadata=tuple(
            MetadataItem(_text(i, "key"), _text(i, "value"), bool(i.get("sensitive")))
            for i in meta.get("item") or ()
        ),
        agents=agents,
    )


def _agent(agent: Resource, rows: list[Resource]) -> AgentResult:
    has = _attributes(agent)
    mine = [r for r in rows if _attributes(r).get("agent_id") == has["id"]]
    env = dict(has.get("env") or {})
    for variable in _of(mine, "coder_env"):
        values = _attributes(variable)
        env[_text(values, "name")] = _merged(env.get(_text(values, "name")), values)
    return AgentResult(
        name=agent.name,
        token=_text(has, "token"),
        id=_text(has, "id"),
        os=_text(has, "os"),
        arch=_text(has, "arch"),
        dir=_text(has, "dir"),
        env=env,
        scripts=(*_own_scripts(has), *(_script(_attributes(s)) for s in _of(mine, "coder_script"))),
        apps=tuple(_app(_attributes(a)) for a in _of(mine, "coder_app")),
        metadata=tuple(_agent_metadata(m) for m in has.get("metadata") or ()),
        connection_timeout=_number(has, "connection_timeout"),
        motd_file=_text(has, "motd_file"),
        troubleshooting_url=_text(has, "troubleshooting_url"),
        order=_number(has, "order"),
        display_apps=_display_apps(has),
        api_key_scope=_text(has, "api_key_scope") or "all",
        auth=_text(has, "auth") or "token",
    )


def _merged(before: str | None, values: Mapping[str, Any]) -> str:
    """A ``coder_env`` beside another value of the same name."""
    value = _text(values, "value")
    if before is None:
        return value
    match _text(values, "merge_strategy"):
        case "append":
            return before + value
        case "prepend":
            return value + before
        case _:
            return value


def _own_scripts(has: Mapping[str, Any]) -> list[ScriptResult]:
    """``startup_script`` and ``shutdown_script`` of the agent itself."""
    found = []
    if script := _text(has, "startup_script"):
        found.append(
            ScriptResult(
                display_name="Startup Script",
                script=script,
                icon="/emojis/25b6-fe0f.png",
                run_on_start=True,
                start_blocks_login=_text(has, "startup_script_behavior") == "blocking",
                log_path="coder-startup-script.log",
            )
        )
    if script := _text(has, "shutdown_script"):
        found.append(
            ScriptResult(
                display_name="Shutdown Script",
                script=script,
                icon="/emojis/25c0-fe0f.png",
                run_on_stop=True,
                log_path="coder-shutdown-script.log",
            )
        )
    return found


def _script(has: Mapping[str, Any]) -> ScriptResult:
    return ScriptResult(
        display_name=_text(has, "display_name"),
        script=_text(has, "script"),
        icon=_text(has, "icon"),
        cron=_text(has, "cron"),
        run_on_start=bool(has.get("run_on_start")),
        run_on_stop=bool(has.get("run_on_stop")),
        start_blocks_login=bool(has.get("start_blocks_login")),
        timeout=_number(has, "timeout"),
        log_path=_text(has, "log_path"),
    )


def _app(has: Mapping[str, Any]) -> AppResult:
    check = (has.get("healthcheck") or [{}])[0]
    return AppResult(
        slug=_text(has, "slug"),
        display_name=_text(has, "display_name") or _text(has, "name") or _text(has, "slug"),
        url=_text(has, "url"),
        command=_text(has, "command"),
        icon=_text(has, "icon"),
        external=bool(has.get("external")),
        subdomain=bool(has.get("subdomain")),
        share=_text(has, "share") or "owner",
        order=_number(has, "order"),
        group=_text(has, "group"),
        hidden=bool(has.get("hidden")),
        open_in=_text(has, "open_in") or "slim-window",
        tooltip=_text(has, "tooltip"),
        healthcheck_url=_text(check, "url"),
        healthcheck_interval=_number(check, "interval"),
        healthcheck_threshold=_number(check, "threshold"),
    )


def _agent_metadata(has: Mapping[str, Any]) -> AgentMetadataResult:
    return AgentMetadataResult(
        key=_text(has, "key"),
        display_name=_text(has, "display_name"),
        script=_text(has, "script"),
        interval=_number(has, "interval"),
        timeout=_number(has, "timeout"),
        order=_number(has, "order"),
    )


def _display_apps(has: Mapping[str, Any]) -> tuple[str, ...]:
    blocks = has.get("display_apps") or []
    return tuple(name for name in ALL_APPS if blocks[0].get(name)) if blocks else DEFAULT_APPS


def _of(rows: Iterable[Resource], type_name: str) -> list[Resource]:
    return [r for r in rows if r.type == type_name]


def _attributes(resource: Resource) -> Mapping[str, Any]:
    return resource.attributes or {}


def _text(has: Mapping[str, Any], name: str) -> str:
    return str(has.get(name) or "")


def _number(has: Mapping[str, Any], name: str) -> int:
    return int(float(has.get(name) or 0))
