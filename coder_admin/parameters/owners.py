"""Loading the owner of a form or workspace (reference dynamic-parameters 1.5)."""

from __future__ import annotations

from uuid import UUID

from coder_admin.organizations.models import (
    EVERYONE_GROUP_NAME,
    Group,
    OrganizationMember,
    User,
)
from coder_admin.parameters.model import error
from coder_admin.parameters.owner import Owner
from rbac.django import may
from rbac.model import Action, Subject

OWNER_NOT_FOUND = error(
    "Failed to fetch workspace owner",
    "Please check your permissions or the user may not exist.",
    "owner_not_found",
)


class OwnerNotFoundError(Exception):
    """The user does not exist, or the viewer may not know them."""


def load_owner(*, viewer: Subject, user_id: UUID, organization_id: UUID) -> Owner:
    """The owner as templates of an organization see them, system users included; three queries.

    The viewer must be able to read the user or the user's membership in the organization; everything else
    is read on the server's account, because a template may need what the viewer cannot list.
    Raises OwnerNotFoundError.
    """
    user = User.objects.live().filter(pk=user_id).first()
    if user is None:
        raise OwnerNotFoundError
    return owner_of(user, viewer=viewer, organization_id=organization_id)


def owner_of(user: User, *, viewer: Subject, organization_id: UUID) -> Owner:
    """As `load_owner`, of a user that the caller has read; two queries. A deleted one is not found."""
    if user.deleted:
        raise OwnerNotFoundError
    membership = OrganizationMember.objects.filter(user=user, organization_id=organization_id).first()
    if not may(viewer, Action.READ, user) and (
        membership is None or not may(viewer, Action.READ, membership)
    ):
        raise OwnerNotFoundError
    groups = Group.objects.filter(organization_id=organization_id, members__user=user)
    names = set(groups.exclude(pk=organization_id).values_list("name", flat=True))
    roles = [(name, "") for name in ("member", *user.rbac_roles)]
    if membership is not None:
        names.add(EVERYONE_GROUP_NAME)
        roles += [(name, str(organization_id)) for name in ("organization-member", *membership.roles)]
    return Owner(
        id=str(user.id),
        name=user.username,
        full_name=user.name,
        email=user.email,
        groups=tuple(sorted(names)),
        login_type=user.login_type,
        rbac_roles=tuple(dict.fromkeys(roles)),
    )
