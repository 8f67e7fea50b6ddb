"""Somebody must be able to administer the deployment: the last owner stays one."""

from __future__ import annotations

from rbac.roles import OWNER

from .choices import UserStatus
from .models import User


def is_last_owner(user: User) -> bool:
    """Whether `user` is an owner and nobody else who may log in is one."""
    if OWNER not in user.rbac_roles:
        return False
    others = User.objects.people().exclude(pk=user.pk).exclude(status=UserStatus.SUSPENDED)
    return not others.filter(rbac_roles__icontains=f'"{OWNER}"').exists()
