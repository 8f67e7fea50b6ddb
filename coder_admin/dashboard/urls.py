"""The pages. Addresses of workspaces and versions are those that notifications link to."""

from __future__ import annotations

from django.urls import path, register_converter
from django.views.decorators.csrf import ensure_csrf_cookie

from .converters import UserNameConverter
from .views import (
    builds,
    create,
    inbox,
    jobs,
    notifications,
    overview,
    parameters,
    people,
    prebuilds,
    presets,
    search,
    session,
    templates,
    versions,
    workspaces,
)

register_converter(UserNameConverter, "username")

app_name = "dashboard"

_T = "templates/<slug:organization>/<slug:template>"
_W = "@<username:owner>/<slug:name>"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login", ensure_csrf_cookie(session.sign_in), name="login"),
    path("logout", session.sign_out, name="logout"),
    path("preferences/theme", session.theme, name="theme"),
    path("search", search.search, name="search"),
    path("inbox", inbox.inbox, name="inbox"),
    path("inbox/latest", inbox.latest, name="inbox-latest"),
    path("inbox/count", inbox.count, name="inbox-count"),
    path("inbox/read", inbox.mark_all_read, name="inbox-read-all"),
    path("inbox/mark", inbox.mark_some, name="inbox-mark"),
    path("inbox/<uuid:notification>/read", inbox.mark_read, name="inbox-read"),
    path("inbox/<uuid:notification>/open/<int:position>", inbox.follow, name="inbox-open"),
    path("settings/notifications", notifications.settings, name="notification-settings"),
    path("settings/notifications/save", notifications.save, name="notification-settings-save"),
    path("deployment/notifications", notifications.deliveries, name="deliveries"),
    path("deployment/notifications/methods", notifications.methods, name="notification-methods"),
    path(
        "deployment/notifications/methods/<uuid:kind>", notifications.set_method, name="notification-method"
    ),
    path("deployment/notifications/pause", notifications.pause, name="notification-pause"),
    path("deployment/notifications/test", notifications.test, name="notification-test"),
    path("deployment/notifications/<uuid:message>/retry", notifications.retry, name="delivery-retry"),
    path("people", people.members, name="people"),
    path("people/groups", people.groups, name="groups"),
    path("provisioner-jobs", jobs.jobs, name="jobs"),
    path("provisioner-jobs/<uuid:job>/logs", jobs.logs, name="job-logs"),
    path("provisioner-jobs/<uuid:job>/logs.txt", jobs.download, name="job-download"),
    path("prebuilds", prebuilds.settings, name="prebuilds"),
    path("prebuilds/paused", prebuilds.pause, name="prebuilds-pause"),
    path("workspaces", workspaces.workspaces, name="workspaces"),
    path(_W, workspaces.detail, name="workspace"),
    path(f"{_W}/parameters", parameters.settings, name="workspace-parameters"),
    path(f"{_W}/builds", workspaces.history, name="workspace-builds"),
    path(f"{_W}/builds/<int:number>", builds.detail, name="build"),
    path(f"{_W}/builds/<int:number>/cancel", builds.cancel, name="build-cancel"),
    path(f"{_W}/agents/<uuid:agent>/logs", workspaces.agent_logs, name="agent-logs"),
    path(f"{_W}/agents/<uuid:agent>/logs.txt", workspaces.agent_download, name="agent-download"),
    path(f"{_W}/transition/<slug:transition>", workspaces.transition, name="workspace-transition"),
    path("templates", templates.templates, name="templates"),
    path("templates/new", templates.new, name="template-new"),
    path(_T, templates.detail, name="template"),
    path(f"{_T}/deprecate", templates.deprecate, name="template-deprecate"),
    path(f"{_T}/delete", templates.delete, name="template-delete"),
    path(f"{_T}/versions", versions.versions, name="versions"),
    path(f"{_T}/versions/new", versions.new, name="version-new"),
    path(f"{_T}/versions/<str:version>", versions.detail, name="version"),
    path(f"{_T}/versions/<str:version>/preview", parameters.preview, name="version-preview"),
    path(f"{_T}/versions/<str:version>/files", versions.files, name="version-files"),
    path(f"{_T}/versions/<str:version>/promote", versions.promote, name="version-promote"),
    path(f"{_T}/presets/<uuid:preset>", presets.detail, name="preset"),
    path(f"{_T}/presets/<uuid:preset>/reset", presets.reset, name="preset-reset"),
    path(f"{_T}/invalidate", presets.invalidate, name="template-invalidate"),
    path(f"{_T}/workspace", create.create, name="workspace-new"),
]
