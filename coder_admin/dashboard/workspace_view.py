"""A workspace as pages show it: its state in a word and a sentence, and what the viewer may do now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.urls import reverse

from coder_admin.catalog.models import Template
from coder_admin.organizations.models import Organization, User
from coder_admin.workspaces.models import Workspace, WorkspaceAgent, WorkspaceApp, WorkspaceBuild
from coder_admin.workspaces.selectors import agent_connection
from coder_admin.workspaces.sharing import may_share
from coder_admin.workspaces.statuses import WorkspaceStatus, workspace_status
from rbac.django import may
from rbac.model import Action, Subject

from .logs import Excerpt

SETTLED = frozenset(
    {WorkspaceStatus.RUNNING, WorkspaceStatus.STOPPED, WorkspaceStatus.FAILED, WorkspaceStatus.CANCELED}
)
LINK_SCHEMES = frozenset(
    {"http", "https", "ssh", "vscode", "vscode-insiders", "cursor", "windsurf", "zed", "jetbrains"}
    | {"jetbrains-gateway"}
)
"""Schemes that an external app may open; a template must not put a script into the page."""


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
    if status is not WorkspaceStatus.RUNNING and may(viewer, Action.START, row):
        yield Offer("start", "Start", "play", url("start"), tone="primary")
    if outdated and may(viewer, Action.UPDATE, row) and may(viewer, Action.START, row):
        yield Offer(
            "update",
            "Update",
            "refresh",
            url("update"),
            tone="" if status is WorkspaceStatus.STOPPED else "primary",
        )


def sentence(view: WorkspaceView, now: datetime) -> str:
    """How the workspace is."""
    build = view.row.latest_build
    if view.status == WorkspaceStatus.DELETED:
        return "Deleted. Its builds and their logs are kept."
    if view.status == WorkspaceStatus.RUNNING:
        waiting = "waiting to be claimed" if view.is_prebuild else "in use"
        newer = " A newer template version is active: update to get it." if view.outdated else ""
        return f"Running, {waiting}.{newer}"
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

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AgentView:
    """One agent: its states, apps and log."""

    row: WorkspaceAgent
    connection: str
    visible_apps: tuple[AppView, ...] = ()
    log: Excerpt | None = field(default=None)

    def __getattr__(self, name: str) -> object:
        return getattr(self.row, name)


def app_view(app: WorkspaceApp) -> AppView:
    """Only external addresses of known schemes become links; workspaces are not proxied."""
    scheme = urlsplit(app.url).scheme.lower() if app.external else ""
    return AppView(
        name=app.display_name or app.slug,
        href=app.url if scheme in LINK_SCHEMES else "",
        command=app.command,
        external=app.external,
    )


def agent_view(agent: WorkspaceAgent, now: datetime, log: Excerpt | None = None) -> AgentView:
    """Needs the agent's apps prefetched."""
    apps = (app_view(app) for app in agent.apps.all() if not app.hidden)
    return AgentView(
        row=agent,
        connection=agent_connection(agent, now),
        visible_apps=tuple(app for app in apps if app.href or app.command),
        log=log,
    )
