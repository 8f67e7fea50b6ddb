"""What every page's shell needs; each part is asked of the database only when a template draws it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from coder_admin.organizations.models import Organization
from rbac.django import subject_for
from rbac.model import Subject

from .middleware import THEMES
from .navigation import Section, sections
from .selectors import shell as selectors

MAX_ORGANIZATIONS = 50


@dataclass(frozen=True)
class OrganizationChoice:
    """One line of the organization picker: `url` narrows the current list to it."""

    name: str
    label: str
    url: str
    current: bool


class Shell:
    """The frame around a page, for one request."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.version = settings.VERSION

    @property
    def signed_in(self) -> bool:
        """Whether there is somebody to draw a frame for."""
        user = getattr(self._request, "user", None)
        return bool(user and user.is_authenticated)

    @cached_property
    def viewer(self) -> Subject:
        """What the policy knows of the reader."""
        return subject_for(getattr(self._request, "user", None))

    @property
    def theme(self) -> str:
        """`light` or `dark` when chosen; empty: as the system says."""
        chosen = self._request.COOKIES.get("theme", "")
        return chosen if chosen in THEMES else ""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The rail."""
        return sections(
            self.viewer,
            self._request.path,
            organization=self.organization.name if self.organization else "",
            admin=self.signed_in and admin.site.has_permission(self._request),
        )

    @cached_property
    def _visible(self) -> list[Organization]:
        if not self.signed_in:
            return []
        return list(selectors.organizations(self.viewer)[:MAX_ORGANIZATIONS])

    @cached_property
    def organization(self) -> OrganizationChoice | None:
        """The organization that `?organization=` narrows this page to."""
        return next((choice for choice in self.organizations if choice.current), None)

    @cached_property
    def organizations(self) -> list[OrganizationChoice]:
        """What the picker offers; with a single organization there is nothing to pick."""
        if len(self._visible) < 2:
            return []
        chosen = self._request.GET.get("organization", "")
        return [
            OrganizationChoice(
                name=row.name,
                label=row.display_name or row.name,
                url=f"?organization={row.name}",
                current=row.name == chosen,
            )
            for row in self._visible
        ]

    @cached_property
    def unread(self) -> int:
        """Unread messages in the inbox."""
        return selectors.unread_count(self.viewer) if self.signed_in else 0

    @cached_property
    def paused(self) -> bool:
        """Whether the reconciliation of prebuilds is paused; told to everybody, since pools stand still."""
        return self.signed_in and selectors.prebuilds_paused()


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context processor: `shell`."""
    return {"shell": Shell(request)}
