"""Create a workspace: name, preset and parameters that the template evaluates while they are filled in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.dashboard.access import may_create_for_others
from coder_admin.dashboard.http import ViewerRequest, page
from coder_admin.dashboard.parameter_page import Filled, Presets, form_context, opened, submitted
from coder_admin.dashboard.selectors import create as selectors
from coder_admin.dashboard.selectors import pools
from coder_admin.dashboard.selectors.templates import presets, template_of
from coder_admin.dashboard.template_view import TemplateView
from coder_admin.foundation.errors import Conflict, ServiceError
from coder_admin.organizations.models import User
from coder_admin.workspaces import services
from coder_admin.workspaces.quota import quota_of
from coder_admin.workspaces.selectors import last_values
from rbac.django import require
from rbac.model import Action


@page
def create(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """The form, and its answer. `action=refresh` evaluates the values and shows the form again."""
    row = template_of(request.viewer, organization, template)
    require(request.viewer, Action.USE, row, message="You may not create workspaces from this template.")
    version = row.active_version
    if version is None or row.deprecated:
        raise Conflict(
            "No workspace can be created from this template.",
            detail="It is deprecated." if row.deprecated else "None of its versions is active.",
        )
    offered = presets(version)
    owners = possible_owners(request, row)
    owner = owner_of(request, owners)
    if request.method == "POST":
        form = submitted(request.POST, offered)
        if request.POST.get("action", "create") == "create" and not form.errors:
            made = _create(request, form, row, owner)
            if made:
                return made
    else:
        form = opened(request.GET, offered, last=last_values(viewer=request.viewer, template=row))
    return _draw(request, form, template=row, version=version, offered=offered, owner=owner, owners=owners)


def possible_owners(request: ViewerRequest, template: Template) -> list[User]:
    """Whom the viewer may choose as the owner; nobody, when they create for themselves only."""
    if not may_create_for_others(request.viewer, str(template.organization_id)):
        return []
    return selectors.owners(request.viewer, template)


def owner_of(request: ViewerRequest, owners: list[User]) -> User:
    """The owner that the request names, else the viewer."""
    wanted = (request.POST if request.method == "POST" else request.GET).get("owner", "")
    return next((person for person in owners if wanted in (str(person.pk), person.username)), request.user)


def _create(request: ViewerRequest, form: Filled, template: Template, owner: User) -> HttpResponse | None:
    form.tried = True
    try:
        workspace = services.workspace_create(
            actor=request.viewer,
            owner=owner,
            organization=template.organization,
            name=request.POST.get("name", "").strip(),
            template=template,
            parameters=form.inputs,
            preset_id=form.preset.pk if form.preset else None,
        )
    except ServiceError as error:
        form.refuse(error)
        return None
    return HttpResponseRedirect(
        reverse("dashboard:workspace", args=(workspace.owner.username, workspace.name))
    )


def _draw(
    request: ViewerRequest,
    form: Filled,
    *,
    template: Template,
    version: TemplateVersion,
    offered: Presets,
    owner: User,
    owners: list[User],
) -> HttpResponse:
    data = request.POST if request.method == "POST" else request.GET
    context = form_context(request.viewer, version, owner.pk, form, offered=offered)
    context |= {
        "template": TemplateView(template),
        "version": version,
        "name": data.get("name", "").strip(),
        "name_error": form.refused.get("name", ""),
        "owner": owner,
        "owners": owners,
        "quota": quota_of(template.organization_id, owner.pk),
        "presets": offered_presets(version, offered),
        "pooled": any(one.desired_instances is not None for one in offered),
    }
    status = 400 if form.errors else 200
    return render(request, "workspaces/create.html", context, status=status)


def offered_presets(version: TemplateVersion, offered: Presets) -> list[dict[str, Any]]:
    """The presets as `components/preset_choice.html` shows them, with what their pools hold ready."""
    ready = pools.ready_counts(version.pk)
    return [_offered(one, ready) for one in offered]


def _offered(preset: TemplateVersionPreset, ready: Mapping[uuid.UUID, int]) -> dict[str, Any]:
    return {
        "pk": preset.pk,
        "name": preset.name,
        "description": preset.description,
        "desired_instances": preset.desired_instances,
        "ready": ready.get(preset.pk, 0),
    }
