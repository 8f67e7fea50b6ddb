"""Who may use a template, and with whom a workspace is shared: their access lists."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from coder_admin.catalog import access
from coder_admin.catalog.services.access import acl_update
from coder_admin.dashboard import access_lists
from coder_admin.dashboard.access_lists import Change, read_change, rows_of, suggestions
from coder_admin.dashboard.http import ViewerRequest, command, draw, page
from coder_admin.dashboard.selectors import templates as template_selectors
from coder_admin.dashboard.selectors import workspaces as workspace_selectors
from coder_admin.dashboard.views.templates import shown
from coder_admin.dashboard.workspace_view import workspace_view
from coder_admin.workspaces import sharing


@page
def template(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """The access list of a template."""
    row = template_selectors.template_of(request.viewer, organization, template)
    rows = rows_of(access.acl_of(viewer=request.viewer, template=row))
    everyone = any(entry.id == str(row.organization_id) for entry in rows)
    context = shown(request, row) | {
        "rows": rows,
        "roles": access_lists.TEMPLATE_ROLES,
        "suggestions": suggestions(request.viewer, row.organization),
        "url": reverse("dashboard:template-grant", args=(organization, template)),
        "sentence": _template_sentence(len(rows), everyone=everyone),
    }
    return draw(request, "catalog/permissions.html", context)


def _template_sentence(entries: int, *, everyone: bool) -> str:
    if everyone:
        return "Every member of the organization may use it."
    if entries:
        return "Only those listed here may see it, and administrators of templates."
    return "Nobody is listed: only administrators of templates see it."


@command
def template_grant(request: ViewerRequest, organization: str, template: str) -> HttpResponse:
    """Give, change or take one entry."""
    row = template_selectors.template_of(request.viewer, organization, template)
    change = read_change(request.POST, row.organization)
    acl_update(actor=request.viewer, template=row, user_perms=change.users, group_perms=change.groups)
    messages.success(request, _told(change))
    return HttpResponseRedirect(reverse("dashboard:template-permissions", args=(organization, template)))


@page
def workspace(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """With whom a workspace is shared."""
    row = workspace_selectors.workspace_of(request.viewer, owner, name)
    rows = rows_of(sharing.workspace_acl(viewer=request.viewer, workspace=row))
    builds, values = workspace_selectors.counts(row)
    context: dict[str, object] = {
        "workspace": workspace_view(request.viewer, row, build_count=builds, parameter_count=values),
        "rows": rows,
        "roles": access_lists.WORKSPACE_ROLES,
        "suggestions": suggestions(request.viewer, row.organization),
        "url": reverse("dashboard:workspace-share", args=(owner, name)),
        "may_share": sharing.may_share(request.viewer, row),
    }
    return draw(request, "workspaces/sharing.html", context)


@command
def workspace_share(request: ViewerRequest, owner: str, name: str) -> HttpResponse:
    """Give, change or take one entry."""
    row = workspace_selectors.workspace_of(request.viewer, owner, name)
    change = read_change(request.POST, row.organization)
    sharing.workspace_acl_update(
        actor=request.viewer, workspace=row, user_roles=change.users, group_roles=change.groups
    )
    messages.success(request, _told(change))
    return HttpResponseRedirect(reverse("dashboard:workspace-sharing", args=(owner, name)))


def _told(change: Change) -> str:
    return f"{change.name} has the role {change.role}." if change.role else f"{change.name} was removed."
