"""Authorisation: who may do what on which object, decided in one place, denied by default."""

from rbac.model import (
    ANONYMOUS,
    PREBUILDS_USER_ID,
    SCOPE_ALL,
    Action,
    IllegalAction,
    Permission,
    RbacObject,
    ResourceType,
    Role,
    Scope,
    Subject,
)
from rbac.policy import Denied, allowed, authorize
from rbac.subjects import SystemSubject, acting_as

__all__ = [
    "ANONYMOUS",
    "PREBUILDS_USER_ID",
    "SCOPE_ALL",
    "Action",
    "Denied",
    "IllegalAction",
    "Permission",
    "RbacObject",
    "ResourceType",
    "Role",
    "Scope",
    "Subject",
    "SystemSubject",
    "acting_as",
    "allowed",
    "authorize",
]
