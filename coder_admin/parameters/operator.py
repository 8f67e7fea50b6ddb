"""In whose name a command on the server's console acts."""

from __future__ import annotations

from coder_admin.foundation.errors import Invalid
from coder_admin.organizations.models import User
from rbac.django import subject_for
from rbac.model import Subject


def operator(username: str = "") -> Subject:
    """The named user, or without a name the owner who was there first. Raises Invalid."""
    if username:
        user = User.objects.people().filter(username__iexact=username).first()
        if user is None:
            raise Invalid(f'There is no user "{username}".', detail="Name one with --user.")
        return subject_for(user)
    for user in User.objects.people().order_by("created_at", "username"):
        if "owner" in user.rbac_roles and user.is_active:
            return subject_for(user)
    raise Invalid("There is no owner yet.", detail="Start the application once, or name a user with --user.")
