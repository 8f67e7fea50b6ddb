"""A workspace's own clock: its schedule, extensions, sleep, version, and the owner's mark."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from coder_admin.catalog.models import TemplateVersion
from coder_admin.dashboard.clock_view import schedule_words
from coder_admin.dashboard.forms import add_refusal
from coder_admin.dashboard.http import ViewerRequest, back, command, page
from coder_admin.dashboard.schedule_form import ScheduleForm, zones
from coder_admin.dashboard.selectors import workspaces as selectors
from coder_admin.dashboard.workspace_view import workspace_view
from coder_admin.foundation.errors import Forbidden, Invalid, NotFound, ServiceError, Validation
from coder_admin.workspaces import scheduling, services
from coder_admin.workspaces import selectors as rooms
from coder_admin.workspaces.autostart import day_names
from coder_admin.workspaces.choices import AutomaticUpdates
from coder_admin.workspaces.models import Workspace
from rbac.django import may
from rbac.model import Action

NAMES = {"ttl_ms": "hours"}


@page
def schedule(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """When it starts and stops by itself; a form for who may change it, words for everybody else."""
    row = selectors.workspace_of(request.viewer, owner, name)
    editable = may(request.viewer, Action.UPDATE, row) and not row.is_prebuild and not row.deleted
    sent = request.method == "POST"
    if sent and not editable:
        raise Forbidden("You may not change the schedule of this workspace.")
    form = ScheduleForm.of(row, settings.TIME_ZONE, request.POST if sent else None)
    if sent and form.is_valid():
        try:
            _save(request, row, form)
        except ServiceError as error:
            _show(form, error)
        else:
            messages.success(request, "The schedule is saved.")
            return HttpResponseRedirect(request.path)
    builds, values = selectors.counts(row)
    context: dict[str, object] = {
        "workspace": workspace_view(request.viewer, row, build_count=builds, parameter_count=values),
        "form": form,
        "editable": editable,
        "zones": zones() if editable else (),
        "words": schedule_words(row.autostart_schedule) if row.autostart_schedule else "",
        "template": row.template,
        "mismatch": editable and rooms.parameters_mismatch(viewer=request.viewer, workspace=row),
        "days": day_names(row.template.autostart_days_of_week),
        "all_days": row.template.autostart_days_of_week == 127,
    }
    return render(request, "workspaces/schedule.html", context, status=400 if form.errors else 200)


@transaction.atomic
def _save(request: ViewerRequest, row: Workspace, form: ScheduleForm) -> None:
    actor = request.viewer
    if form.schedule != row.autostart_schedule:
        scheduling.workspace_set_autostart(actor=actor, workspace=row, schedule=form.schedule)
    # By what was shown, not by what is stored: hours are rounded.
    if "hours" in form.changed_data:
        scheduling.workspace_set_ttl(actor=actor, workspace=row, ttl_ms=form.ttl_ms)
    updates = AutomaticUpdates.ALWAYS if form.cleaned_data["always"] else AutomaticUpdates.NEVER
    if updates != row.automatic_updates:
        scheduling.workspace_set_automatic_updates(actor=actor, workspace=row, automatic_updates=updates)


def _show(form: ScheduleForm, error: ServiceError) -> None:
    """A refusal at the field of the form that it is about."""
    kind = form.cleaned_data.get("kind")
    names = NAMES | {"schedule": "zone" if kind == "days" else "cron"}
    fields = [Validation(names.get(v.field, v.field), v.detail) for v in error.validations]
    add_refusal(form, Invalid(error.message, detail=error.detail, validations=fields))


@command
def extend(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """Move the deadline to the instant of the pressed button."""
    row = selectors.workspace_of(request.viewer, owner, name)
    try:
        deadline = datetime.fromisoformat(request.POST.get("deadline", ""))
    except ValueError:
        raise Invalid("The new deadline cannot be read.") from None
    if deadline.tzinfo is None:
        raise Invalid("The new deadline needs a time zone.")
    scheduling.workspace_extend(actor=request.viewer, workspace=row, deadline=deadline)
    messages.success(request, "The workspace runs longer.")
    return HttpResponseRedirect(_home(request, row))


@command
def sleep(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """Put it to sleep (`dormant` = true) or wake it."""
    row = selectors.workspace_of(request.viewer, owner, name)
    dormant = request.POST.get("dormant") == "true"
    scheduling.workspace_set_dormant(actor=request.viewer, workspace=row, dormant=dormant)
    messages.success(request, "It is dormant." if dormant else "It is awake. Start it to work in it.")
    return HttpResponseRedirect(_home(request, row))


@command
def favorite(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """Set or take away the owner's mark."""
    row = selectors.workspace_of(request.viewer, owner, name)
    scheduling.workspace_set_favorite(
        actor=request.viewer, workspace=row, favorite=request.POST.get("favorite") == "true"
    )
    return HttpResponseRedirect(_home(request, row))


@page
def version(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """Choose a version to start with."""
    row = selectors.workspace_of(request.viewer, owner, name)
    allowed = may(request.viewer, Action.UPDATE, row) and may(request.viewer, Action.START, row)
    errors: list[str] = []
    if request.method == "POST":
        try:
            build = services.workspace_start(
                actor=request.viewer, workspace=row, version=_chosen(row, request.POST.get("version", ""))
            )
        except ServiceError as error:
            if error.status in (403, 404):
                raise
            errors = [str(error)]
        else:
            place = (row.owner.username, row.name, build.build_number)
            return HttpResponseRedirect(reverse("dashboard:build", args=place))
    builds, values = selectors.counts(row)
    context: dict[str, object] = {
        "workspace": workspace_view(request.viewer, row, build_count=builds, parameter_count=values),
        "versions": selectors.usable_versions(row),
        "allowed": allowed and not row.is_prebuild,
        "errors": errors,
    }
    return render(request, "workspaces/version.html", context, status=400 if errors else 200)


def _chosen(row: Workspace, text: str) -> TemplateVersion:
    try:
        wanted = uuid.UUID(text)
    except ValueError:
        raise Invalid("Choose a version.") from None
    found = next((v for v in selectors.usable_versions(row) if v.pk == wanted), None)
    if found is None:
        raise NotFound
    return found


def _home(request: ViewerRequest, row: Workspace) -> str:
    return back(request, reverse("dashboard:workspace", args=(row.owner.username, row.name)))
