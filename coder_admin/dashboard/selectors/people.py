"""Members and groups for pages."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from coder_admin.foundation.search import parse_terms
from coder_admin.organizations.models import Group, GroupMember, OrganizationMember
from coder_admin.organizations.selectors import groups as readable_groups
from rbac.model import Subject

KEYS = frozenset({"status", "role", "name"})


def members(viewer: Subject, organization: str) -> QuerySet[OrganizationMember]:
    """Memberships of people that the viewer may read."""
    rows = OrganizationMember.objects.people().visible_to(viewer).filter(organization__deleted=False)
    if organization:
        rows = rows.filter(organization__name=organization)
    return rows.select_related("user", "organization").order_by("organization__name", "user__username")


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
