"""States of users and sources of groups."""

from django.db import models


class UserStatus(models.TextChoices):
    ACTIVE = "active"
    DORMANT = "dormant"
    SUSPENDED = "suspended"


class LoginType(models.TextChoices):
    PASSWORD = "password"  # noqa: S105 - the name of a login type
    OIDC = "oidc"
    GITHUB = "github"
    TOKEN = "token"  # noqa: S105 - the name of a login type
    NONE = "none"


class GroupSource(models.TextChoices):
    USER = "user"
    OIDC = "oidc"
