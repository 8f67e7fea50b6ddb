"""A deployment with something of everything, and clients who are signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from coder_admin.organizations.models import User

from .world import World, world


@pytest.fixture
def here(db: None) -> World:
    return world()


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    def make(user: User) -> Client:
        client = Client(HTTP_HOST="localhost")
        client.force_login(user)
        return client

    return make


@pytest.fixture(autouse=True)
def _no_failed_sign_ins() -> None:
    """The throttle counts in the cache, which outlives a test."""
    cache.clear()
