"""Addresses of these pages."""

from __future__ import annotations

from django.urls import path, register_converter

from coder_admin.dashboard.converters import UserNameConverter
from coder_admin.dashboard.people import account, groups, identity, members, organizations, roles, users

register_converter(UserNameConverter, "username")

_O = "organizations/<slug:organization>"
_U = "people/users/<username:user>"

urlpatterns = [
    path("account", account.profile, name="account"),
    path("account/tokens", account.tokens, name="account-tokens"),
    path("account/tokens/<str:key>/revoke", account.revoke, name="token-revoke"),
    path("account/sessions", account.sessions, name="account-sessions"),
    path("account/sessions/end", account.end_other_sessions, name="sessions-end"),
    path("account/sessions/<str:session>/end", account.end_session, name="session-end"),
    path("people/users", users.users, name="users"),
    path("people/users/new", users.new, name="user-new"),
    path(_U, users.detail, name="user"),
    path(f"{_U}/roles", users.set_roles, name="user-roles"),
    path(f"{_U}/status", users.set_status, name="user-status"),
    path(f"{_U}/password", users.set_password, name="user-password"),
    path(f"{_U}/sessions/end", users.end_sessions, name="user-sessions-end"),
    path(f"{_U}/delete", users.delete, name="user-delete"),
    path("organizations", organizations.organizations, name="organizations"),
    path("organizations/new", organizations.new, name="organization-new"),
    path(_O, organizations.detail, name="organization"),
    path(f"{_O}/delete", organizations.delete, name="organization-delete"),
    path(f"{_O}/members", members.members, name="organization-members"),
    path(f"{_O}/members/<username:user>", members.detail, name="member"),
    path(f"{_O}/members/<username:user>/remove", members.remove, name="member-remove"),
    path(f"{_O}/groups", groups.groups, name="organization-groups"),
    path(f"{_O}/groups/new", groups.new, name="group-new"),
    path(f"{_O}/groups/<uuid:group>", groups.detail, name="group"),
    path(f"{_O}/groups/<uuid:group>/add", groups.add, name="group-add"),
    path(f"{_O}/groups/<uuid:group>/remove", groups.remove, name="group-remove"),
    path(f"{_O}/groups/<uuid:group>/delete", groups.delete, name="group-delete"),
    path(f"{_O}/roles", roles.roles, name="organization-roles"),
    path(f"{_O}/roles/new", roles.new, name="role-new"),
    path(f"{_O}/roles/<str:role>", roles.detail, name="role"),
    path(f"{_O}/roles/<str:role>/delete", roles.delete, name="role-delete"),
    path(f"{_O}/identity", identity.organization_sync, name="organization-identity"),
    path("identity", identity.deployment_sync, name="identity"),
]
