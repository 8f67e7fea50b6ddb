"""Querysets of users, organizations, members and groups; each knows what a subject may see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db import models
from django.db.models import Q

from rbac.filters import NOTHING, FieldMap, visible_q
from rbac.model import Action, ResourceType, Subject

if TYPE_CHECKING:
    # Named in the base classes below, as texts.
    from .models import APIKey, CustomRole, Group, Organization, OrganizationMember, User  # noqa: F401

USER_FIELDS = FieldMap(ResourceType.USER, owner="pk")
ORGANIZATION_FIELDS = FieldMap(ResourceType.ORGANIZATION, org="pk")
MEMBER_FIELDS = FieldMap(
    ResourceType.ORGANIZATION_MEMBER, id="user_id", org="organization_id", owner="user_id"
)
GROUP_FIELDS = FieldMap(
    ResourceType.GROUP,
    org="organization_id",
    # A group's members may read it (section 1.2); Everyone's id is its organization's.
    group_acl=lambda groups, action: Q(pk__in=sorted(groups)) if action is Action.READ else NOTHING,
)
CUSTOM_ROLE_FIELDS = FieldMap(ResourceType.ASSIGN_ORG_ROLE, org="organization_id")
API_KEY_FIELDS = FieldMap(ResourceType.API_KEY, owner="user_id")


class UserQuerySet(models.QuerySet["User"]):
    """Users; system users show only where they are asked for."""

    def visible_to(self, actor: Subject, action: Action = Action.READ) -> UserQuerySet:
        """The rows on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, USER_FIELDS))

    def live(self) -> UserQuerySet:
        """Not deleted."""
        return self.filter(deleted=False)

    def people(self) -> UserQuerySet:
        """Not deleted and no system user."""
        return self.live().filter(is_system=False)


class UserManager(BaseUserManager.from_queryset(UserQuerySet)["User"]):  # type: ignore[misc]
    """Finds users by name or e-mail, ignoring case and the deleted."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The live user of that username or e-mail. Raises ``User.DoesNotExist``."""
        name = username or ""
        field = "email__iexact" if "@" in name else "username__iexact"
        user: User = self.live().get(**{field: name})
        return user

    def create_user(self, username: str, email: str, password: str | None = None, **fields: Any) -> User:
        """A new row with a hashed password; services use it, nobody else."""
        user: User = self.model(username=username, email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> OrganizationQuerySet:
        """The rows on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, ORGANIZATION_FIELDS))

    def live(self) -> OrganizationQuerySet:
        """Not deleted."""
        return self.filter(deleted=False)


class MemberQuerySet(models.QuerySet["OrganizationMember"]):
    def visible_to(self, actor: Subject, action: Action = Action.READ) -> MemberQuerySet:
        """The rows on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, MEMBER_FIELDS))

    def people(self) -> MemberQuerySet:
        """Memberships of live users that are no system users."""
        return self.filter(user__is_system=False, user__deleted=False)


class GroupQuerySet(models.QuerySet["Group"]):
    """Groups of organizations."""

    def visible_to(self, actor: Subject, action: Action = Action.READ) -> GroupQuerySet:
        """The rows on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, GROUP_FIELDS))


class CustomRoleQuerySet(models.QuerySet["CustomRole"]):
    """Roles that organizations define themselves."""

    def visible_to(self, actor: Subject, action: Action = Action.READ) -> CustomRoleQuerySet:
        """The rows on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, CUSTOM_ROLE_FIELDS))


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    """Tokens."""

    def visible_to(self, actor: Subject, action: Action = Action.READ) -> APIKeyQuerySet:
        """The rows on which `actor` may do `action`."""
        return self.filter(visible_q(actor, action, API_KEY_FIELDS))
