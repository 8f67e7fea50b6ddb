"""The first user of a deployment: made by whoever comes first in the browser, or by `up`."""

from __future__ import annotations

import secrets

from django.db import transaction

from coder_admin.foundation.errors import Conflict
from rbac.roles import OWNER
from rbac.subjects import SystemSubject, acting_as

from ..models import Organization, User
from .users import user_create

ADMIN_USERNAME = "admin"
ADMIN_EMAIL = "admin@example.com"


def first_user_exists() -> bool:
    """Whether any person has an account yet."""
    return bool(User.objects.people().exists())


@transaction.atomic
def first_user_create(*, username: str, email: str, password: str, name: str = "") -> User:
    """The first account: an owner, in the default organization. Conflict once there is one; of two that
    come at the same moment, one wins."""
    default = Organization.objects.select_for_update().get(is_default=True)
    if first_user_exists():
        raise Conflict("The initial user has already been created.", detail="Log in instead.")
    with acting_as(
        SystemSubject.SYSTEM_RESTRICTED, reason="nobody exists yet who could make the first user"
    ) as actor:
        return user_create(
            actor,
            username=username,
            email=email,
            password=password,
            name=name,
            organizations=[default],
            roles=[OWNER],
        )


def ensure_initial_admin(password: str | None) -> tuple[User | None, str | None]:
    """Called by `up`: makes the user `admin` when nobody exists yet.

    Returns `(user, password to print)`: with a given `password` nothing needs printing; else a random one
    is made, and this is the only time it is known. `(None, None)` when there already are people.
    """
    if first_user_exists():
        return None, None
    chosen = password or secrets.token_urlsafe(12)
    user = first_user_create(
        username=ADMIN_USERNAME, email=ADMIN_EMAIL, password=chosen, name="Administrator"
    )
    return user, None if password else chosen
