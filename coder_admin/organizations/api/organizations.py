"""Organizations, their members and roles."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from .. import selectors, services
from ..services.custom_roles import custom_role_create, custom_role_delete, custom_role_update
from .base import IdentityView
from .serializers import (
    AssignableRoleOut,
    CustomRoleIn,
    CustomRoleOut,
    MemberOut,
    MemberPage,
    OrganizationIn,
    OrganizationOut,
    OrganizationPatch,
    RolesIn,
)


class OrganizationsView(IdentityView):
    """Organizations the caller may read."""

    @extend_schema(responses={200: OrganizationOut(many=True)})
    def get(self, request: Request) -> Response:
        rows = selectors.organizations(self.actor)
        page = self.page("organizations", rows, lambda found: OrganizationOut(found, many=True).data)
        return Response(page["organizations"])

    @extend_schema(request=OrganizationIn, responses={201: OrganizationOut})
    def post(self, request: Request) -> Response:
        organization = services.organization_create(self.actor, **self.parse(OrganizationIn))
        return Response(OrganizationOut(organization).data, status=201)


class OrganizationView(IdentityView):
    """One organization."""

    @extend_schema(responses={200: OrganizationOut})
    def get(self, request: Request, organization: str) -> Response:
        return Response(OrganizationOut(self.organization(organization)).data)

    @extend_schema(request=OrganizationPatch, responses={200: OrganizationOut})
    def patch(self, request: Request, organization: str) -> Response:
        row = self.organization(organization)
        services.organization_update(self.actor, organization=row, **self.parse(OrganizationPatch))
        return Response(OrganizationOut(row).data)

    @extend_schema(responses={200: None})
    def delete(self, request: Request, organization: str) -> Response:
        services.organization_delete(self.actor, organization=self.organization(organization))
        return Response({"message": "Organization has been deleted."})


class MembersView(IdentityView):
    """The first page of the members, as a plain list (`paginated-members` tells the count too)."""

    @extend_schema(responses={200: MemberOut(many=True)})
    def get(self, request: Request, organization: str) -> Response:
        return Response(_members(self, organization)["members"])


class PaginatedMembersView(IdentityView):
    """Members with their count."""

    @extend_schema(responses={200: MemberPage})
    def get(self, request: Request, organization: str) -> Response:
        return Response(_members(self, organization))


def _members(view: IdentityView, organization: str) -> dict[str, object]:
    rows = selectors.members(view.actor, view.organization(organization))
    return view.page("members", rows, lambda found: MemberOut(found, many=True).data)


class MemberView(IdentityView):
    """Add, show and remove a member. Adding names a *user* (site-wide right to read users), the others a
    *member* (an organization's own admin can)."""

    @extend_schema(responses={200: MemberOut})
    def get(self, request: Request, organization: str, user: str) -> Response:
        return Response(MemberOut(self.member(organization, user)).data)

    @extend_schema(request=None, responses={200: MemberOut})
    def post(self, request: Request, organization: str, user: str) -> Response:
        row = self.organization(organization)
        member = services.member_add(self.actor, organization=row, user=self.user(user))
        return Response(MemberOut(member).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organization: str, user: str) -> Response:
        services.member_remove(self.actor, member=self.member(organization, user))
        return Response(status=204)


class MemberRolesView(IdentityView):
    """The roles of a member in the organization."""

    @extend_schema(request=RolesIn, responses={200: MemberOut})
    def put(self, request: Request, organization: str, user: str) -> Response:
        member = self.member(organization, user)
        services.member_roles_set(self.actor, member=member, roles=self.parse(RolesIn)["roles"])
        return Response(MemberOut(member).data)


class OrganizationRolesView(IdentityView):
    """The organization's roles, with whether the caller may hand them out."""

    @extend_schema(responses={200: AssignableRoleOut(many=True)})
    def get(self, request: Request, organization: str) -> Response:
        roles = selectors.organization_roles(self.actor, self.organization(organization))
        return Response(AssignableRoleOut(roles, many=True).data)

    @extend_schema(request=CustomRoleIn, responses={200: CustomRoleOut})
    def post(self, request: Request, organization: str) -> Response:
        row = self.organization(organization)
        role = custom_role_create(self.actor, organization=row, **self.parse(CustomRoleIn))
        return Response(CustomRoleOut(role).data)

    @extend_schema(request=CustomRoleIn, responses={200: CustomRoleOut})
    def put(self, request: Request, organization: str) -> Response:
        row = self.organization(organization)
        role = custom_role_update(self.actor, organization=row, **self.parse(CustomRoleIn))
        return Response(CustomRoleOut(role).data)


class CustomRoleView(IdentityView):
    """One role that the organization defined itself."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organization: str, role: str) -> Response:
        custom_role_delete(self.actor, organization=self.organization(organization), name=role)
        return Response(status=204)
