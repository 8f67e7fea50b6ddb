"""A workspace as pages show it: its state in a word and a sentence, and what the viewer may do now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.urls import reverse

from coder_admin.catalog.models import Template
from coder_admin.organizations.models import Organization, User
from coder_admin.workspaces.choices import AgentLifecycle, AppHealth
from coder_admin.workspaces.models import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentMetadatum,
    WorkspaceApp,
    WorkspaceBuild,
)
from coder_admin.workspaces.selectors import agent_connection
from coder_admin.workspaces.sharing import may_share
from coder_admin.workspaces.statuses import WorkspaceStatus, workspace_status
from rbac.django import may
from rbac.model import Action, Subject

from .logs import Excerpt
from .templatetags.ui import joined, relative_text

SETTLED = frozenset(
    {WorkspaceStatus.RUNNING, WorkspaceStatus.STOPPED, WorkspaceStatus.FAILED, WorkspaceStatus.CANCELED}
)
LINK_SCHEMES = frozenset(
    {"http", "https", "ssh", "vscode", "vscode-insiders", "cursor", "windsurf", "zed", "jetbrains"}
    | {"jetbrains-gateway"}
)
"""Schemes that an external app may open; a template must not put a script into the page."""
WEB_SCHEMES = frozenset({"http", "https"})
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Offer:
    """Something the viewer may do now: a button, and if needed the question asked before."""

    key: str
    label: str
    icon: str
    url: str
    tone: str = ""
    title: str = ""
    confirm: str = ""
    field: tuple[str, str] | None = None  # a field sent along: name and value


@dataclass(frozen=True)
class WorkspaceView:
    """One workspace with what lists and details say about it."""

    row: Workspace
    status: str
    outdated: bool
    offers: tuple[Offer, ...] = ()
    build_count: int = 0
    parameter_count: int = 0
    shareable: bool = False

    @property
    def pk(self) -> object:
        return self.row.pk

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def owner(self) -> User:
        return self.row.owner

    @property
    def organization(self) -> Organization:
        return self.row.organization

    @property
    def template(self) -> Template:
        return self.row.template

    @property
    def created_at(self) -> datetime:
        return self.row.created_at

    @property
    def last_used_at(self) -> datetime:
        return self.row.last_used_at

    @property
    def is_prebuild(self) -> bool:
        return self.row.is_prebuild

    @property
    def preset_name(self) -> str:
        build = self.row.latest_build
        return build.template_version_preset.name if build and build.template_version_preset else ""

    @property
    def url(self) -> str:
        return reverse("dashboard:workspace", args=(self.row.owner.username, self.row.name))

    @property
    def template_url(self) -> str:
        return reverse("dashboard:template", args=(self.row.organization.name, self.row.template.name))

    @property
    def actions(self) -> tuple[Offer, ...]:
        """What a row's menu can do without asking first."""
        return tuple(offer for offer in self.offers if not offer.confirm)


def status_of(build: WorkspaceBuild | None) -> str:
    """The workspace's status; one without a build is pending."""
    return workspace_status(build.transition, build.job.job_status) if build else WorkspaceStatus.PENDING


def workspace_view(
    viewer: Subject, row: Workspace, *, build_count: int = 0, parameter_count: int = 0
) -> WorkspaceView:
    """Needs the row as `with_latest_build` loads it; asks the database nothing."""
    build = row.latest_build
    status = WorkspaceStatus.DELETED if row.deleted else status_of(build)
    active = row.template.active_version_id
    outdated = bool(build and active and build.template_version_id != active and not row.deleted)
    return WorkspaceView(
        row=row,
        status=status,
        outdated=outdated,
        offers=tuple(_offers(viewer, row, WorkspaceStatus(status), outdated=outdated)),
        build_count=build_count,
        parameter_count=parameter_count,
        shareable=not row.deleted and may_share(viewer, row),
    )


def _offers(viewer: Subject, row: Workspace, status: WorkspaceStatus, *, outdated: bool) -> Iterable[Offer]:
    if status not in SETTLED:
        return

    def url(transition: str) -> str:
        return reverse("dashboard:workspace-transition", args=(row.owner.username, row.name, transition))

    if may(viewer, Action.DELETE, row):
        yield Offer(
            key="delete",
            label="Delete",
            icon="trash",
            url=url("delete"),
            tone="danger",
            title=f"Delete {row.owner.username}/{row.name}",
            confirm="Its resources are destroyed and its files are lost. This cannot be undone.",
        )
    if status is WorkspaceStatus.RUNNING and may(viewer, Action.STOP, row):
        yield Offer("stop", "Stop", "stop", url("stop"))
    if row.dormant_at is not None:
        if may(viewer, Action.UPDATE, row) and not row.is_prebuild:
            yield Offer(
                "wake",
                "Wake",
                "sun",
                reverse("dashboard:workspace-sleep", args=(row.owner.username, row.name)),
                tone="primary",
                field=("dormant", "false"),
            )
        return
    # A start on an old version would be refused where the template wants its active one.
    stuck = outdated and row.template.require_active_version
    if status is not WorkspaceStatus.RUNNING and may(viewer, Action.START, row) and not stuck:
        yield Offer("start", "Start", "play", url("start"), tone="primary")
    if outdated and may(viewer, Action.UPDATE, row) and may(viewer, Action.START, row):
        yield Offer(
            "update",
            "Update and start" if stuck else "Update",
            "refresh",
            url("update"),
            tone="" if status is WorkspaceStatus.STOPPED and not stuck else "primary",
        )


