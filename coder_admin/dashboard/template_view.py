"""Templates and versions as pages show them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.provisioning.choices import JobStatus


@dataclass(frozen=True)
class TemplateView:
    """One template with its addresses and counts."""

    row: Template
    version_count: int = 0
    workspace_count: int = 0
    preset_count: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.row, name)

    @property
    def _place(self) -> tuple[str, str]:
        return self.row.organization.name, self.row.name

    @property
    def url(self) -> str:
        return reverse("dashboard:template", args=self._place)

    @property
    def create_url(self) -> str:
        return reverse("dashboard:workspace-new", args=self._place)

    @property
    def versions_url(self) -> str:
        return reverse("dashboard:versions", args=self._place)

    @property
    def active_version_url(self) -> str:
        version = self.row.active_version
        return reverse("dashboard:version", args=(*self._place, version.name)) if version else ""


@dataclass(frozen=True)
class VersionView:
    """One version with its address and state."""

    row: TemplateVersion
    template: Template

    def __getattr__(self, name: str) -> object:
        return getattr(self.row, name)

    @property
    def state(self) -> str:
        """A key of the `version` looks: the import's state until it has succeeded, then active or not."""
        return version_state(self.row, self.template)

    @property
    def url(self) -> str:
        return reverse(
            "dashboard:version", args=(self.template.organization.name, self.template.name, self.row.name)
        )

    @property
    def preview_url(self) -> str:
        return reverse(
            "dashboard:version-preview",
            args=(self.template.organization.name, self.template.name, self.row.name),
        )

    @property
    def files_url(self) -> str:
        return reverse(
            "dashboard:version-files",
            args=(self.template.organization.name, self.template.name, self.row.name),
        )


def version_state(version: TemplateVersion, template: Template) -> str:
    """What a version is to its template."""
    if version.job.job_status != JobStatus.SUCCEEDED:
        return str(version.job.job_status)
    if template.active_version_id == version.pk:
        return "active"
    return "archived" if version.archived else "ready"


def template_sentence(view: TemplateView) -> str:
    """How a template is, in one sentence."""
    row = view.row
    if row.deprecated:
        return "Deprecated: no new workspaces can be created from it."
    if row.active_version is None:
        return "No version is active yet, so no workspace can be created."
    if row.active_version.job.job_status != JobStatus.SUCCEEDED:
        return f"Its version {row.active_version.name} is {_import_state(row.active_version)}."
    return row.description or f"Version {row.active_version.name} is active."


def _import_state(version: TemplateVersion) -> str:
    return {
        "pending": "waiting to be imported",
        "running": "being imported",
        "failed": "not usable: its import failed",
        "canceled": "not usable: its import was canceled",
    }.get(version.job.job_status, str(version.job.job_status))


def version_sentence(version: TemplateVersion, template: Template) -> str:
    """How a version is, in one sentence."""
    state = version_state(version, template)
    if state == "active":
        return "New workspaces and pools use this version."
    if state == "ready":
        return "Imported. Make it active when it looks right."
    if state == "archived":
        return "Archived: it cannot be made active."
    return f"It is {_import_state(version)}."
