"""Create a workspace: name, preset and parameters that the template evaluates while they are filled in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.catalog.models import Template, TemplateVersion, TemplateVersionPreset
from coder_admin.dashboard.access import may_create_for_others
from coder_admin.dashboard.http import ViewerRequest, page
from coder_admin.dashboard.parameter_form import fields, prefilled, read_inputs
from coder_admin.dashboard.selectors import create as selectors
from coder_admin.dashboard.selectors import pools
from coder_admin.dashboard.selectors.templates import presets, template_of
from coder_admin.dashboard.template_view import TemplateView
from coder_admin.foundation.errors import Conflict, ServiceError
from coder_admin.organizations.models import User
from coder_admin.workspaces import services
from rbac.django import require
from rbac.model import Action

Presets = list[TemplateVersionPreset]


@dataclass
class _Form:
    """What is filled in."""

    name: str = ""
    preset: TemplateVersionPreset | None = None
    owner: User | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    source: str = "user"
    tried: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


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
    owners = (
        selectors.owners(request.viewer, row)
        if may_create_for_others(request.viewer, str(row.organization_id))
        else []
    )
    form = _read(request, offered, owners)
    if request.method == "POST" and request.POST.get("action", "create") == "create":
        made = _create(request, form, row)
        if made:
            return made
    return _draw(request, form, template=row, version=version, offered=offered, owners=owners)


def _read(request: ViewerRequest, offered: Presets, owners: list[User]) -> _Form:
    data = request.POST if request.method == "POST" else request.GET
    wanted = data.get("owner", "")
    owner = next((person for person in owners if wanted in (str(person.pk), person.username)), request.user)
    chosen = data.get("preset", "")
    preset = next((one for one in offered if str(one.pk) == chosen), None)
    if request.method != "POST" and "preset" not in data:
        preset = next((one for one in offered if one.is_default), None)
    values = {one.name: one.value for one in preset.parameters.all()} if preset else {}
    if request.method == "POST":
        inputs = {**read_inputs(request.POST), **values}
        return _Form(request.POST.get("name", "").strip(), preset, owner, inputs, "user")
    return _Form(request.GET.get("name", ""), preset, owner, {**prefilled(request.GET), **values}, "url")


def _create(request: ViewerRequest, form: _Form, template: Template) -> HttpResponse | None:
    form.tried = True
    try:
        workspace = services.workspace_create(
            actor=request.viewer,
            owner=form.owner or request.user,
            organization=template.organization,
            name=form.name,
            template=template,
            parameters=form.inputs,
            preset_id=form.preset.pk if form.preset else None,
        )
    except ServiceError as error:
        form.refused = {wrong.field: wrong.detail for wrong in error.validations}
        form.errors = [" ".join(filter(None, (error.message, error.detail)))]
        return None
    return HttpResponseRedirect(
        reverse("dashboard:workspace", args=(workspace.owner.username, workspace.name))
    )


def _draw(
    request: ViewerRequest,
    form: _Form,
    *,
    template: Template,
    version: TemplateVersion,
    offered: Presets,
    owners: list[User],
) -> HttpResponse:
    owner = form.owner or request.user
    answer = selectors.evaluate(request.viewer, version, owner.pk, form.inputs)
    parameters = answer.get("parameters") or []
    ready = pools.ready_counts(version.pk)
    known = {str(parameter["name"]) for parameter in parameters} | {"name"}
    elsewhere = [f"{name}: {detail}" for name, detail in form.refused.items() if name not in known]
    context: dict[str, object] = {
        "template": TemplateView(template),
        "version": version,
        "name": form.name,
        "name_error": form.refused.get("name", ""),
        "errors": form.errors + elsewhere,
        "owner": owner,
        "owners": owners,
        "preset": form.preset,
        "presets": [_offered(one, ready) for one in offered],
        "pooled": any(one.desired_instances is not None for one in offered),
        "fields": fields(parameters, form.inputs, show_errors=form.tried, refused=form.refused),
        "diagnostics": answer.get("diagnostics") or [],
        "preset_values": {
            str(one.pk): {row.name: row.value for row in one.parameters.all()} for one in offered
        },
        "prefill": _prefill(form),
        "socket_url": f"/api/v2/templateversions/{version.pk}/dynamic-parameters?user_id={owner.pk}",
    }
    status = 400 if form.errors else 200
    return render(request, "workspaces/create.html", context, status=status)


def _offered(preset: TemplateVersionPreset, ready: Mapping[uuid.UUID, int]) -> dict[str, Any]:
    return {
        "pk": preset.pk,
        "name": preset.name,
        "description": preset.description,
        "desired_instances": preset.desired_instances,
        "ready": ready.get(preset.pk, 0),
    }


def _prefill(form: _Form) -> dict[str, dict[str, str]]:
    """Values that the script begins with, each with its source."""
    of_preset = {row.name for row in form.preset.parameters.all()} if form.preset else set()
    return {
        name: {"value": value, "source": "preset" if name in of_preset else form.source}
        for name, value in form.inputs.items()
    }
