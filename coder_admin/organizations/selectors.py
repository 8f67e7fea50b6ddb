"""Reads: what a viewer may see of users, organizations, members, groups and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import CharField, Count, Prefetch, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from coder_admin.foundation.errors import Invalid, NotFound, Validation
from coder_admin.foundation.search import parse_terms
from rbac.django import may
from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.roles import DISPLAY_NAMES, IMPLIED_ROLES, ORG_ROLES, SITE_ROLES, may_hand_out

from .choices import LoginType, UserStatus
from .models import APIKey, BrowserSession, CustomRole, Group, Organization, OrganizationMember, User
from .resolution import as_uuid

_USER_KEYS = ("search", "status", "role", "login_type")


def users(
    viewer: Subject, query: str = "", *, after_id: str = "", include_system: bool = False
) -> QuerySet[User]:
    """Live users the viewer may read, by username; with `after_id` those behind that one. `query`: `status:`,
    `role:`, `login_type:` and words that are part of a name, username or e-mail. Memberships are fetched
    along."""
    rows = User.objects.live() if include_system else User.objects.people()
    terms = parse_terms(query, keys=_USER_KEYS, default="search")
    for words in terms.all("search"):
        rows = rows.filter(
            Q(username__icontains=words) | Q(email__icontains=words) | Q(name__icontains=words)
        )
    for key, allowed in (("status", UserStatus.values), ("login_type", LoginType.values)):
        wanted = [value.lower() for value in terms.all(key)]
        _refuse_unknown(key, wanted, allowed)
        if wanted:
            rows = rows.filter(**{f"{key}__in": wanted})
    roles = [value.lower() for value in terms.all("role")]
    _refuse_unknown("role", roles, SITE_ROLES)
    for role in set(roles) - IMPLIED_ROLES:
        # The stored list as text: SQLite has no containment test for JSON arrays.
        rows = rows.annotate(roles_text=Cast("rbac_roles", CharField())).filter(
            roles_text__contains=f'"{role}"'
        )
    rows = rows.visible_to(viewer)
    if after_id:
        before = User.objects.visible_to(viewer).filter(id=as_uuid(after_id)).first()
        if before is None:
            raise Invalid(
                "Query parameters have invalid values.",
                validations=[Validation("after_id", 'Query param "after_id" must be the id of a user.')],
            )
        rows = rows.filter(username__gt=before.username)
    return with_memberships(rows).order_by("username")


def with_memberships(rows: QuerySet[User]) -> QuerySet[User]:
    """The users with their memberships in live organizations, by one query more."""
    live = OrganizationMember.objects.filter(organization__deleted=False).order_by("created_at")
    return rows.prefetch_related(Prefetch("memberships", queryset=live, to_attr="live_memberships"))


def _refuse_unknown(key: str, values: list[str], allowed: tuple[str, ...] | list[str]) -> None:
    wrong = [value for value in values if value not in allowed]
    if wrong:
        raise Invalid(
            "Invalid search query.",
            validations=[
                Validation(key, f'"{value}" is not one of {", ".join(allowed)}.') for value in wrong
            ],
        )


def organizations(viewer: Subject) -> QuerySet[Organization]:
    """Live organizations the viewer may read, by name."""
    return Organization.objects.live().visible_to(viewer).order_by("name")


def organizations_of(viewer: Subject, user: User) -> QuerySet[Organization]:
    """Those of the viewer's visible organizations in which `user` is a member."""
    return organizations(viewer).filter(members__user=user)


def members(viewer: Subject, organization: Organization) -> QuerySet[OrganizationMember]:
    """Memberships of people in the organization that the viewer may read, by username."""
    return (
        OrganizationMember.objects.people()
        .filter(organization=organization)
        .visible_to(viewer)
        .select_related("user")
        .order_by("user__username")
    )


def groups(viewer: Subject, organization: Organization | None = None) -> QuerySet[Group]:
    """Groups the viewer may read (of one organization), with the count of their people."""
    rows = Group.objects.filter(organization__deleted=False)
    if organization is not None:
        rows = rows.filter(organization=organization)
    return _with_counts(rows.visible_to(viewer)).order_by("organization__name", "name")


def group(viewer: Subject, group_id: UUID) -> Group:
    """One group the viewer may read, else NotFound."""
    found = groups(viewer).filter(id=group_id).first()
    if found is None:
        raise NotFound
    return found


def _with_counts(rows: QuerySet[Group]) -> QuerySet[Group]:
    person = {"user__is_system": False, "user__deleted": False}
    listed = Q(**{f"members__{path}": value for path, value in person.items()})
    return rows.select_related("organization").annotate(listed_count=Count("members", filter=listed))


def group_people(viewer: Subject, group: Group) -> QuerySet[User]:
    """The people of a group: all members of the organization for Everyone, else those who were added. Who
    may not read other members sees only themselves."""
    rows = User.objects.people()
    if group.is_everyone:
        rows = rows.filter(memberships__organization_id=group.organization_id)
    else:
        rows = rows.filter(group_memberships__group=group)
    everybody = RbacObject(ResourceType.GROUP_MEMBER, org=str(group.organization_id))
    if not may(viewer, Action.READ, everybody):
        rows = rows.filter(id=as_uuid(viewer.id)) if viewer.id else rows.none()
    ordered: QuerySet[User] = rows.order_by("username")
    return ordered


