"""Reads of this room; each takes the viewer and shows only what the policy lets them see."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F, QuerySet

from coder_admin.files.models import File
from coder_admin.files.selectors import parse_id
from coder_admin.foundation.errors import Invalid, NotFound, Validation
from coder_admin.foundation.search import Terms, parse_terms
from coder_admin.provisioning.models import ProvisionerJob
from rbac.django import may
from rbac.model import Action, Subject

from .models import TEMPLATE_ACL, Template, TemplateVersion, TemplateVersionPreset, TemplateVersionVariable

SEARCH_KEYS = frozenset(
    {
        "deleted",
        "organization",
        "exact_name",
        "name",
        "ids",
        "deprecated",
        "has-ai-task",
        "author_id",
        "author",
    }
)
_YES = frozenset({"true", "1", "t"})


def templates(*, viewer: Subject, query: str = "", organization_id: UUID | None = None) -> QuerySet[Template]:
    """Templates that ``viewer`` may read and ``query`` matches (section 5, "Search"). Raises Invalid."""
    terms = parse_terms(query, keys=SEARCH_KEYS, default="name")
    rows = Template.objects.visible_to(viewer).select_related(
        "organization", "created_by", "active_version__job"
    )
    rows = rows.filter(deleted=_flag(terms, "deleted", default=False))
    if organization_id is not None:
        rows = rows.filter(organization_id=organization_id)
    if "deprecated" in terms:
        empty = {"deprecation_message": ""}
        rows = rows.exclude(**empty) if _flag(terms, "deprecated", default=True) else rows.filter(**empty)
    else:
        rows = rows.filter(deprecation_message="")
    return _matching(rows, terms, viewer).order_by("name", "id")


def _matching(rows: QuerySet[Template], terms: Terms, viewer: Subject) -> QuerySet[Template]:
    if organization := terms.first("organization"):
        by_id = _uuid(organization)
        rows = (
            rows.filter(organization_id=by_id)
            if by_id
            else rows.filter(organization__name__iexact=organization)
        )
    if name := terms.first("exact_name"):
        rows = rows.filter(name__iexact=name)
    if part := terms.first("name"):
        rows = rows.filter(name__icontains=part)
    if ids := terms.first("ids"):
        rows = rows.filter(pk__in=[parse_id(text, "ids") for text in ids.split(",")])
    if author_id := terms.first("author_id"):
        rows = rows.filter(created_by_id=parse_id(author_id, "author_id"))
    if author := terms.first("author"):
        me = author == "me"
        rows = (
            rows.filter(created_by_id=UUID(viewer.id))
            if me
            else rows.filter(created_by__username__iexact=author)
        )
    if "has-ai-task" in terms and _flag(terms, "has-ai-task", default=True):
        rows = rows.none()  # no version here declares one
    return rows


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _flag(terms: Terms, key: str, *, default: bool) -> bool:
    text = terms.first(key).lower()
    if text in ("", *_YES):
        return text in _YES or default
    if text in ("false", "0", "f"):
        return False
    raise Invalid("Invalid search query.", validations=[Validation("q", f'"{key}" must be true or false.')])


def template_get(*, viewer: Subject, template_id: str | UUID, deleted: bool = False) -> Template:
    """A template that ``viewer`` may read. Raises Invalid (no UUID), NotFound."""
    rows = Template.objects.visible_to(viewer).select_related(
        "organization", "created_by", "active_version__job"
    )
    template = rows.filter(pk=parse_id(template_id, "template"), deleted=deleted).first()
    if template is None:
        raise NotFound
    return template


def template_by_name(*, viewer: Subject, organization_id: UUID, name: str) -> Template:
    """A live template of an organization by its name, ignoring case. Raises NotFound."""
    rows = (
        Template.objects.live()
        .visible_to(viewer)
        .select_related("organization", "created_by", "active_version__job")
    )
    template = rows.filter(organization_id=organization_id, name__iexact=name).first()
    if template is None:
        raise NotFound
    return template


def versions(*, viewer: Subject, template: Template, archived: bool = False) -> QuerySet[TemplateVersion]:
    """A template's versions, newest first; archived ones only when asked for."""
    rows = TemplateVersion.objects.visible_to(viewer).filter(template=template)
    rows = rows if archived else rows.filter(archived=False)
    return rows.select_related("job", "job__worker", "created_by").order_by("-created_at", "-id")


