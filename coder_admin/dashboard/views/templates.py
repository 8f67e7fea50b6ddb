"""Templates: list, detail, upload, deprecation, deletion."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from coder_admin.catalog.models import Template
from coder_admin.catalog.services import templates as services
from coder_admin.catalog.services import versions as version_services
from coder_admin.dashboard.access import may_create_template
from coder_admin.dashboard.filters import FilterBar, Option, Picker, address, filter_bar, merged
from coder_admin.dashboard.forms import TemplateUploadForm, add_refusal, content_type_of
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.selectors import pools
from coder_admin.dashboard.selectors import templates as selectors
from coder_admin.dashboard.template_form import TemplateSettingsForm
from coder_admin.dashboard.template_view import TemplateView, template_sentence
from coder_admin.files.services import file_store
from coder_admin.foundation.errors import Forbidden, Invalid, ServiceError
from coder_admin.foundation.pagination import Page, page_of
from coder_admin.organizations.models import Organization
from rbac.django import may, require
from rbac.model import Action

PICKERS = ("deprecated",)


@page
def templates(request: ViewerRequest) -> HttpResponse:
    """The list."""
    kept = {"organization": request.GET.get("organization", "")}
    canonical = merged(request.GET, PICKERS)
    if canonical is not None:
        return HttpResponseRedirect(address(request.path, canonical, kept))
    text = request.GET.get("filter", "")
    errors: list[str] = []
    try:
        rows = selectors.template_list(request.viewer, text, kept["organization"])
    except Invalid as error:
        errors = [wrong.detail for wrong in error.validations] or [error.message]
        rows = selectors.template_list(request.viewer, "", "").none()
    found = page_of(request.GET, rows)
    counts = selectors.list_counts(request.viewer, found.items)
    items = [
        TemplateView(row, preset_count=counts[row.pk][0], workspace_count=counts[row.pk][1])
        for row in found.items
    ]
    context: dict[str, object] = {
        "page": Page(items=items, count=found.count, limit=found.limit, offset=found.offset),
        "filters": _filters(request, text, kept, errors),
        "may_upload": may_create_template(request.viewer),
    }
    return draw(request, "catalog/list.html", context)


def _filters(request: ViewerRequest, text: str, kept: dict[str, str], errors: list[str]) -> FilterBar:
    states = (Option("false", "No"), Option("true", "Yes"))
    return filter_bar(
        path=request.path,
        text=text,
        kept=kept,
        placeholder="Part of a name, or author:me",
        hint="Words look in the name; keys: author, deprecated, exact_name, name, organization.",
        errors=errors,
        pickers=(Picker("deprecated", "Deprecated", states),),
    )


def shown(request: ViewerRequest, template: Template) -> dict[str, object]:
    """What the head of every page of a template needs."""
    versions, workspaces = selectors.template_counts(request.viewer, template)
    return {
        "template": TemplateView(template, version_count=versions, workspace_count=workspaces),
        "may": {
            "use": may(request.viewer, Action.USE, template),
            "update": may(request.viewer, Action.UPDATE, template),
            "delete": may(request.viewer, Action.DELETE, template),
        },
    }


@page
def detail(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """One template: its presets and pools."""
    row = selectors.template_of(request.viewer, organization, template)
    now = timezone.now()
    cards = pools.with_sparks(pools.pool_cards(request.viewer, now, template_id=row.pk), now)
    presets = selectors.presets(row.active_version)
    context = shown(request, row)
    view = context["template"]
    context |= {
        "presets": presets,
        "plain_presets": [
            {
                "name": preset.name,
                "description": preset.description,
                "is_default": preset.is_default,
                "url": reverse("dashboard:preset", args=(organization, template, preset.pk)),
            }
            for preset in presets
            if preset.desired_instances is None
        ],
        "pools": cards,
        "sentence": template_sentence(view) if isinstance(view, TemplateView) else "",
    }
    return draw(request, "catalog/detail.html", context)


@page
def new(request: ViewerRequest) -> HttpResponse:
    """Upload a template: its first version is imported, and active once that succeeded."""
    organizations = selectors.organizations_for_upload(request.viewer)
    if not organizations:
        raise Forbidden(
            "You may not upload templates.", detail="Ask an administrator for the role template admin."
        )
    form = TemplateUploadForm(request.POST or None, request.FILES or None, organizations=organizations)
    if request.method == "POST" and form.is_valid():
        try:
            row = _create(request, form, organizations)
        except ServiceError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"{row.label} was uploaded. Its import has begun.")
            version = row.active_version
            name = version.name if version else ""
            return HttpResponseRedirect(
                reverse("dashboard:version", args=(row.organization.name, row.name, name))
            )
    return render(request, "catalog/new.html", {"form": form}, status=400 if form.errors else 200)


@transaction.atomic
def _create(
    request: ViewerRequest, form: TemplateUploadForm, organizations: Sequence[Organization]
) -> Template:
    data = form.cleaned_data
    organization = next(row for row in organizations if str(row.pk) == data["organization"])
    upload = data["archive"]
    file, _ = file_store(actor=request.viewer, data=upload.read(), content_type=content_type_of(upload.name))
    version = version_services.template_version_create(
        actor=request.viewer, organization=organization, file=file, message=data["message"]
    )
    return services.template_create(
        actor=request.viewer,
        organization=organization,
        name=data["name"],
        version=version,
        display_name=data["display_name"],
        description=data["description"],
    )


@page
def settings(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """The template's settings, for who may change them."""
    row = selectors.template_of(request.viewer, organization, template)
    require(request.viewer, Action.UPDATE, row, message="You may not change this template's settings.")
    sent = request.method == "POST"
    form = TemplateSettingsForm.of(row, request.POST if sent else None)
    if sent and form.is_valid():
        try:
            _, changed = services.template_update(actor=request.viewer, template=row, **form.settings)
        except ServiceError as error:
            add_refusal(form, error)
        else:
            messages.success(request, "The settings are saved." if changed else "Nothing was changed.")
            return HttpResponseRedirect(request.path)
    context = shown(request, row) | {"form": form}
    return render(request, "catalog/settings.html", context, status=400 if form.errors else 200)


@command
def deprecate(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """Close a template to new workspaces; an empty message opens it again."""
    row = selectors.template_of(request.viewer, organization, template)
    message = request.POST.get("message", "").strip()
    services.template_deprecate(actor=request.viewer, template=row, message=message)
    messages.success(request, "The template is deprecated." if message else "The template is open again.")
    return HttpResponseRedirect(reverse("dashboard:template", args=(organization, template)))


@command
def delete(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """Delete a template that nobody uses any more."""
    row = selectors.template_of(request.viewer, organization, template)
    services.template_delete(actor=request.viewer, template=row)
    messages.success(request, f"{row.label} was deleted.")
    return HttpResponseRedirect(reverse("dashboard:templates"))


def place_of(template: Template) -> tuple[str, str]:
    """The address part of a template."""
    return template.organization.name, template.name
