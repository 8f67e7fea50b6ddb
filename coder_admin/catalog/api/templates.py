"""Templates: lists, creation, settings, deletion, access lists."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.pagination import page_of
from coder_admin.organizations.resolution import resolve_organization
from rbac.rest import ApiView

from .. import access, selectors, services
from ..representations import template_body
from .serializers import CreateTemplate, UpdateAcl, UpdateTemplate

LIST_LIMIT = 100
_SEARCH = [
    OpenApiParameter("q", str, description="search, such as `name:docker deprecated:true`"),
    OpenApiParameter("limit", int),
    OpenApiParameter("offset", int),
]


def listed(view: ApiView, request: Request, **where: Any) -> Response:
    """One page of templates as an array; ``X-Total-Count`` holds the whole count."""
    rows = selectors.templates(viewer=view.actor, query=request.query_params.get("q", ""), **where)
    page = page_of(request.query_params, rows, default=LIST_LIMIT, maximum=LIST_LIMIT)
    return Response([template_body(row) for row in page.items], headers={"X-Total-Count": str(page.count)})


class TemplatesView(ApiView):
    @extend_schema(operation_id="list_templates", parameters=_SEARCH, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Templates of all organizations that the caller may see."""
        return listed(self, request)


class OrganizationTemplatesView(ApiView):
    @extend_schema(
        operation_id="list_organization_templates", parameters=_SEARCH, responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request, organization: str) -> Response:
        """Templates of one organization."""
        found = resolve_organization(self.actor, organization)
        return listed(self, request, organization_id=found.id)

    @extend_schema(
        operation_id="create_template", request=CreateTemplate, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, organization: str) -> Response:
        """Make an imported version a template."""
        found = resolve_organization(self.actor, organization)
        body = CreateTemplate(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.settings()
        version = selectors.version_get(viewer=self.actor, version_id=given.pop("template_version_id"))
        template = services.template_create(actor=self.actor, organization=found, version=version, **given)
        return Response(template_body(template), status=201)


class OrganizationTemplateView(ApiView):
    @extend_schema(operation_id="get_template_by_name", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, organization: str, name: str) -> Response:
        """A template by organization and name."""
        found = resolve_organization(self.actor, organization)
        return Response(
            template_body(selectors.template_by_name(viewer=self.actor, organization_id=found.id, name=name))
        )


class TemplateView(ApiView):
    @extend_schema(operation_id="get_template", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, template: str) -> Response:
        """One template."""
        return Response(template_body(selectors.template_get(viewer=self.actor, template_id=template)))

    @extend_schema(operation_id="update_template", request=UpdateTemplate, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, template: str) -> Response:
        """Change settings; 304 when nothing changes."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        body = UpdateTemplate(data=request.data)
        body.is_valid(raise_exception=True)
        updated, changed = services.template_update(actor=self.actor, template=found, **body.settings())
        if not changed:
            return Response(status=304)
        return Response(template_body(selectors.template_get(viewer=self.actor, template_id=updated.id)))

    @extend_schema(operation_id="delete_template", responses=OpenApiTypes.OBJECT)
    def delete(self, request: Request, template: str) -> Response:
        """Delete a template that no person's workspace uses."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        services.template_delete(actor=self.actor, template=found)
        return Response({"message": "Template has been deleted!"})


class AclView(ApiView):
    @extend_schema(operation_id="get_template_acl", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, template: str) -> Response:
        """Users and groups with a role on the template."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        return Response(access.acl_of(viewer=self.actor, template=found))

    @extend_schema(operation_id="update_template_acl", request=UpdateAcl, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, template: str) -> Response:
        """Give or take roles."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        body = UpdateAcl(data=request.data)
        body.is_valid(raise_exception=True)
        services.acl_update(actor=self.actor, template=found, **body.validated_data)
        return Response({"message": "Successfully updated template ACL list."})


class AclAvailableView(ApiView):
    @extend_schema(operation_id="get_template_acl_candidates", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, template: str) -> Response:
        """Users and groups that could be given a role."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        return Response(
            access.acl_candidates(viewer=self.actor, template=found, query=request.query_params.get("q", ""))
        )
