"""Querysets of users, organizations, members and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db import models

if TYPE_CHECKING:
    from .models import User


class UserQuerySet(models.QuerySet["User"]):
    """Users; system users show only where they are asked for."""

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
    def live(self) -> OrganizationQuerySet:
        """Not deleted."""
        return self.filter(deleted=False)


class MemberQuerySet(models.QuerySet["OrganizationMember"]):
    def people(self) -> MemberQuerySet:
        """Memberships of live users that are no system users."""
        return self.filter(user__is_system=False, user__deleted=False)


class GroupQuerySet(models.QuerySet["Group"]):
    """Groups of organizations."""
