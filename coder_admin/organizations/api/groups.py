"""Groups of organizations."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import NotFound

from .. import selectors, services
from ..models import Group
from .base import IdentityView
from .serializers import GroupDetailOut, GroupIn, GroupOut, GroupPatch, ReducedUserOut

SHOWN_MEMBERS = 100


class GroupsView(IdentityView):
    """Groups of every organization, or of the one that the address names."""

    @extend_schema(responses={200: GroupOut(many=True)})
    def get(self, request: Request, organization: str = "") -> Response:
        where = self.organization(organization) if organization else None
        page = self.page(
            "groups", selectors.groups(self.actor, where), lambda found: GroupOut(found, many=True).data
        )
        return Response(page["groups"])


class OrganizationGroupsView(GroupsView):
    """The same, and the making of a group."""

    @extend_schema(request=GroupIn, responses={201: GroupDetailOut})
    def post(self, request: Request, organization: str) -> Response:
        row = self.organization(organization)
        group = services.group_create(self.actor, organization=row, **self.parse(GroupIn))
        return Response(_detail(self, group), status=201)


class NamedGroupView(IdentityView):
    """A group by its name in an organization."""

    @extend_schema(responses={200: GroupDetailOut})
    def get(self, request: Request, organization: str, name: str) -> Response:
        rows = selectors.groups(self.actor, self.organization(organization))
        group = rows.filter(name__iexact=name).first()
        if group is None:
            raise NotFound
        return Response(_detail(self, group))


class GroupView(IdentityView):
    """One group with its people."""

    @extend_schema(responses={200: GroupDetailOut})
    def get(self, request: Request, group: UUID) -> Response:
        return Response(_detail(self, selectors.group(self.actor, group)))

    @extend_schema(request=GroupPatch, responses={200: GroupDetailOut})
    def patch(self, request: Request, group: UUID) -> Response:
        row = selectors.group(self.actor, group)
        data = self.parse(GroupPatch)
        people = {
            key: [self.user(text) for text in data.pop(key, [])] for key in ("add_users", "remove_users")
        }
        services.group_update(self.actor, group=row, **people, **data)
        return Response(_detail(self, row))

    @extend_schema(responses={200: None})
    def delete(self, request: Request, group: UUID) -> Response:
        services.group_delete(self.actor, group=selectors.group(self.actor, group))
        return Response({"message": "Successfully deleted group!"})


def _detail(view: IdentityView, group: Group) -> dict[str, object]:
    people = selectors.group_people(view.actor, group)
    return {
        **GroupOut(group).data,
        "members": ReducedUserOut(people[:SHOWN_MEMBERS], many=True).data,
        "total_member_count": people.count(),
    }
