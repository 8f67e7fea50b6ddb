"""Members and groups for pages."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from coder_admin.foundation.search import parse_terms
from coder_admin.organizations.models import (
    APIKey,
    BrowserSession,
    Group,
    GroupMember,
    Organization,
    OrganizationMember,
    User,
)
from coder_admin.organizations.selectors import groups as readable_groups
from coder_admin.organizations.selectors import organizations as readable_organizations
from rbac.model import Subject

KEYS = frozenset({"status", "role", "name"})


def members(
    viewer: Subject, organization: str, *, include_system: bool = False
) -> QuerySet[OrganizationMember]:
    """Memberships that the viewer may read: of people, or with those of system users."""
    rows = OrganizationMember.objects.visible_to(viewer).filter(
        organization__deleted=False, user__deleted=False
    )
    if not include_system:
        rows = rows.people()
    if organization:
        rows = rows.filter(organization__name=organization)
    return rows.select_related("user", "organization").order_by("organization__name", "user__username")


def usernames(viewer: Subject, most: int) -> list[str]:
    """Names of people whose membership the viewer may read, for suggestions."""
    rows = members(viewer, "").order_by("user__username")
    return list(rows.values_list("user__username", flat=True).distinct()[:most])


def matching(rows: QuerySet[OrganizationMember], text: str) -> QuerySet[OrganizationMember]:
    """The members that a filter text asks for. Raises Invalid."""
    terms = parse_terms(text, keys=KEYS, default="name")
    if word := terms.first("name"):
        rows = rows.filter(
            Q(user__username__icontains=word) | Q(user__name__icontains=word) | Q(user__email__icontains=word)
        )
    if status := terms.first("status"):
        rows = rows.filter(user__status__iexact=status)
    if role := terms.first("role"):
        # Roles are a JSON list of names; quotes keep "admin" from matching "user-admin".
        rows = rows.filter(Q(user__rbac_roles__icontains=f'"{role}"') | Q(roles__icontains=f'"{role}"'))
    return rows


def groups(viewer: Subject, organization: str) -> QuerySet[Group]:
    """Groups that the viewer may read, with the number of their people."""
    rows = readable_groups(viewer).filter(organization__deleted=False)
    if organization:
        rows = rows.filter(organization__name=organization)
    explicit = GroupMember.objects.filter(group=OuterRef("pk"), user__deleted=False)
    everyone = OrganizationMember.objects.people().filter(organization=OuterRef("pk"))
    return (
        rows.select_related("organization")
        .annotate(
            member_count=Coalesce(
                Subquery(_counted(explicit, "group")), Subquery(_counted(everyone, "organization")), 0
            )
        )
        .order_by("organization__name", "name")
    )


def _counted(rows: QuerySet[Any, Any], key: str) -> QuerySet[Any, Any]:
    counted: QuerySet[Any, Any] = rows.order_by().values(key).annotate(number=Count("pk")).values("number")
    return counted


CANDIDATES = 50
"""How many names a field suggests; more are found by typing."""


def organizations(viewer: Subject) -> QuerySet[Organization]:
    """Live organizations the viewer may read, with the number of their people."""
    counted = OrganizationMember.objects.people().filter(organization=OuterRef("pk"))
    return readable_organizations(viewer).annotate(
        member_count=Coalesce(Subquery(_counted(counted, "organization")), 0)
    )


def candidates(viewer: Subject, organization: Organization) -> QuerySet[User]:
    """Some people who could be added to the organization."""
    rows: QuerySet[User] = User.objects.people().visible_to(viewer)
    return rows.exclude(memberships__organization=organization).order_by("username")[:CANDIDATES]


def group_candidates(viewer: Subject, group: Group) -> QuerySet[OrganizationMember]:
    """Some members of the organization who could be added to the group."""
    rows = OrganizationMember.objects.people().visible_to(viewer)
    rows = rows.filter(organization=group.organization_id).exclude(user__group_memberships__group=group)
    return rows.select_related("user").order_by("user__username")[:CANDIDATES]


def role_counts(viewer: Subject, organization: Organization) -> dict[str, int]:
    """How many members, of those the viewer may see, hold each role of the organization."""
    counts: dict[str, int] = {}
    rows = OrganizationMember.objects.people().visible_to(viewer).filter(organization=organization)
    for names in rows.exclude(roles=[]).values_list("roles", flat=True).iterator():
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts


def memberships_of(viewer: Subject, user: User) -> QuerySet[OrganizationMember]:
    """The memberships of a user that the viewer may see."""
    rows = OrganizationMember.objects.filter(user=user, organization__deleted=False).visible_to(viewer)
    return rows.select_related("organization").order_by("organization__name")[:100]


def credential_counts(user: User) -> dict[str, int]:
    """How many tokens and logins of a user are alive; who may see the number is asked by the page."""
    now = timezone.now()
    keys = APIKey.objects.filter(user=user, expires_at__gt=now)
    browsers = BrowserSession.objects.filter(user=user, expire_date__gt=now).count()
    tokens = keys.filter(login_type="token").count()
    return {"tokens": tokens, "logins": browsers + keys.count() - tokens}
