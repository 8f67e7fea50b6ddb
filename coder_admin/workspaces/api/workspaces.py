"""`/workspaces`, and the routes that name a workspace by its owner and name."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.catalog.selectors import template_get
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.organizations.logins import request_login
from coder_admin.organizations.models import User
from coder_admin.organizations.resolution import (
    resolve_member,
    resolve_members,
    resolve_organization,
    resolve_user,
)
from rbac.django import require
from rbac.model import Action, Subject
from rbac.rest import ApiView

from .. import selectors, services, sharing
from ..quota import quota_of
from ..search import parse_query
from ..services import WorkspaceSettings
from ..streams import AnyContent, data_stream, streamed
from .forms import CreateWorkspace, RenameWorkspace, ShareWorkspace, flag, optional_id, parameters_of
from .present import build_json, workspace_json, workspaces_json


class WorkspacesView(ApiView):
    """All workspaces that the caller may read."""

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="owner:me status:running name:dev template:web …"),
            OpenApiParameter("limit", int),
            OpenApiParameter("offset", int),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        query = parse_query(request.query_params.get("q", ""))
        rows = selectors.workspaces(viewer=self.actor, query=query, now=now)
        return Response(
            self.page("workspaces", rows.with_agents(), lambda items: workspaces_json(items, now))
        )


class WorkspaceView(ApiView):
    """One workspace."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        workspace = selectors.workspace_get(
            viewer=self.actor,
            workspace_id=workspace_id,
            include_deleted=flag(request.query_params, "include_deleted"),
        )
        return Response(workspace_json(workspace, timezone.now()))

    @extend_schema(request=RenameWorkspace, responses={204: None})
    def patch(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(RenameWorkspace)
        workspace = selectors.workspace_get(viewer=self.actor, workspace_id=workspace_id)
        services.workspace_rename(actor=self.actor, workspace=workspace, name=data["name"])
        return Response(status=204)


class WatchView(ApiView):
    """The workspace as server-sent events: now, and again at each change."""

    content_negotiation_class = AnyContent

    @extend_schema(responses={(200, "text/event-stream"): OpenApiTypes.STR})
    def get(self, request: Request, workspace_id: uuid.UUID) -> HttpResponseBase:
        def read(viewer: Subject) -> dict[str, Any]:
            workspace = selectors.workspace_get(
                viewer=viewer, workspace_id=workspace_id, include_deleted=True
            )
            return workspace_json(workspace, timezone.now())

        read(self.actor)  # a refusal is an ordinary answer, before the stream begins
        login = request_login(request)
        return streamed(data_stream(f"workspace:{workspace_id}", read, viewer_id=self.actor.id, login=login))


class AclView(ApiView):
    """With whom the workspace is shared."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        workspace = selectors.workspace_get(viewer=self.actor, workspace_id=workspace_id)
        return Response(sharing.workspace_acl(viewer=self.actor, workspace=workspace))

    @extend_schema(request=ShareWorkspace, responses={204: None})
    def patch(self, request: Request, workspace_id: uuid.UUID) -> Response:
        data = self.parse(ShareWorkspace)
        workspace = selectors.workspace_get(viewer=self.actor, workspace_id=workspace_id)
        sharing.workspace_acl_update(actor=self.actor, workspace=workspace, **data)
        return Response(status=204)


class OwnedWorkspaceView(ApiView):
    """`/users/{user}/workspace/{name}`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, user: str, name: str) -> Response:
        owner = resolve_members(self.actor, user, me=_me(request))
        workspace = selectors.workspace_by_name(
            viewer=self.actor,
            owner_id=owner.user_id,
            name=name,
            include_deleted=flag(request.query_params, "include_deleted"),
        )
        return Response(workspace_json(workspace, timezone.now()))


class OwnedBuildView(ApiView):
    """`/users/{user}/workspace/{name}/builds/{number}`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, user: str, name: str, number: int) -> Response:
        owner = resolve_members(self.actor, user, me=_me(request))
        build = selectors.build_by_number(viewer=self.actor, owner_id=owner.user_id, name=name, number=number)
        return Response(build_json(build, timezone.now()))


class CreateForMemberView(ApiView):
    """`/organizations/{organization}/members/{user}/workspaces`: needs no right to read the user."""

    @extend_schema(request=CreateWorkspace, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, organization: str, user: str) -> Response:
        org = resolve_organization(self.actor, organization)
        member = resolve_member(self.actor, org, user, me=_me(request))
        return _create(self, member.user, organization_id=org.id)


class CreateForUserView(ApiView):
    """`/users/{user}/workspaces`: the organization is the template's."""

    @extend_schema(request=CreateWorkspace, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, user: str) -> Response:
        return _create(self, resolve_user(self.actor, user, me=_me(request)), organization_id=None)


class AutofillView(ApiView):
    """`/users/{user}/autofill-parameters`: what the user last chose for a template, to begin a form with."""

    @extend_schema(
        operation_id="list_autofill_parameters",
        parameters=[OpenApiParameter("template_id", OpenApiTypes.UUID, required=True)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, user: str) -> Response:
        found = resolve_user(self.actor, user, me=_me(request))
        require(self.actor, Action.READ_PERSONAL, found)
        try:
            template_id = uuid.UUID(request.query_params.get("template_id", ""))
        except ValueError:
            raise Invalid(
                "The template is not named.",
                validations=[Validation("template_id", "Give the id of a template.")],
            ) from None
        template = template_get(viewer=self.actor, template_id=template_id)
        values = selectors.last_values(viewer=self.actor, template=template, owner_id=found.pk)
        return Response([{"name": name, "value": value} for name, value in sorted(values.items())])


class QuotaView(ApiView):
    """`/organizations/{organization}/members/{user}/workspace-quota`: used and allowed credits a day."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, organization: str, user: str) -> Response:
        return Response(_quota(self, request, organization, user))


class DefaultQuotaView(ApiView):
    """`/workspace-quota/{user}`: the same in the default organization, under the older address."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, user: str) -> Response:
        return Response(_quota(self, request, "default", user))


def _quota(view: ApiView, request: Request, organization: str, user: str) -> dict[str, int]:
    """`budget` is -1 where no quota is enforced."""
    org = resolve_organization(view.actor, organization)
    member = resolve_member(view.actor, org, user, me=_me(request))
    found = quota_of(org.id, member.user_id)
    return {"credits_consumed": found.consumed, "budget": found.allowance}


def _create(view: ApiView, owner: User, *, organization_id: uuid.UUID | None) -> Response:
    data: dict[str, Any] = view.parse(CreateWorkspace)
    source = selectors.creation_source(
        viewer=view.actor,
        template_id=optional_id(data, "template_id"),
        version_id=optional_id(data, "template_version_id"),
        organization_id=organization_id,
    )
    created = services.workspace_create(
        actor=view.actor,
        owner=owner,
        organization=source.organization,
        name=data["name"],
        template=source.template,
        version=source.version,
        parameters=parameters_of(data),
        preset_id=optional_id(data, "template_version_preset_id"),
        settings=WorkspaceSettings(
            autostart_schedule=data.get("autostart_schedule") or "",
            ttl_ms=data.get("ttl_ms"),
            automatic_updates=data.get("automatic_updates") or "never",
        ),
    )
    workspace = selectors.workspace_get(viewer=view.actor, workspace_id=created.id)
    return Response(workspace_json(workspace, timezone.now()), status=201)


def _me(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None
