"""The rail: which pages a viewer is offered. What a page shows is decided again by the page."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed


@dataclass(frozen=True)
class Entry:
    """One link of the rail."""

    label: str
    icon: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class Section:
    """A group of links; the first has no title."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class _Place:
    label: str
    icon: str
    name: str
    prefixes: tuple[str, ...]
    asks: tuple[Action, ResourceType] | None = None
    site: bool = False


_MAIN = (
    _Place("Overview", "overview", "dashboard:overview", ()),
    _Place("Workspaces", "workspaces", "dashboard:workspaces", ("/workspaces", "/@")),
    _Place("Templates", "templates", "dashboard:templates", ("/templates",)),
    _Place("Prebuilds", "prebuilds", "dashboard:prebuilds", ("/prebuilds",)),
)
_DEPLOYMENT = (
    _Place(
        "People", "people", "dashboard:people", ("/people",), (Action.READ, ResourceType.ORGANIZATION_MEMBER)
    ),
    _Place("Organizations", "organizations", "dashboard:organizations", ("/organizations",)),
    _Place(
        "Identity provider",
        "key",
        "dashboard:identity",
        ("/identity",),
        (Action.READ, ResourceType.IDPSYNC_SETTINGS),
        site=True,
    ),
    _Place("Audit", "audit", "dashboard:audit", ("/audit",), (Action.READ, ResourceType.AUDIT_LOG)),
    _Place(
        "Notifications",
        "bell",
        "dashboard:deliveries",
        ("/deployment/notifications",),
        (Action.READ, ResourceType.NOTIFICATION_MESSAGE),
    ),
    _Place(
        "Provisioner jobs",
        "jobs",
        "dashboard:jobs",
        ("/provisioner-jobs",),
        (Action.READ, ResourceType.PROVISIONER_JOBS),
    ),
)


def _offered(viewer: Subject, place: _Place) -> bool:
    """Whether the viewer may do what the page is for, somewhere: on the site or in an organization."""
    if place.asks is None:
        return True
    action, type_ = place.asks
    return allowed(viewer, action, RbacObject(type_, any_org=not place.site))


def _entry(place: _Place, path: str, query: str) -> Entry:
    url = reverse(place.name)
    current = path == url or any(path.startswith(prefix) for prefix in place.prefixes)
    return Entry(place.label, place.icon, url + query, current)


def sections(
    viewer: Subject, path: str, *, organization: str = "", admin: bool = False
) -> tuple[Section, ...]:
    """The rail for `viewer` on the page at `path`; list pages keep the chosen organization."""
    if not viewer.id:
        return ()
    query = f"?organization={organization}" if organization else ""
    main = tuple(_entry(place, path, query) for place in _MAIN if _offered(viewer, place))
    below = tuple(_entry(place, path, "") for place in _DEPLOYMENT if _offered(viewer, place))
    if admin:
        url = reverse("admin:index")
        below += (Entry("Administration", "deployment", url, path.startswith(url)),)
    return tuple(section for section in (Section("", main), Section("Deployment", below)) if section.entries)
