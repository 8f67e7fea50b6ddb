"""This room's part of `/api/v2`."""

from __future__ import annotations

from django.urls import path

from .api import groups, idp, organizations, sessions, users
from .choices import UserStatus

_SYNC = "organizations/<str:organization>/settings/idpsync"

urlpatterns = [
    path("users/first", sessions.FirstUserView.as_view()),
    path("users/login", sessions.LoginView.as_view()),
    path("users/logout", sessions.LogoutView.as_view()),
    path("users/authmethods", sessions.AuthMethodsView.as_view()),
    path("users/roles", users.SiteRolesView.as_view()),
    path("users", users.UsersView.as_view()),
    path("users/<str:user>", users.UserView.as_view()),
    path("users/<str:user>/profile", users.ProfileView.as_view()),
    path("users/<str:user>/appearance", users.AppearanceView.as_view()),
    path("users/<str:user>/password", users.PasswordView.as_view()),
    path("users/<str:user>/status/suspend", users.StatusView.as_view(status=UserStatus.SUSPENDED)),
    path("users/<str:user>/status/activate", users.StatusView.as_view(status=UserStatus.ACTIVE)),
    path("users/<str:user>/roles", users.UserRolesView.as_view()),
    path("users/<str:user>/organizations", users.UserOrganizationsView.as_view()),
    path("users/<str:user>/organizations/<str:name>", users.UserOrganizationView.as_view()),
    path("users/<str:user>/keys", sessions.KeysView.as_view()),
    path("users/<str:user>/keys/tokens", sessions.TokensView.as_view()),
    path("users/<str:user>/keys/tokens/<str:name>", sessions.TokenView.as_view()),
    path("users/<str:user>/sessions", sessions.SessionsView.as_view()),
    path("users/<str:user>/sessions/<str:session>", sessions.SessionView.as_view()),
    path("users/<str:user>/keys/<str:key>", sessions.KeyView.as_view()),
    path("organizations", organizations.OrganizationsView.as_view()),
    path("organizations/<str:organization>", organizations.OrganizationView.as_view()),
    path("organizations/<str:organization>/members", organizations.MembersView.as_view()),
    path("organizations/<str:organization>/paginated-members", organizations.PaginatedMembersView.as_view()),
    path("organizations/<str:organization>/members/roles", organizations.OrganizationRolesView.as_view()),
    path("organizations/<str:organization>/members/roles/<str:role>", organizations.CustomRoleView.as_view()),
    path("organizations/<str:organization>/members/<str:user>", organizations.MemberView.as_view()),
    path(
        "organizations/<str:organization>/members/<str:user>/roles", organizations.MemberRolesView.as_view()
    ),
    path("organizations/<str:organization>/groups", groups.OrganizationGroupsView.as_view()),
    path("organizations/<str:organization>/groups/<str:name>", groups.NamedGroupView.as_view()),
    path("settings/idpsync/organization", idp.OrganizationSyncView.as_view()),
    path("settings/idpsync/organization/config", idp.OrganizationSyncConfigView.as_view()),
    path("settings/idpsync/organization/mapping", idp.OrganizationSyncMappingView.as_view()),
    path("settings/idpsync/available-fields", idp.ClaimFieldsView.as_view()),
    path("settings/idpsync/field-values", idp.ClaimValuesView.as_view()),
    path("settings/idpsync/dry-run", idp.DryRunView.as_view()),
    path(f"{_SYNC}/groups", idp.GroupSyncView.as_view()),
    path(f"{_SYNC}/groups/config", idp.GroupSyncConfigView.as_view()),
    path(f"{_SYNC}/groups/mapping", idp.GroupSyncMappingView.as_view()),
    path(f"{_SYNC}/roles", idp.RoleSyncView.as_view()),
    path(f"{_SYNC}/roles/config", idp.RoleSyncConfigView.as_view()),
    path(f"{_SYNC}/roles/mapping", idp.RoleSyncMappingView.as_view()),
    path(f"{_SYNC}/available-fields", idp.ClaimFieldsView.as_view()),
    path(f"{_SYNC}/field-values", idp.ClaimValuesView.as_view()),
    path(f"{_SYNC}/dry-run", idp.DryRunView.as_view()),
    path("groups", groups.GroupsView.as_view()),
    path("groups/<uuid:group>", groups.GroupView.as_view()),
]
