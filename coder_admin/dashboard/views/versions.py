"""Versions of a template: list, detail with the import log, files, upload, promotion."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.catalog import selectors as catalog
from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.catalog.services import versions as services
from coder_admin.dashboard.forms import VersionUploadForm, add_refusal, content_type_of
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.logs import Log, excerpt
from coder_admin.dashboard.selectors import templates as selectors
from coder_admin.dashboard.selectors.jobs import job_lines
from coder_admin.dashboard.template_view import VersionView, version_sentence, version_state
from coder_admin.files.services import file_store
from coder_admin.foundation.errors import NotFound, ServiceError
from coder_admin.foundation.pagination import Page, page_of
from coder_admin.provisioning.selectors import job_queue_positions
from rbac.django import may, require
from rbac.model import Action

from .templates import shown


@page
def versions(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """The versions, newest first."""
    row = selectors.template_of(request.viewer, organization, template)
    found = page_of(request.GET, catalog.versions(viewer=request.viewer, template=row, archived=True))
    items = [VersionView(version, row) for version in found.items]
    context = shown(request, row)
    context["page"] = Page(items=items, count=found.count, limit=found.limit, offset=found.offset)
    return draw(request, "catalog/versions.html", context)


PARTS = {
    "badge": "catalog/_version_badge.html",
    "actions": "catalog/_version_actions.html",
    "result": "catalog/_version_result.html",
}


@page
def detail(request: ViewerRequest, organization: str, template: str, version: str) -> HttpResponse:
    """One version: what its import found, and the import's log; `?part=` is one live part."""
    row = selectors.template_of(request.viewer, organization, template)
    found = catalog.version_by_name(viewer=request.viewer, template=row, name=version)
    part = request.GET.get("part", "")
    if part == "sentence":
        return HttpResponse(version_sentence(found, row))
    context = shown(request, row)
    context |= {"version": VersionView(found, row), "may_promote": _may_promote(request, row, found)}
    if part in ("", "result"):
        context |= {
            "presets": _presets(row, found),
            "parameters": selectors.parameters(found),
            "variables": selectors.variables(found),
            "waiting": job_queue_positions([found.job])[found.job_id],
        }
    if part:
        if part not in PARTS:
            raise NotFound
        return render(request, PARTS[part], context)
    log = Log(
        label="Import log",
        url=reverse("dashboard:job-logs", args=(found.job_id,)),
        topic=f"job:{found.job_id}",
        download=reverse("dashboard:job-download", args=(found.job_id,)),
        done=found.job.completed_at is not None,
    )
    context |= {
        "log": excerpt(request, job_lines(found.job), log),
        "sentence": version_sentence(found, row),
    }
    return draw(request, "catalog/version.html", context)


def _presets(template: Template, version: TemplateVersion) -> list[dict[str, object]]:
    place = (template.organization.name, template.name)
    return [
        {
            "name": preset.name,
            "description": preset.description,
            "is_default": preset.is_default,
            "desired_instances": preset.desired_instances,
            "parameters": preset.parameters,
            "url": reverse("dashboard:preset", args=(*place, preset.pk)),
        }
        for preset in selectors.presets(version)
    ]


def _may_promote(request: ViewerRequest, template: Template, version: TemplateVersion) -> bool:
    return version_state(version, template) == "ready" and may(request.viewer, Action.UPDATE, template)


@page
def files(request: ViewerRequest, organization: str, template: str, version: str) -> HttpResponse:
    """The files of a version; `?path=` chooses one."""
    row = selectors.template_of(request.viewer, organization, template)
    found = catalog.version_by_name(viewer=request.viewer, template=row, name=version)
    archive = selectors.archive(found)
    context = shown(request, row)
    context |= {
        "version": VersionView(found, row),
        "names": sorted(archive),
        "shown": selectors.shown_file(archive, request.GET.get("path", "")),
    }
    return draw(request, "catalog/files.html", context)


@page
def new(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """Upload a version."""
    row = selectors.template_of(request.viewer, organization, template)
    require(request.viewer, Action.UPDATE, row)
    form = VersionUploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            version = _create(request, form, row)
        except ServiceError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"Version {version.name} was uploaded. Its import has begun.")
            return HttpResponseRedirect(
                reverse("dashboard:version", args=(organization, template, version.name))
            )
    context = shown(request, row)
    context["form"] = form
    return render(request, "catalog/new.html", context, status=400 if form.errors else 200)


@transaction.atomic
def _create(request: ViewerRequest, form: VersionUploadForm, template: Template) -> TemplateVersion:
    data = form.cleaned_data
    upload = data["archive"]
    file, _ = file_store(actor=request.viewer, data=upload.read(), content_type=content_type_of(upload.name))
    return services.template_version_create(
        actor=request.viewer,
        organization=template.organization,
        template=template,
        file=file,
        name=data["name"],
        message=data["message"],
    )


@command
def promote(request: ViewerRequest, organization: str, template: str, version: str) -> HttpResponse:
    """Make a version the active one."""
    row = selectors.template_of(request.viewer, organization, template)
    found = catalog.version_by_name(viewer=request.viewer, template=row, name=version)
    services.version_promote(actor=request.viewer, template=row, version=found)
    messages.success(request, f"Version {found.name} is active now.")
    return HttpResponseRedirect(reverse("dashboard:version", args=(organization, template, version)))
