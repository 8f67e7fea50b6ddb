"""Who is meant by "template admins": three different sets (reference 1.2)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from coder_admin.organizations.choices import UserStatus
from coder_admin.organizations.models import OrganizationMember, User

OWNER = "owner"
TEMPLATE_ADMIN = "template-admin"
USER_ADMIN = "user-admin"


def site_template_admins() -> list[uuid.UUID]:
    """Everybody with the site role template-admin, in whatever organization. Sorted by username."""
    return _holders({TEMPLATE_ADMIN})


def organization_template_admins(organization_id: uuid.UUID) -> list[uuid.UUID]:
    """Holders of the site role who are members of the organization. Sorted by username."""
    members = set(
        OrganizationMember.objects.filter(organization_id=organization_id).values_list("user_id", flat=True)
    )
    return [user_id for user_id in site_template_admins() if user_id in members]


def owners_and_template_admins(*, but_not: Iterable[uuid.UUID] = ()) -> list[uuid.UUID]:
    """Site owners and template-admins without those who began the matter themselves."""
    excluded = set(but_not)
    return [user_id for user_id in _holders({OWNER, TEMPLATE_ADMIN}) if user_id not in excluded]


def owners_and_user_admins() -> list[uuid.UUID]:
    """Site owners and user-admins. Sorted by username."""
    return _holders({OWNER, USER_ADMIN})


def or_owners(recipients: list[uuid.UUID]) -> list[uuid.UUID]:
    """These, or the site owners where there is nobody: a deployment with a single administrator must not
    fail unheard."""
    return recipients or _holders({OWNER})


def roles_of(user_ids: Iterable[str]) -> dict[str, list[str]]:
    """The site roles of those of these users who can be told anything: not suspended, not deleted."""
    rows = User.objects.people().exclude(status=UserStatus.SUSPENDED).filter(pk__in=set(user_ids))
    return {str(user_id): roles for user_id, roles in rows.values_list("id", "rbac_roles")}


def _holders(roles: set[str]) -> list[uuid.UUID]:
    """Role names lie in a JSON list, which SQLite cannot search; people with any role are few."""
    rows = User.objects.people().exclude(status=UserStatus.SUSPENDED).exclude(rbac_roles=[])
    return [
        user_id
        for user_id, held in rows.order_by("username").values_list("id", "rbac_roles")
        if roles.intersection(held)
    ]
