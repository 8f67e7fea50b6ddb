"""`POST /authcheck`: many "may I?" questions at once, for pages that show only what works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.audit.models import AuditLog
from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.files.models import File
from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.foundation.fields import JsonBoolean
from coder_admin.organizations.models import Group, Organization, User
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.workspaces.models import Workspace
from rbac.django import may
from rbac.model import LEGAL_ACTIONS, Action, RbacObject, ResourceType, Subject
from rbac.rest import ApiView

MAXIMUM_CHECKS = 100

# By which tables an id of the type can be looked up; other types are judged by what the question says.
_ROWS: Mapping[ResourceType, tuple[type[Model], ...]] = {
    ResourceType.WORKSPACE: (Workspace,),
    ResourceType.TEMPLATE: (Template, TemplateVersion),
    ResourceType.GROUP: (Group,),
    ResourceType.ORGANIZATION: (Organization,),
    ResourceType.USER: (User,),
    ResourceType.FILE: (File,),
    ResourceType.PROVISIONER_JOBS: (ProvisionerJob,),
    ResourceType.AUDIT_LOG: (AuditLog,),
}


class CheckedObject(serializers.Serializer[Any]):
    resource_type = serializers.ChoiceField(choices=[str(t) for t in ResourceType])
    owner_id = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    organization_id = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    resource_id = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    any_org = JsonBoolean(required=False, default=False)


class Check(serializers.Serializer[Any]):
    object = CheckedObject()
    action = serializers.ChoiceField(choices=[str(a) for a in Action])


class ChecksIn(serializers.Serializer[Any]):
    checks = serializers.DictField(child=Check())


class AuthCheckView(ApiView):
    """Answers `{name: bool}` for `{checks: {name: {object, action}}}`; an object that does not exist is
    answered like one that may not be touched."""

    @extend_schema(
        request=ChecksIn, responses={200: {"type": "object", "additionalProperties": {"type": "boolean"}}}
    )
    def post(self, request: Request) -> Response:
        checks = self.parse(ChecksIn)["checks"]
        if len(checks) > MAXIMUM_CHECKS:
            raise Invalid(f"At most {MAXIMUM_CHECKS} checks fit in one request.")
        illegal = [
            Validation(f"checks.{name}", f'"{check["action"]}" is no action of "{_type(check)}".')
            for name, check in checks.items()
            if check["action"] not in LEGAL_ACTIONS[_type(check)]
        ]
        if illegal:
            raise Invalid("Validation failed.", validations=illegal)
        return Response({name: _answer(self.actor, check) for name, check in checks.items()})


def _type(check: Mapping[str, Any]) -> ResourceType:
    return ResourceType(check["object"]["resource_type"])


def _answer(actor: Subject, check: Mapping[str, Any]) -> bool:
    asked, action = check["object"], Action(check["action"])
    type_ = _type(check)
    if asked["resource_id"] and type_ in _ROWS:
        row = _find(type_, asked["resource_id"])
        return row is not None and may(actor, action, row)
    owner = actor.id if asked["owner_id"] == "me" else asked["owner_id"]
    return may(
        actor,
        action,
        RbacObject(
            type_,
            id=asked["resource_id"],
            org=asked["organization_id"],
            owner=owner,
            any_org=asked["any_org"],
        ),
    )


def _find(type_: ResourceType, text: str) -> Any:
    try:
        id_ = UUID(text)
    except ValueError:
        return None
    for model in _ROWS[type_]:
        row = model._default_manager.filter(pk=id_).first()
        if row is not None:
            return row
    return None
