"""An organization, its people, and clients that are logged in as them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from coder_admin.organizations.models import Organization, User

from .factories import make_organization, make_user


@pytest.fixture(autouse=True)
def _no_throttle_left() -> None:
    cache.clear()


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization()


@pytest.fixture
def admin(organization: Organization) -> User:
    """Template admin of the organization."""
    return make_user(organization, org_roles=["organization-template-admin"])


@pytest.fixture
def member(organization: Organization) -> User:
    return make_user(organization)


@pytest.fixture
def stranger(db: None) -> User:
    """A member of another organization."""
    return make_user(make_organization())


@pytest.fixture
def login() -> Callable[[User], APIClient]:
    def client_of(user: User) -> APIClient:
        client = APIClient()
        client.force_login(User.objects.get(pk=user.pk))
        return client

    return client_of
