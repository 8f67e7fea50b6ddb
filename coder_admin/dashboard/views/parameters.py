"""A parameter form beside the create page: a workspace's settings, and the preview of a version."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.catalog import selectors as catalog
from coder_admin.catalog.models import TemplateVersion
from coder_admin.dashboard.http import ViewerRequest, draw, page
from coder_admin.dashboard.parameter_form import Given
from coder_admin.dashboard.parameter_page import Filled, form_context, opened, submitted
from coder_admin.dashboard.selectors import templates
from coder_admin.dashboard.selectors import workspaces as selectors
from coder_admin.dashboard.template_view import VersionView
from coder_admin.dashboard.views.create import offered_presets, owner_of, possible_owners
from coder_admin.dashboard.views.templates import shown
from coder_admin.dashboard.workspace_view import SETTLED, workspace_view
from coder_admin.foundation.errors import ServiceError
from coder_admin.workspaces import services
from coder_admin.workspaces.choices import AutomaticUpdates
from coder_admin.workspaces.models import Workspace
from rbac.django import may
from rbac.model import Action


@dataclass(frozen=True)
class _Target:
    """The version that the next start takes, and whether that is an update."""

    version: TemplateVersion
    update: bool


@page
def settings(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """The values of a workspace; who may start it can start it with others.

    `update` in the address or the form takes the template's active version.
    """
    workspace = selectors.workspace_of(request.viewer, owner, name)
    builds, count = selectors.counts(workspace)
    view = workspace_view(request.viewer, workspace, build_count=builds, parameter_count=count)
    context: dict[str, object] = {"workspace": view}
    target = _target(request, workspace)
    settled = view.status in SETTLED and not workspace.deleted
    if target is None or not settled or not may(request.viewer, Action.START, workspace):
        context["values"] = selectors.values(workspace.latest_build)
        return draw(request, "workspaces/parameters.html", context)
    stored = selectors.stored_values(workspace.latest_build)
    form = _opened(workspace, stored)
    if request.method == "POST":
        form = submitted(request.POST, ())
        if request.POST.get("action", "create") == "create":
            made = _start(request, form, workspace, target)
            if made:
                return made
    context |= form_context(request.viewer, target.version, workspace.owner_id, form, stored=stored)
    context |= {
        "version": target.version,
        "update": target.update,
        "running": view.status == "running",
        "active_version": workspace.template.active_version if view.outdated and not target.update else None,
    }
    return render(request, "workspaces/parameters.html", context, status=400 if form.errors else 200)


def _target(request: ViewerRequest, workspace: Workspace) -> _Target | None:
    build, active = workspace.latest_build, workspace.template.active_version
    if build is None:
        return None
    asked = "update" in (request.POST if request.method == "POST" else request.GET)
    always = workspace.automatic_updates == AutomaticUpdates.ALWAYS
    if active is not None and active.pk != build.template_version_id and (asked or always):
        return _Target(active, update=True)
    return _Target(build.template_version, update=False)


def _opened(workspace: Workspace, stored: dict[str, str]) -> Filled:
    """The last build's values, without those that held for that start only."""
    ephemeral = selectors.ephemeral_names(workspace.latest_build)
    given = {name: Given(value, "build") for name, value in stored.items() if name not in ephemeral}
    return Filled(given, {name: one.value for name, one in given.items()})


def _start(
    request: ViewerRequest, form: Filled, workspace: Workspace, target: _Target
) -> HttpResponse | None:
    form.tried = True
    run = services.workspace_update if target.update else services.workspace_start
    try:
        build = run(actor=request.viewer, workspace=workspace, parameters=form.inputs)
    except ServiceError as error:
        form.refuse(error)
        return None
    return HttpResponseRedirect(
        reverse("dashboard:build", args=(workspace.owner.username, workspace.name, build.build_number))
    )


@page
def preview(request: ViewerRequest, organization: str, template: str, version: str) -> HttpResponse:
    """The form of a version as people would fill it in, without creating anything. Its address holds the
    preset and the values, so that it can be shared."""
    row = templates.template_of(request.viewer, organization, template)
    found = catalog.version_by_name(viewer=request.viewer, template=row, name=version)
    offered = templates.presets(found)
    owners = possible_owners(request, row)
    owner = owner_of(request, owners)
    form = opened(request.GET, offered)
    form.tried = "action" in request.GET
    context = shown(request, row)
    context |= form_context(request.viewer, found, owner.pk, form, offered=offered)
    context |= {
        "version": VersionView(found, row),
        "owner": owner,
        "owners": owners,
        "presets": offered_presets(found, offered),
    }
    return draw(request, "catalog/preview.html", context)
