"""Writes of users, organizations, members, groups, roles and tokens: one function, one transaction, one
audited fact."""

from .api_keys import api_key_create, api_key_delete, authenticate_token, token_create
from .bootstrap import ensure_initial_admin, first_user_create, first_user_exists
from .groups import group_create, group_delete, group_update
from .members import insert_membership, member_add, member_remove, member_roles_set
from .organizations import organization_create, organization_delete, organization_update
from .sessions import check_login, login, logout, session_end, sessions_end_others
from .users import (
    user_appearance_set,
    user_create,
    user_delete,
    user_password_set,
    user_profile_update,
    user_roles_set,
    user_status_set,
)

__all__ = [
    "api_key_create",
    "api_key_delete",
    "authenticate_token",
    "check_login",
    "ensure_initial_admin",
    "first_user_create",
    "first_user_exists",
    "group_create",
    "group_delete",
    "group_update",
    "insert_membership",
    "login",
    "logout",
    "member_add",
    "member_remove",
    "member_roles_set",
    "organization_create",
    "organization_delete",
    "organization_update",
    "session_end",
    "sessions_end_others",
    "token_create",
    "user_appearance_set",
    "user_create",
    "user_delete",
    "user_password_set",
    "user_profile_update",
    "user_roles_set",
    "user_status_set",
]