@dataclass(frozen=True)
class AssignableRole:
    """A role as its chooser shows it; the permissions as JSON, of custom roles only."""

    name: str
    display_name: str
    organization_id: str
    assignable: bool
    built_in: bool
    organization_permissions: tuple[Mapping[str, object], ...] = ()
    site_permissions: tuple[Mapping[str, object], ...] = ()
    user_permissions: tuple[Mapping[str, object], ...] = ()


def site_roles(viewer: Subject) -> list[AssignableRole]:
    """The site roles, with whether the viewer may hand them out."""
    _require_read(viewer, RbacObject(ResourceType.ASSIGN_ROLE))
    may_assign = may(viewer, Action.ASSIGN, RbacObject(ResourceType.ASSIGN_ROLE))
    return [
        AssignableRole(name, DISPLAY_NAMES[name], "", may_assign and may_hand_out(viewer.roles, name), True)
        for name in SITE_ROLES
        if name not in IMPLIED_ROLES
    ]


def organization_roles(viewer: Subject, organization: Organization) -> list[AssignableRole]:
    """The built-in and custom roles of an organization, with whether the viewer may hand them out."""
    org = str(organization.id)
    obj = RbacObject(ResourceType.ASSIGN_ORG_ROLE, org=org)
    _require_read(viewer, obj)
    may_assign = may(viewer, Action.ASSIGN, obj)
    built_in = [(name, DISPLAY_NAMES[name], ()) for name in ORG_ROLES if name not in IMPLIED_ROLES]
    custom = [
        (row.name, row.display_name, tuple(row.organization_permissions))
        for row in CustomRole.objects.filter(organization=organization).order_by("name")
    ]
    return [
        AssignableRole(
            name=name,
            display_name=shown,
            organization_id=org,
            assignable=may_assign and may_hand_out(viewer.roles, name, org),
            built_in=name in ORG_ROLES,
            organization_permissions=permissions,
        )
        for name, shown, permissions in [*built_in, *custom]
    ]


def _require_read(viewer: Subject, obj: RbacObject) -> None:
    if not may(viewer, Action.READ, obj):
        raise NotFound


def tokens(viewer: Subject, user: User | None = None) -> QuerySet[APIKey]:
    """Live tokens (not sessions) the viewer may read, newest first."""
    rows = APIKey.objects.filter(login_type=LoginType.TOKEN, expires_at__gt=timezone.now())
    if user is not None:
        rows = rows.filter(user=user)
    return rows.visible_to(viewer).select_related("user").order_by("-created_at")


def api_key(viewer: Subject, user: User, *, key_id: str = "", name: str = "") -> APIKey:
    """One key of `user`, by id or by its token name; NotFound if absent or not readable."""
    lookup = {"id": key_id} if key_id else {"token_name": name}
    found = APIKey.objects.select_related("user").filter(user=user, **lookup).visible_to(viewer).first()
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class Session:
    """A login that is not over: a browser's session, or a program's session key. Never the credential."""

    id: str
    kind: str
    ip_address: str | None
    user_agent: str
    created_at: datetime
    last_seen_at: datetime | None
    expires_at: datetime
    current: bool


MAXIMUM_SESSIONS = 200


def sessions(viewer: Subject, user: User, *, current: str = "") -> list[Session]:
    """The logins of `user` that the viewer may see, the newest use first. `current` is the id of the login
    that asks. NotFound when the viewer may not see credentials of this user."""
    _require_read(viewer, RbacObject(ResourceType.API_KEY, owner=str(user.id)))
    now = timezone.now()
    browsers = BrowserSession.objects.filter(user=user, expire_date__gt=now).order_by("-last_seen_at")
    keys = APIKey.objects.filter(user=user, expires_at__gt=now).exclude(login_type=LoginType.TOKEN)
    found = [
        Session(
            id=str(row.public_id),
            kind="browser",
            ip_address=row.ip_address,
            user_agent=row.user_agent,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expire_date,
            current=str(row.public_id) == current,
        )
        for row in browsers[:MAXIMUM_SESSIONS]
    ]
    found += [
        Session(
            id=key.id,
            kind="key",
            ip_address=key.ip_address,
            user_agent="",
            created_at=key.created_at,
            last_seen_at=key.last_used,
            expires_at=key.expires_at,
            current=key.id == current,
        )
        for key in keys[:MAXIMUM_SESSIONS]
    ]
    return sorted(found, key=lambda one: (one.current, one.last_seen_at or one.created_at), reverse=True)


def public_session_id(session_key: str | None) -> str:
    """The id by which the browser session of that key is named, or the empty text."""
    if not session_key:
        return ""
    found = BrowserSession.objects.filter(pk=session_key).values_list("public_id", flat=True).first()
    return str(found) if found else ""
