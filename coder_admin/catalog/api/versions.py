"""Template versions: import, promotion, and what the import found."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.files.selectors import file_get
from coder_admin.foundation.pagination import page_of
from coder_admin.organizations.resolution import resolve_organization
from coder_admin.provisioning.selectors import job_logs, log_bounds, log_json
from coder_admin.provisioning.services import job_cancel
from rbac.django import require
from rbac.model import Action
from rbac.rest import ApiView

from .. import selectors, services
from ..models import TemplateVersion
from ..representations import preset_body, rich_parameter_body, variable_body, version_bodies, version_body
from .serializers import CreateVersion, PromoteVersion, UpdateVersion

LIST_LIMIT = 100
LOG_LIMIT = 5000


class CreateVersionView(ApiView):
    @extend_schema(
        operation_id="create_template_version", request=CreateVersion, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, organization: str) -> Response:
        """Import an uploaded archive as a version; the answer's job tells how it goes."""
        found = resolve_organization(self.actor, organization)
        body = CreateVersion(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        template_id = given.get("template_id")
        version = services.template_version_create(
            actor=self.actor,
            organization=found,
            file=file_get(viewer=self.actor, file_id=given["file_id"]),
            name=given.get("name", ""),
            message=given.get("message", ""),
            template=selectors.template_get(viewer=self.actor, template_id=template_id)
            if template_id
            else None,
            variables={item["name"]: item["value"] for item in given.get("user_variable_values", [])},
            tags=given.get("tags", {}),
        )
        return Response(version_body(version), status=201)


class TemplateVersionsView(ApiView):
    @extend_schema(
        operation_id="list_template_versions",
        parameters=[
            OpenApiParameter("include_archived", bool),
            OpenApiParameter("limit", int),
            OpenApiParameter("offset", int),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, template: str) -> Response:
        """Versions of a template, newest first."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        archived = request.query_params.get("include_archived", "") == "true"
        rows = selectors.versions(viewer=self.actor, template=found, archived=archived)
        page = page_of(request.query_params, rows, default=LIST_LIMIT, maximum=LIST_LIMIT)
        return Response(version_bodies(page.items), headers={"X-Total-Count": str(page.count)})

    @extend_schema(
        operation_id="promote_template_version", request=PromoteVersion, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, template: str) -> Response:
        """Make a version the active one."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        body = PromoteVersion(data=request.data)
        body.is_valid(raise_exception=True)
        version = selectors.version_get(viewer=self.actor, version_id=body.validated_data["id"])
        services.version_promote(actor=self.actor, template=found, version=version)
        return Response({"message": "Updated the active template version!"})


class TemplateVersionByNameView(ApiView):
    @extend_schema(operation_id="get_template_version_by_name", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, template: str, name: str) -> Response:
        """A version of a template by its name."""
        found = selectors.template_get(viewer=self.actor, template_id=template)
        return Response(version_body(selectors.version_by_name(viewer=self.actor, template=found, name=name)))


class OrganizationVersionView(ApiView):
    @extend_schema(operation_id="get_organization_template_version", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, organization: str, template: str, name: str) -> Response:
        """A version by organization, template and version name."""
        return Response(version_body(self.find(organization, template, name)))

    def find(self, organization: str, template: str, name: str) -> TemplateVersion:
        """The version that the address names. Raises NotFound."""
        found = resolve_organization(self.actor, organization)
        owner = selectors.template_by_name(viewer=self.actor, organization_id=found.id, name=template)
        return selectors.version_by_name(viewer=self.actor, template=owner, name=name)


class PreviousVersionView(OrganizationVersionView):
    @extend_schema(operation_id="get_previous_template_version", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, organization: str, template: str, name: str) -> Response:
        """The version before that one; 204 when it was the first."""
        version = self.find(organization, template, name)
        previous = selectors.version_before(viewer=self.actor, version=version)
        return Response(status=204) if previous is None else Response(version_body(previous))


class VersionView(ApiView):
    @extend_schema(operation_id="get_template_version", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str) -> Response:
        """One version."""
        return Response(version_body(selectors.version_get(viewer=self.actor, version_id=version)))

    @extend_schema(
        operation_id="update_template_version", request=UpdateVersion, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, version: str) -> Response:
        """Rename a version or change its message."""
        found = selectors.version_get(viewer=self.actor, version_id=version)
        body = UpdateVersion(data=request.data)
        body.is_valid(raise_exception=True)
        updated, _ = services.version_update(actor=self.actor, version=found, **body.validated_data)
        return Response(version_body(updated))


class CancelVersionView(ApiView):
    @extend_schema(operation_id="cancel_template_version", request=None, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, version: str) -> Response:
        """Cancel an import that has not ended."""
        found = selectors.version_get(viewer=self.actor, version_id=version)
        require(self.actor, Action.UPDATE, found)
        job_cancel(actor=self.actor, job_id=found.job_id)
        return Response({"message": "Job has been marked as canceled..."})


class ArchiveVersionView(ApiView):
    archive = True

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, version: str) -> Response:
        """Archive or unarchive a version."""
        found = selectors.version_get(viewer=self.actor, version_id=version)
        change = services.version_archive if self.archive else services.version_unarchive
        return Response(version_body(change(actor=self.actor, version=found)))


class _FoundView(ApiView):
    """What the import found: only after it has ended."""

    def version(self, version: str) -> TemplateVersion:
        return selectors.finished(selectors.version_get(viewer=self.actor, version_id=version))


class PresetsView(ApiView):
    @extend_schema(operation_id="list_template_version_presets", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str) -> Response:
        """Presets; the keys are capitalised."""
        found = selectors.version_get(viewer=self.actor, version_id=version)
        return Response([preset_body(preset) for preset in selectors.presets(version=found)])


class RichParametersView(_FoundView):
    @extend_schema(operation_id="list_template_version_rich_parameters", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str) -> Response:
        """Parameters as the import found them."""
        return Response([rich_parameter_body(row) for row in self.version(version).parameters.all()])


class VariablesView(_FoundView):
    @extend_schema(operation_id="list_template_version_variables", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str) -> Response:
        """Template variables; sensitive values are never shown."""
        found = self.version(version)
        return Response([variable_body(row) for row in selectors.variables(version=found)])


class ResourcesView(_FoundView):
    @extend_schema(operation_id="list_template_version_resources", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str) -> Response:
        """Resources that a start would create."""
        return Response(self.version(version).resources)


class ExternalAuthView(_FoundView):
    @extend_schema(operation_id="list_template_version_external_auth", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version: str) -> Response:
        """External authentication that the template asks for."""
        return Response([{"id": name} for name in self.version(version).external_auth_providers])


class LogsView(ApiView):
    @extend_schema(
        operation_id="list_template_version_logs",
        parameters=[OpenApiParameter("after", int), OpenApiParameter("before", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, version: str) -> Response:
        """Lines of the import's log, oldest first, at most 5000; go on with ``after=<last id>``."""
        found = selectors.version_get(viewer=self.actor, version_id=version)
        after, before = log_bounds(request.query_params)
        lines = job_logs(found.job_id, after=after, before=before, limit=LOG_LIMIT)
        return Response([log_json(line) for line in lines])