def version_get(*, viewer: Subject, version_id: str | UUID) -> TemplateVersion:
    """A version that ``viewer`` may read, with its job and template. Raises Invalid (no UUID), NotFound."""
    rows = TemplateVersion.objects.visible_to(viewer)
    rows = rows.select_related("job", "job__worker", "created_by", "template", "organization")
    version = rows.filter(pk=parse_id(version_id, "templateversion")).first()
    if version is None:
        raise NotFound
    return version


def version_by_name(*, viewer: Subject, template: Template, name: str) -> TemplateVersion:
    """A template's version by its name, ignoring case. Raises NotFound."""
    version = versions(viewer=viewer, template=template, archived=True).filter(name__iexact=name).first()
    if version is None:
        raise NotFound
    return version


def version_before(*, viewer: Subject, version: TemplateVersion) -> TemplateVersion | None:
    """The version created before this one in the same template."""
    if version.template is None:
        return None
    rows = versions(viewer=viewer, template=version.template, archived=True)
    return rows.filter(created_at__lt=version.created_at).first()


def finished(version: TemplateVersion) -> TemplateVersion:
    """The version, once its import has ended; before that Invalid, as Coder answers."""
    if version.job.completed_at is None:
        raise Invalid("Job hasn't completed!", detail=f"The import is {version.job.job_status}.")
    return version


def presets(*, version: TemplateVersion) -> QuerySet[TemplateVersionPreset]:
    """A readable version's presets with their values and schedules, the default first, then by name."""
    rows = TemplateVersionPreset.objects.filter(template_version=version)
    return rows.prefetch_related("parameters", "schedules").order_by(F("is_default").desc(), "name")


def variables(*, version: TemplateVersion) -> QuerySet[TemplateVersionVariable]:
    """A readable version's variables; whoever shows them hides the sensitive values."""
    return TemplateVersionVariable.objects.filter(template_version=version)


def carried_over_values(version: TemplateVersion) -> dict[str, str]:
    """The values that the template's active version was given: they hold on unless given anew (4.1)."""
    if version.template is None or version.template.active_version_id in (None, version.id):
        return {}
    rows = TemplateVersionVariable.objects.filter(template_version_id=version.template.active_version_id)
    return dict(rows.exclude(value="").values_list("name", "value"))


def version_archive_file(version: TemplateVersion) -> File:
    """The file that a version was imported from. Raises NotFound when it has none."""
    file = File.objects.filter(pk=version.job.file_id).first() if version.job.file_id else None
    if file is None:
        raise NotFound("The version's files do not exist (any more).")
    return file


def may_read_file(viewer: Subject, file_id: UUID) -> bool:
    """Whether the viewer may update a template that uses the file: that opens the file, too (section 5)."""
    return TemplateVersion.objects.visible_to(viewer, Action.UPDATE).filter(job__file_id=file_id).exists()


def may_update(viewer: Subject, template: Template) -> bool:
    """Whether the viewer manages the template."""
    return may(viewer, Action.UPDATE, template)


def with_acl(rows: list[Template]) -> list[Template]:
    """The templates with their access lists read at once, so that asking about each costs nothing."""
    TEMPLATE_ACL.attach(rows)
    return rows


def import_purposes(jobs: Sequence[ProvisionerJob]) -> dict[UUID, dict[str, str]]:
    """What import jobs are for, by job, as job lists show it: one query."""
    rows = TemplateVersion.objects.filter(job__in=jobs).select_related("template")
    return {
        row.job_id: {
            "template_version_name": row.name,
            "template_id": str(row.template_id or ""),
            "template_name": row.template.name if row.template else "",
            "template_display_name": row.template.display_name if row.template else "",
            "template_icon": row.template.icon if row.template else "",
        }
        for row in rows
    }
