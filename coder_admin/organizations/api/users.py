"""Users: list, make, show, change, delete; their roles and organizations."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import NotFound

from .. import selectors, services
from ..choices import UserStatus
from ..models import User
from ..resolution import resolve_organization
from .base import IdentityView
from .serializers import (
    AppearanceIn,
    AssignableRoleOut,
    OrganizationOut,
    PasswordIn,
    ProfileIn,
    RolesIn,
    UserIn,
    UserOut,
    UserPage,
)


def present(user: User) -> dict[str, object]:
    """One user's JSON."""
    return dict(UserOut(user).data)


class UsersView(IdentityView):
    """Users the caller may read; `q` takes `status:`, `role:`, `login_type:` and words."""

    @extend_schema(responses={200: UserPage})
    def get(self, request: Request) -> Response:
        query = request.query_params
        rows = selectors.users(self.actor, query.get("q", ""), after_id=query.get("after_id", ""))
        return Response(self.page("users", rows, lambda users: UserOut(users, many=True).data))

    @extend_schema(request=UserIn, responses={201: UserOut})
    def post(self, request: Request) -> Response:
        data = self.parse(UserIn)
        named = data.get("organization_ids", ["default"])
        user = services.user_create(
            self.actor,
            username=data["username"],
            email=data["email"],
            name=data["name"],
            password=data.get("password") or None,
            login_type=data["login_type"],
            status=data["user_status"],
            organizations=[resolve_organization(self.actor, str(text)) for text in named],
        )
        return Response(present(user), status=201)


class UserView(IdentityView):
    """One user."""

    @extend_schema(responses={200: UserOut})
    def get(self, request: Request, user: str) -> Response:
        return Response(present(self.user(user)))

    @extend_schema(responses={200: None})
    def delete(self, request: Request, user: str) -> Response:
        services.user_delete(self.actor, user=self.user(user))
        return Response({"message": "User has been deleted!"})


class ProfileView(IdentityView):
    """Username and name."""

    @extend_schema(request=ProfileIn, responses={200: UserOut})
    def put(self, request: Request, user: str) -> Response:
        row = self.user(user)
        data = self.parse(ProfileIn)
        services.user_profile_update(
            self.actor, user=row, username=data["username"], name=data.get("name", row.name)
        )
        return Response(present(row))


class AppearanceView(IdentityView):
    """How the pages look to a user."""

    @extend_schema(request=AppearanceIn, responses={200: AppearanceIn})
    def put(self, request: Request, user: str) -> Response:
        theme = self.parse(AppearanceIn)["theme_preference"]
        services.user_appearance_set(self.actor, user=self.user(user), theme=theme)
        return Response({"theme_preference": theme})


class PasswordView(IdentityView):
    """A new password."""

    @extend_schema(request=PasswordIn, responses={204: None})
    def put(self, request: Request, user: str) -> Response:
        services.user_password_set(self.actor, user=self.user(user), **self.parse(PasswordIn))
        return Response(status=204)


class StatusView(IdentityView):
    """Suspend or activate; the address says which."""

    status = UserStatus.ACTIVE

    @extend_schema(request=None, responses={200: UserOut})
    def put(self, request: Request, user: str) -> Response:
        return Response(
            present(services.user_status_set(self.actor, user=self.user(user), status=self.status))
        )


class UserRolesView(IdentityView):
    """The site roles of a user, and their roles in organizations."""

    @extend_schema(responses={200: dict})
    def get(self, request: Request, user: str) -> Response:
        row = self.user(user)
        memberships = row.memberships.filter(organization__deleted=False).visible_to(self.actor)
        return Response(
            {
                "roles": row.rbac_roles,
                "organization_roles": {str(m.organization_id): m.roles for m in memberships},
            }
        )

    @extend_schema(request=RolesIn, responses={200: UserOut})
    def put(self, request: Request, user: str) -> Response:
        row = services.user_roles_set(self.actor, user=self.user(user), roles=self.parse(RolesIn)["roles"])
        return Response(present(row))


class SiteRolesView(IdentityView):
    """The site roles, with whether the caller may hand them out."""

    @extend_schema(responses={200: AssignableRoleOut(many=True)})
    def get(self, request: Request) -> Response:
        return Response(AssignableRoleOut(selectors.site_roles(self.actor), many=True).data)


class UserOrganizationsView(IdentityView):
    """The organizations of a user, as far as the caller may read them."""

    @extend_schema(responses={200: OrganizationOut(many=True)})
    def get(self, request: Request, user: str) -> Response:
        rows = selectors.organizations_of(self.actor, self.user(user))
        page = self.page("organizations", rows, lambda found: OrganizationOut(found, many=True).data)
        return Response(page["organizations"])


class UserOrganizationView(IdentityView):
    """One organization of a user, by name."""

    @extend_schema(responses={200: OrganizationOut})
    def get(self, request: Request, user: str, name: str) -> Response:
        found = selectors.organizations_of(self.actor, self.user(user)).filter(name__iexact=name).first()
        if found is None:
            raise NotFound
        return Response(OrganizationOut(found).data)
