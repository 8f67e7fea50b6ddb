"""People and organizations for tests, made by the real services, and HTTP clients that act as them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.test import APIClient

from coder_admin.organizations import services
from coder_admin.organizations.models import Organization, User
from rbac import Subject, SystemSubject, acting_as
from rbac.roles import OWNER

PASSWORD = "correct-horse-battery"


def person(
    username: str,
    *,
    roles: Sequence[str] = (),
    memberships: Mapping[Organization, Sequence[str]] | None = None,
) -> User:
    """A user with these site roles, member of these organizations with these roles there. Without
    `memberships` they belong to the default organization."""
    where = {default_organization(): ()} if memberships is None else memberships
    with acting_as(SystemSubject.SYSTEM_RESTRICTED, reason="a test needs a person") as actor:
        user = services.user_create(
            actor, username=username, email=f"{username}@example.com", password=PASSWORD, roles=roles
        )
        for organization, names in where.items():
            services.member_add(actor, organization=organization, user=user, roles=names)
    return user


def owner(username: str = "boss") -> User:
    """A person with the site role owner."""
    return person(username, roles=[OWNER])


def organization(name: str) -> Organization:
    """An organization nobody belongs to."""
    with acting_as(SystemSubject.SYSTEM_RESTRICTED, reason="a test needs an organization") as actor:
        return services.organization_create(actor, name=name)


def default_organization() -> Organization:
    return Organization.objects.get(is_default=True)


def subject(user: User) -> Subject:
    """The Subject of a fresh row of the user."""
    from rbac.django import subject_for

    return subject_for(User.objects.get(pk=user.pk))


def client(user: User | None = None) -> APIClient:
    """A program that carries a token of `user`, or nobody's client."""
    http = APIClient()
    if user is not None:
        _key, token = services.token_create(subject(user), user=user)
        http.credentials(HTTP_CODER_SESSION_TOKEN=token)
    return http


def token_of(user: User) -> str:
    """A fresh token of `user`."""
    _key, token = services.token_create(subject(user), user=user)
    return token


def json_of(response: Any) -> Any:
    """The body of an answer that must be JSON."""
    assert response["Content-Type"].startswith("application/json"), response.content
    return response.json()
