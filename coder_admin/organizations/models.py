"""Users, organizations, members, groups and API keys.

Field names follow Coder's (reference/rbac-and-organizations.md sections 2 to 4).
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from rbac.model import RbacObject, ResourceType

from .choices import GroupSource, LoginType, UserStatus
from .managers import (
    APIKeyQuerySet,
    CustomRoleQuerySet,
    GroupQuerySet,
    MemberQuerySet,
    OrganizationQuerySet,
    UserManager,
)

PREBUILDS_USER_ID = uuid.UUID("c42fdf75-3097-471c-8c33-fb52454d81c0")
PREBUILDS_GROUP_NAME = "coderprebuiltworkspaces"
EVERYONE_GROUP_NAME = "Everyone"


class User(AbstractBaseUser, PermissionsMixin):
    """A person, or a system user that no person can log in as.

    Django's ``is_superuser`` opens nothing here: rights come from ``rbac_roles`` and memberships only.
    """

    rbac_type = ResourceType.USER
    rbac_name = ("username",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=32)
    name = models.CharField(max_length=128, blank=True)
    email = models.EmailField(max_length=254)
    avatar_url = models.CharField(max_length=512, blank=True)
    status = models.CharField(max_length=16, choices=UserStatus, default=UserStatus.ACTIVE)
    rbac_roles = models.JSONField(default=list, blank=True)
    login_type = models.CharField(max_length=16, choices=LoginType, default=LoginType.PASSWORD)
    is_system = models.BooleanField(default=False)
    deleted = models.BooleanField(default=False)
    theme_preference = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ("username",)
        constraints = (
            models.UniqueConstraint(
                Lower("username"), condition=Q(deleted=False), name="user_username_unique"
            ),
            models.UniqueConstraint(Lower("email"), condition=Q(deleted=False), name="user_email_unique"),
            models.CheckConstraint(condition=Q(status__in=UserStatus.values), name="user_status_known"),
            models.CheckConstraint(
                condition=Q(login_type__in=LoginType.values), name="user_login_type_known"
            ),
        )

    def __str__(self) -> str:
        return self.username

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """May log in: not suspended, not deleted, not a system user."""
        return self.status != UserStatus.SUSPENDED and not self.deleted and not self.is_system

    @property
    def is_superuser(self) -> bool:  # type: ignore[override]
        """Never: Django would ask nobody else. The column is dropped, so no flag opens anything."""
        return False

    @property
    def is_staff(self) -> bool:
        """Whether Django's admin may show itself; what it shows is the policy's business."""
        return self.is_active and bool(self.rbac_roles)

    @property
    def display_name(self) -> str:
        """The person's name, else the username."""
        return self.name or self.username

    def rbac_object(self) -> RbacObject:
        """``user``, owned by itself, in no organization (section 1.2)."""
        return RbacObject(ResourceType.USER, id=str(self.id), owner=str(self.id))


class UserLink(models.Model):
    """Which account of an identity provider a user logs in with, and what it said at the last login.

    The issuer is part of the link: a provider that calls somebody else by the same subject is no way in.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="link")
    issuer = models.CharField(max_length=512)
    subject = models.CharField(max_length=255)
    claims = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    last_login_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("issuer", "subject"), name="user_link_subject_unique"),
        )

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class BrowserSession(AbstractBaseSession):
    """A browser's session with whose it is and from where, so that it can be listed and ended.

    The session key is the credential itself and never leaves the database; `public_id` names the row.
    """

    rbac_type = ResourceType.API_KEY

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="browser_sessions")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=256, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """The engine that reads and writes these rows."""
        from .browser_sessions import SessionStore

        return SessionStore

    def rbac_object(self) -> RbacObject:
        """``api_key``, owned by its user: a session is a credential like a token."""
        return RbacObject(ResourceType.API_KEY, id=str(self.public_id), owner=str(self.user_id or ""))


class Organization(models.Model):
    """A tenant: templates, members and workspaces belong to exactly one."""

    rbac_type = ResourceType.ORGANIZATION
    rbac_name = ("name",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=32)
    display_name = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=1024, blank=True)
    icon = models.CharField(max_length=256, blank=True)
    is_default = models.BooleanField(default=False)
    deleted = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                Lower("name"), condition=Q(deleted=False), name="organization_name_unique"
            ),
            models.UniqueConstraint(
                "is_default", condition=Q(is_default=True), name="organization_one_default"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def rbac_object(self) -> RbacObject:
        """``organization``; its id is also its org (section 1.2)."""
        return RbacObject(ResourceType.ORGANIZATION, id=str(self.id), org=str(self.id))


class OrganizationMember(models.Model):
    """A user's membership, with the roles held there (without the implied ``organization-member``)."""

    rbac_type = ResourceType.ORGANIZATION_MEMBER
    rbac_name = ("organization__name", "user__username")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    roles = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = MemberQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("organization", "user"), name="organization_member_unique"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organization_id}"

    def rbac_object(self) -> RbacObject:
        """``organization_member``; id and owner are the user (section 1.2)."""
        return RbacObject(
            ResourceType.ORGANIZATION_MEMBER,
            id=str(self.user_id),
            org=str(self.organization_id),
            owner=str(self.user_id),
        )


