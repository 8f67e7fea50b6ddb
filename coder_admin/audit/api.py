"""`GET /api/v2/audit`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from rbac.rest import ApiView

from . import selectors
from .describe import description
from .models import AuditLog


class AuditLogOut(serializers.ModelSerializer[AuditLog]):
    """An entry; `description` is a sentence with the placeholders `{user}` and `{target}`."""

    organization = serializers.SerializerMethodField()
    user = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()

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

    def get_description(self, row: AuditLog) -> str:
        return description(row.action, row.resource_type, row.status_code)


class AuditPage(serializers.Serializer[Any]):
    audit_logs = AuditLogOut(many=True)
    count = serializers.IntegerField()


class AuditView(ApiView):
    """The trail, newest first; `q` takes the filters of the search text."""

    @extend_schema(responses={200: AuditPage})
    def get(self, request: Request) -> Response:
        rows = selectors.audit_logs(self.actor, request.query_params.get("q", ""))
        return Response(self.page("audit_logs", rows, lambda found: AuditLogOut(found, many=True).data))
