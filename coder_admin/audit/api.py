"""`GET /api/v2/audit`, its export, and the making of test entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import Invalid, Validation
from rbac.model import Subject
from rbac.rest import ApiView

from . import export, selectors, services
from .choices import AuditedAction, AuditedType
from .describe import description
from .models import AuditLog
from .resources import UNKNOWN, Linked, linked


class AuditLogOut(serializers.ModelSerializer[AuditLog]):
    """An entry; `description` is a sentence with the placeholders `{user}` and `{target}`."""

    organization = serializers.SerializerMethodField()
    user = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()
    resource_link = serializers.SerializerMethodField()
    is_deleted = serializers.SerializerMethodField()

    class Meta:
        model = AuditLog
        fields = (
            "id",
            "request_id",
            "time",
            "organization_id",
            "organization",
            "ip",
            "user_agent",
            "resource_type",
            "resource_id",
            "resource_target",
            "resource_icon",
            "action",
            "diff",
            "status_code",
            "additional_fields",
            "description",
            "resource_link",
            "is_deleted",
            "username",
            "user",
        )

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_organization(self, row: AuditLog) -> dict[str, str] | None:
        organization = row.organization
        if organization is None:
            return None
        return {
            "id": str(organization.id),
            "name": organization.name,
            "display_name": organization.display_name,
            "icon": organization.icon,
        }

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_user(self, row: AuditLog) -> dict[str, str] | None:
        user = row.user
        if user is None:
            return None
        return {
            "id": str(user.pk),
            "username": user.username,
            "name": user.name,
            "email": user.email,
            "avatar_url": user.avatar_url,
        }

    def get_resource_link(self, row: AuditLog) -> str:
        return self._linked(row).link

    def get_is_deleted(self, row: AuditLog) -> bool:
        return self._linked(row).deleted

    def _linked(self, row: AuditLog) -> Linked:
        known: dict[tuple[str, str], Linked] = self.context["linked"]
        return known.get((row.resource_type, row.resource_id), UNKNOWN)

    def get_description(self, row: AuditLog) -> str:
        return description(row.action, row.resource_type, row.status_code)


class AuditPage(serializers.Serializer[Any]):
    audit_logs = AuditLogOut(many=True)
    count = serializers.IntegerField()


def entries(rows: Sequence[AuditLog]) -> Any:
    """Rows as the API shows them, with what became of their resources."""
    return AuditLogOut(rows, many=True, context={"linked": linked(rows)}).data


class AuditView(ApiView):
    """The trail, newest first; `q` takes the filters of the search text."""

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="resource_type:template action:create username:me …"),
            OpenApiParameter("limit", int),
            OpenApiParameter("offset", int),
        ],
        responses={200: AuditPage},
    )
    def get(self, request: Request) -> Response:
        rows = selectors.audit_logs(self.actor, request.query_params.get("q", ""))
        return Response(self.page("audit_logs", rows, entries))


class AuditExportView(ApiView):
    """What the search finds as a file, `format=csv` or `json`; at most the newest 10,000 entries. The header
    `X-Total-Count` says how many there are."""

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str),
            OpenApiParameter("format", str, enum=list(export.FORMATS)),
        ],
        responses={(200, "text/csv"): str, (200, "application/json"): AuditPage},
    )
    def get(self, request: Request) -> HttpResponse:
        return export_response(
            self.actor, request.query_params.get("q", ""), request.query_params.get("format", "csv")
        )


def export_response(viewer: Subject, query: str, wanted: str) -> HttpResponse:
    """The file of a search. Raises Forbidden, or Invalid for a bad search or an unknown format."""
    if wanted not in export.FORMATS:
        problem = Validation("format", f'"{wanted[:20]}" is not one of {", ".join(export.FORMATS)}.')
        raise Invalid("The trail cannot be exported in this format.", validations=[problem])
    found = selectors.audit_logs(viewer, query)
    rows, count = export.newest(found), found.count()
    if wanted == "csv":
        response = HttpResponse(export.as_csv(rows), content_type="text/csv; charset=utf-8")
    else:
        response = HttpResponse(export.as_json(entries(rows), count), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="audit.{wanted}"'
    response.headers["X-Total-Count"] = str(count)
    response.headers["Cache-Control"] = "no-store"
    return response


class ExampleIn(serializers.Serializer[Any]):
    """What a made-up entry says; everything has a default."""

    action = serializers.ChoiceField(AuditedAction.choices, required=False, default=AuditedAction.CREATE)
    resource_type = serializers.ChoiceField(AuditedType.choices, required=False, default=AuditedType.USER)
    resource_id = serializers.UUIDField(required=False)
    organization_id = serializers.UUIDField(required=False)
    request_id = serializers.UUIDField(required=False)
    time = serializers.DateTimeField(required=False)
    build_reason = serializers.CharField(required=False, allow_blank=True, max_length=32)
    additional_fields = serializers.DictField(required=False)


class ExampleView(ApiView):
    """Makes an entry, for tests of what reads the trail."""

    @extend_schema(request=ExampleIn, responses={204: None})
    def post(self, request: Request) -> Response:
        services.example_create(self.actor, **self.parse(ExampleIn))
        return Response(status=204)
