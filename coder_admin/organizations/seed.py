"""Rows that the deployment cannot be without: the default organization and the prebuilds user.

Made after every migration (and after a test database is flushed), idempotently.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group as AuthGroup
from django.db import transaction

from .choices import LoginType
from .models import (
    EVERYONE_GROUP_NAME,
    PREBUILDS_USER_ID,
    Group,
    Organization,
    User,
)

DEFAULT_ORGANIZATION_NAME = "coder"


def ensure_system_rows(**_signal: Any) -> None:
    """The default organization with its Everyone group, and the prebuilds user as its member."""
    from .services.members import insert_membership  # services use this module too

    with transaction.atomic():
        user, _ = User.objects.get_or_create(
            id=PREBUILDS_USER_ID,
            defaults={
                "username": "prebuilds",
                "name": "Prebuilds Owner",
                "email": "prebuilds@system",
                "password": "none",  # no hash: nothing ever matches it
                "login_type": LoginType.NONE,
                "is_system": True,
            },
        )
        organization = Organization.objects.filter(is_default=True).first()
        if organization is None:
            organization = Organization.objects.create(
                name=DEFAULT_ORGANIZATION_NAME, display_name="Coder", is_default=True
            )
        ensure_everyone_group(organization)
        insert_membership(organization, user)


def ensure_everyone_group(organization: Organization) -> Group:
    """The group of all members; its id is the organization's own."""
    existing: Group | None = Group.objects.filter(id=organization.id).first()
    if existing is not None:
        return existing
    auth_group, _ = AuthGroup.objects.get_or_create(name=str(organization.id))
    group: Group = Group.objects.create(
        id=organization.id, organization=organization, auth_group=auth_group, name=EVERYONE_GROUP_NAME
    )
    return group
