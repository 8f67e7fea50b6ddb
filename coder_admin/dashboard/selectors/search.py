"""What the search finds: pages, workspaces, templates, presets and people; a few of each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import F, Q
from django.urls import reverse

from coder_admin.catalog.models import Template, TemplateVersionPreset
from coder_admin.dashboard.navigation import sections
from coder_admin.organizations.models import User
from coder_admin.workspaces.models import Workspace
from rbac.model import Subject

MOST = 6


@dataclass(frozen=True)
class Result:
    """One link."""

    label: str
    hint: str
    url: str
    icon: str


@dataclass(frozen=True)
class Group:
    """Results of one kind."""

    title: str
    results: list[Result]


def search(viewer: Subject, query: str, *, path: str) -> list[Group]:
    """Groups that found something; without words the pages and the workspaces used last."""
    groups = [
        Group("Pages", _pages(viewer, query, path)),
        Group("Workspaces", _workspaces(viewer, query)),
        Group("Templates", _templates(viewer, query) if query else []),
        Group("Presets", _presets(viewer, query) if query else []),
        Group("People", _people(viewer, query) if query else []),
    ]
    return [group for group in groups if group.results]


def _pages(viewer: Subject, query: str, path: str) -> list[Result]:
    entries = [entry for section in sections(viewer, path) for entry in section.entries]
    found = [entry for entry in entries if query.casefold() in entry.label.casefold()]
    return [Result(entry.label, "", entry.url, entry.icon) for entry in found]


def _workspaces(viewer: Subject, query: str) -> list[Result]:
    rows = Workspace.objects.visible_to(viewer).live().select_related("owner", "template")
    owner, slash, name = query.partition("/")
    if slash:
        rows = rows.filter(owner__username__icontains=owner, name__icontains=name)
    elif query:
        rows = rows.filter(name__icontains=query)
    else:
        rows = rows.filter(owner_id=uuid.UUID(viewer.id))
    return [
        Result(
            f"{row.owner.username}/{row.name}",
            row.template.label,
            reverse("dashboard:workspace", args=(row.owner.username, row.name)),
            "workspaces",
        )
        for row in rows.order_by("-last_used_at")[:MOST]
    ]


def _templates(viewer: Subject, query: str) -> list[Result]:
    rows = Template.objects.live().visible_to(viewer).select_related("organization")
    rows = rows.filter(Q(name__icontains=query) | Q(display_name__icontains=query)).order_by("name")[:MOST]
    return [
        Result(
            row.label,
            row.organization.name,
            reverse("dashboard:template", args=(row.organization.name, row.name)),
            "templates",
        )
        for row in rows
    ]


def _presets(viewer: Subject, query: str) -> list[Result]:
    rows = TemplateVersionPreset.objects.filter(
        template_version=F("template_version__template__active_version"),
        template_version__template__in=Template.objects.live().visible_to(viewer),
        name__icontains=query,
    ).select_related("template_version__template__organization")
    results = []
    for row in rows.order_by("name")[:MOST]:
        template = row.template_version.template
        if template is not None:
            url = reverse("dashboard:preset", args=(template.organization.name, template.name, row.pk))
            results.append(Result(row.name, template.label, url, "prebuilds"))
    return results


def _people(viewer: Subject, query: str) -> list[Result]:
    rows = (
        User.objects.people()
        .visible_to(viewer)
        .filter(Q(username__icontains=query) | Q(name__icontains=query))
    )
    return [
        Result(
            row.username, row.name, f"{reverse('dashboard:workspaces')}?filter=owner:{row.username}", "people"
        )
        for row in rows.order_by("username")[:MOST]
    ]