class Group(models.Model):
    """A set of members. ``Everyone`` has its organization's own id and every member implicitly.

    ``auth_group`` is the same group as Django and guardian know it; the services keep both in step.
    """

    rbac_type = ResourceType.GROUP
    rbac_name = ("organization__name", "name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="groups")
    auth_group = models.OneToOneField(
        "auth.Group", on_delete=models.PROTECT, related_name="organization_group"
    )
    name = models.CharField(max_length=64)
    display_name = models.CharField(max_length=128, blank=True)
    avatar_url = models.CharField(max_length=512, blank=True)
    quota_allowance = models.PositiveIntegerField(default=0)
    source = models.CharField(max_length=8, choices=GroupSource, default=GroupSource.USER)
    created_at = models.DateTimeField(default=timezone.now)

    objects = GroupQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="group_name_unique"),
            models.CheckConstraint(condition=Q(source__in=GroupSource.values), name="group_source_known"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_everyone(self) -> bool:
        """Whether this is the group that every member belongs to."""
        return self.id == self.organization_id

    def rbac_object(self) -> RbacObject:
        """``group``; its own members may read it (section 1.2)."""
        return RbacObject(
            ResourceType.GROUP,
            id=str(self.id),
            org=str(self.organization_id),
            acl_groups={str(self.id): frozenset({"read"})},
        )


class GroupMember(models.Model):
    """A user's explicit membership in a group."""

    rbac_type = ResourceType.GROUP_MEMBER

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="group_memberships")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("group", "user"), name="group_member_unique"),)

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"

    def rbac_object(self) -> RbacObject:
        """``group_member``, owned by the user, in the group's organization."""
        return RbacObject(
            ResourceType.GROUP_MEMBER,
            id=str(self.user_id),
            org=str(self.group.organization_id),
            owner=str(self.user_id),
        )


class CustomRole(models.Model):
    """A role that an organization defines itself; permissions as ``{negate, resource_type, action}``."""

    rbac_type = ResourceType.ASSIGN_ORG_ROLE

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="custom_roles")
    name = models.CharField(max_length=64)
    display_name = models.CharField(max_length=128, blank=True)
    site_permissions = models.JSONField(default=list, blank=True)
    organization_permissions = models.JSONField(default=list, blank=True)
    user_permissions = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CustomRoleQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="custom_role_name_unique"),
        )

    def __str__(self) -> str:
        return self.name

    def rbac_object(self) -> RbacObject:
        """``assign_org_role`` in the organization."""
        return RbacObject(ResourceType.ASSIGN_ORG_ROLE, id=str(self.pk or ""), org=str(self.organization_id))


class APIKey(models.Model):
    """A secret by which a program acts as its user: a public id and the hash of the secret part."""

    rbac_type = ResourceType.API_KEY

    id = models.CharField(primary_key=True, max_length=16)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    hashed_secret = models.CharField(max_length=64)
    token_name = models.CharField(max_length=64, blank=True)
    login_type = models.CharField(max_length=16, choices=LoginType, default=LoginType.TOKEN)
    scope = models.CharField(max_length=32, default="all")
    lifetime_seconds = models.PositiveIntegerField()
    expires_at = models.DateTimeField()
    last_used = models.DateTimeField(null=True, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = APIKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("user", "token_name"), condition=~Q(token_name=""), name="api_key_token_name_unique"
            ),
        )

    def __str__(self) -> str:
        return self.id

    def rbac_object(self) -> RbacObject:
        """``api_key``, owned by its user."""
        return RbacObject(ResourceType.API_KEY, id=self.id, owner=str(self.user_id))