def sentence(view: WorkspaceView, now: datetime) -> str:
    """How the workspace is."""
    build = view.row.latest_build
    if view.status == WorkspaceStatus.DELETED:
        return "Deleted. Its builds and their logs are kept."
    if view.row.dormant_at is not None:
        gone = f" It is deleted {relative_text(view.row.deleting_at, now)}." if view.row.deleting_at else ""
        since = f"Dormant {relative_text(view.row.dormant_at, now)}"
        if view.status == WorkspaceStatus.RUNNING:
            return f"{since}, but still running. Stop it to free what it uses, or wake it.{gone}"
        return f"{since}: it does not run until you wake it.{gone}"
    if view.status == WorkspaceStatus.RUNNING:
        waiting = "waiting to be claimed" if view.is_prebuild else "in use"
        newer = " A newer template version is active: update to get it." if view.outdated else ""
        end = build.deadline if build and not view.is_prebuild else None
        stops = f" It stops {relative_text(end, now)}." if end else ""
        return f"Running, {waiting}.{stops}{newer}"
    texts = {
        WorkspaceStatus.PENDING: "Waits for a worker to take the build.",
        WorkspaceStatus.STARTING: "Starting. The build log shows each step.",
        WorkspaceStatus.STOPPING: "Stopping.",
        WorkspaceStatus.STOPPED: "Stopped. Start it to work in it again.",
        WorkspaceStatus.DELETING: "Being deleted.",
        WorkspaceStatus.CANCELING: "The last build is being canceled.",
        WorkspaceStatus.CANCELED: "The last build was canceled. Start it again, or delete it.",
    }
    if view.status == WorkspaceStatus.FAILED and build:
        return f"The last build failed to {build.transition} it. Read the log, then try again or delete it."
    return texts[WorkspaceStatus(view.status)]


def build_sentence(build: WorkspaceBuild, now: datetime, took: str) -> str:
    """How a build is, in one sentence."""
    job = build.job
    verb = {"start": "started", "stop": "stopped", "delete": "deleted"}[build.transition]
    kind = " It claimed a prebuild." if build.prebuild_stage == "claim" else ""
    return {
        "pending": "Waits for a worker to take it.",
        "running": f"Running since {took}.",
        "succeeded": f"The workspace was {verb} in {took}.{kind}",
        "failed": f"Failed after {took}. Nothing is tried again by itself.",
        "canceling": "Being canceled: the running step is interrupted.",
        "canceled": "Canceled.",
    }.get(job.job_status, "")


@dataclass(frozen=True)
class AppView:
    """A way into the workspace: a link, or a command to copy."""

    name: str
    href: str
    command: str
    external: bool
    health: str = ""  # of its health check; empty when it has none
    hint: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AgentView:
    """One agent: its states, apps and log."""

    row: WorkspaceAgent
    connection: str
    visible_apps: tuple[AppView, ...] = ()
    held_back_by: tuple[str, ...] = ()
    facts: tuple[WorkspaceAgentMetadatum, ...] = ()
    log: Excerpt | None = field(default=None)

    def __getattr__(self, name: str) -> object:
        return getattr(self.row, name)

    @property
    def held_back_text(self) -> str:
        """Why to wait, in a sentence."""
        if not self.held_back_by:
            return ""
        verb = "has" if len(self.held_back_by) == 1 else "have"
        return f"{joined(self.held_back_by)} {verb} to end first."


def app_view(app: WorkspaceApp, *, ready: bool = True) -> AppView:
    """An address of a known scheme becomes a link; one of the workspace's own machine says so.

    Workspaces are not proxied: a link to `localhost` reaches the machine that the browser runs on, which is
    the right one where the agents run beside it.
    """
    parts = urlsplit(app.url) if app.url else None
    scheme = parts.scheme.lower() if parts else ""
    allowed = LINK_SCHEMES if app.external else WEB_SCHEMES
    local = parts is not None and not app.external and parts.hostname in LOCAL_HOSTS
    return AppView(
        name=app.display_name or app.slug,
        href=app.url if scheme in allowed else "",
        command=app.command,
        external=app.external,
        health="" if app.health == AppHealth.DISABLED else app.health,
        hint="on the workspace's machine" if local else "" if ready else "its start scripts still run",
    )


def agent_view(agent: WorkspaceAgent, now: datetime, log: Excerpt | None = None) -> AgentView:
    """Needs the agent's apps, metadata, scripts with timings and stats loaded."""
    held = held_back(agent)
    apps = (app_view(app, ready=not held) for app in agent.apps.all() if not app.hidden)
    return AgentView(
        row=agent,
        connection=agent_connection(agent, now),
        visible_apps=tuple(app for app in apps if app.href or app.command),
        held_back_by=held,
        facts=tuple(agent.metadata.all()),
        log=log,
    )


def held_back(agent: WorkspaceAgent) -> tuple[str, ...]:
    """The scripts that people should wait for before they sign in, while the agent still starts."""
    if agent.lifecycle_state not in (AgentLifecycle.CREATED, AgentLifecycle.STARTING):
        return ()
    scripts = agent.scripts.all()
    return tuple(s.display_name for s in scripts if s.run_on_start and s.start_blocks_login)
