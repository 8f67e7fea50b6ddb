"""The same people as the catalog's tests."""

from tests.catalog.conftest import _no_throttle_left, admin, login, member, organization, stranger

__all__ = ["_no_throttle_left", "admin", "login", "member", "organization", "stranger"]
