"""Templates, versions and their files for pages."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from coder_admin.catalog import selectors as catalog
from coder_admin.catalog.models import (
    Template,
    TemplateVersion,
    TemplateVersionParameter,
    TemplateVersionPreset,
    TemplateVersionVariable,
)
from coder_admin.files.archives import ArchiveError, read_archive
from coder_admin.foundation.errors import NotFound
from coder_admin.organizations.models import PREBUILDS_USER_ID, Organization
from coder_admin.workspaces.models import Workspace
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed

LARGEST_SHOWN = 200_000


def template_list(viewer: Subject, text: str, organization: str) -> QuerySet[Template]:
    """Rows of the list: name order, deprecated ones too unless the text says otherwise. Raises Invalid."""
    query = text if "deprecated:" in text else f"{text} deprecated:false"
    rows = catalog.templates(viewer=viewer, query=query.strip())
    if organization:
        rows = rows.filter(organization__name=organization)
    return rows


def list_counts(viewer: Subject, rows: Sequence[Template]) -> dict[uuid.UUID, tuple[int, int]]:
    """Presets of the active version and workspaces of people, for each template of a page: two queries."""
    versions = [row.active_version_id for row in rows if row.active_version_id]
    presets = TemplateVersionPreset.objects.filter(template_version__in=versions).order_by()
    of_version = dict(presets.values_list("template_version").annotate(number=Count("pk")))
    people = Workspace.objects.visible_to(viewer).live().exclude(owner_id=PREBUILDS_USER_ID)
    people = people.filter(template__in=[row.pk for row in rows]).order_by()
    of_template = dict(people.values_list("template").annotate(number=Count("pk")))
    return {row.pk: (of_version.get(row.active_version_id, 0), of_template.get(row.pk, 0)) for row in rows}


def template_of(viewer: Subject, organization: str, name: str) -> Template:
    """A live template by its organization's and its own name. Raises NotFound."""
    rows = Template.objects.live().visible_to(viewer)
    found = (
        rows.filter(organization__name__iexact=organization, organization__deleted=False, name__iexact=name)
        .select_related("organization", "created_by", "active_version__job")
        .first()
    )
    if found is None:
        raise NotFound
    return found


def template_counts(viewer: Subject, template: Template) -> tuple[int, int]:
    """Versions that are not archived, and workspaces of people that the viewer may read."""
    versions = TemplateVersion.objects.filter(template=template, archived=False).count()
    people = Workspace.objects.visible_to(viewer).live().filter(template=template)
    return versions, people.exclude(owner_id=PREBUILDS_USER_ID).count()


def parameters(version: TemplateVersion) -> list[TemplateVersionParameter]:
    """What the import found, in form order."""
    return list(TemplateVersionParameter.objects.filter(template_version=version))


def presets(version: TemplateVersion | None) -> list[TemplateVersionPreset]:
    """A version's presets with values and schedules, the default one first."""
    return list(catalog.presets(version=version)) if version else []


def variables(version: TemplateVersion) -> list[TemplateVersionVariable]:
    """A version's variables; templates hide sensitive values."""
    return list(catalog.variables(version=version))


@dataclass(frozen=True)
class ShownFile:
    """One file of an archive, as far as it can be shown."""

    path: str
    lines: list[str]
    binary: bool
    note: str = ""


def archive(version: TemplateVersion) -> Mapping[str, bytes]:
    """The files of a version that was read before; empty when its archive is gone or unreadable."""
    try:
        file = catalog.version_archive_file(version)
        return read_archive(bytes(file.data), file.mimetype)
    except (NotFound, ArchiveError):
        return {}


def shown_file(files: Mapping[str, bytes], path: str) -> ShownFile | None:
    """The file at `path`, or the first that a reader wants: main.tf, then any .tf, then the first."""
    if path and path not in files:
        raise NotFound
    if not files:
        return None
    chosen = path or min(
        files, key=lambda name: (name != "main.tf", not name.endswith(".tf"), name.count("/"), name)
    )
    content = files[chosen]
    try:
        text = content[:LARGEST_SHOWN].decode(
            "utf-8", errors="ignore" if len(content) > LARGEST_SHOWN else "strict"
        )
    except UnicodeDecodeError:
        return ShownFile(chosen, [], True, f"{len(content):,} bytes that are not UTF-8 text.")
    if "\0" in text:
        return ShownFile(chosen, [], True, f"{len(content):,} bytes of binary data.")
    note = f"The first {LARGEST_SHOWN:,} of {len(content):,} bytes." if len(content) > LARGEST_SHOWN else ""
    return ShownFile(chosen, text.splitlines(), False, note)


def organizations_for_upload(viewer: Subject) -> list[Organization]:
    """Organizations in which the viewer may create templates."""
    rows = Organization.objects.live().visible_to(viewer).order_by("name")
    return [
        row
        for row in rows
        if allowed(viewer, Action.CREATE, RbacObject(ResourceType.TEMPLATE, org=str(row.pk)))
    ]
