"""Settings of the identity provider's sync, and its dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from coder_admin.foundation.errors import Invalid, Validation
from coder_admin.foundation.fields import JsonBoolean
from rbac.model import Action

from ..idp import preview
from ..idp.config import (
    GroupSync,
    OrganizationSync,
    RoleSync,
    group_sync_json,
    organization_sync_json,
    role_sync_json,
    text_mapping,
    uuid_mapping,
    with_pairs,
)
from ..models import Organization
from ..resolution import as_uuid
from ..services import idp_settings as services
from .base import IdentityView

S = TypeVar("S", OrganizationSync, GroupSync, RoleSync)


class MappingField(serializers.DictField):
    """Claim value → list of ids or names."""

    child = serializers.ListField(child=serializers.CharField(max_length=128), max_length=1000)


class PairIn(serializers.Serializer[Any]):
    given = serializers.CharField(max_length=1000)
    gets = serializers.CharField(max_length=128)


class MappingPatch(serializers.Serializer[Any]):
    add = PairIn(many=True, required=False)
    remove = PairIn(many=True, required=False)


class OrganizationSyncIn(serializers.Serializer[Any]):
    field = serializers.CharField(max_length=1000, allow_blank=True)
    mapping = MappingField(required=False)
    organization_assign_default = JsonBoolean(required=False, default=False)


class OrganizationConfigIn(serializers.Serializer[Any]):
    field = serializers.CharField(max_length=1000, allow_blank=True)
    assign_default = JsonBoolean()


class GroupSyncIn(serializers.Serializer[Any]):
    field = serializers.CharField(max_length=1000, allow_blank=True)
    mapping = MappingField(required=False)
    regex_filter = serializers.CharField(max_length=1000, required=False, allow_null=True, allow_blank=True)
    auto_create_missing_groups = JsonBoolean(required=False, default=False)
    legacy_group_name_mapping = serializers.DictField(child=serializers.CharField(), required=False)


class GroupConfigIn(serializers.Serializer[Any]):
    field = serializers.CharField(max_length=1000, allow_blank=True)
    regex_filter = serializers.CharField(max_length=1000, required=False, allow_null=True, allow_blank=True)
    auto_create_missing_groups = JsonBoolean(required=False, default=False)


class RoleSyncIn(serializers.Serializer[Any]):
    field = serializers.CharField(max_length=1000, allow_blank=True)
    mapping = MappingField(required=False)


class RoleConfigIn(serializers.Serializer[Any]):
    field = serializers.CharField(max_length=1000, allow_blank=True)


class DryRunIn(serializers.Serializer[Any]):
    claims = serializers.DictField(help_text="The claims as the provider would send them.")
    user = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="Empty: somebody without an account."
    )


def _ids(mapping: Mapping[str, Any]) -> Mapping[str, tuple[UUID, ...]]:
    """A mapping of ids as given by a caller: what is no id is refused here, not dropped."""
    _refuse_no_ids(text for texts in mapping.values() for text in texts)
    return uuid_mapping(mapping)


def _refuse_no_ids(texts: Iterable[str]) -> None:
    wrong = [text for text in texts if as_uuid(text) is None]
    if wrong:
        raise Invalid(
            "The mapping holds texts that are no ids.",
            validations=[Validation("mapping", f'"{text}" is not a UUID.') for text in wrong],
        )


def _pairs(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["given"], row["gets"]) for row in rows]


def _id_pairs(rows: list[dict[str, str]]) -> list[tuple[str, UUID]]:
    _refuse_no_ids(row["gets"] for row in rows)
    return [(row["given"], UUID(row["gets"])) for row in rows]


class _SyncView(IdentityView, Generic[S]):
    """Get and replace one setting; the subclasses of each kind say which."""

    def show(self, organization: str) -> Response:
        raise NotImplementedError

    def change(self, organization: str, change: Callable[[S], S]) -> Response:
        raise NotImplementedError


class _OrganizationView(_SyncView[OrganizationSync]):
    def show(self, organization: str = "") -> Response:
        return Response(organization_sync_json(services.organization_sync_get(self.actor)))

    def change(self, organization: str, change: Callable[[OrganizationSync], OrganizationSync]) -> Response:
        return Response(organization_sync_json(services.organization_sync_set(self.actor, change)))


class OrganizationSyncView(_OrganizationView):
    """Which organizations a claim puts people into."""

    @extend_schema(responses={200: OrganizationSyncIn})
    def get(self, request: Request) -> Response:
        return self.show()

    @extend_schema(request=OrganizationSyncIn, responses={200: OrganizationSyncIn})
    def patch(self, request: Request) -> Response:
        data = self.parse(OrganizationSyncIn)
        value = OrganizationSync(
            data["field"], _ids(data.get("mapping", {})), data["organization_assign_default"]
        )
        return self.change("", lambda before: value)


class OrganizationSyncConfigView(_OrganizationView):
    """The same without its mapping."""

    @extend_schema(request=OrganizationConfigIn, responses={200: OrganizationSyncIn})
    def patch(self, request: Request) -> Response:
        data = self.parse(OrganizationConfigIn)
        return self.change(
            "", lambda before: replace(before, field=data["field"], assign_default=data["assign_default"])
        )


class OrganizationSyncMappingView(_OrganizationView):
    """Single pairs of its mapping."""

    @extend_schema(request=MappingPatch, responses={200: OrganizationSyncIn})
    def patch(self, request: Request) -> Response:
        data = self.parse(MappingPatch)
        add, remove = _id_pairs(data.get("add", [])), _id_pairs(data.get("remove", []))
        return self.change(
            "",
            lambda before: replace(before, mapping=with_pairs(before.mapping, add=add, remove=remove)),
        )


class _GroupView(_SyncView[GroupSync]):
    def show(self, organization: str) -> Response:
        row = self.organization(organization)
        return Response(group_sync_json(services.group_sync_get(self.actor, row)))

    def change(self, organization: str, change: Callable[[GroupSync], GroupSync]) -> Response:
        row = self.organization(organization)
        return Response(group_sync_json(services.group_sync_set(self.actor, row, change)))


class GroupSyncView(_GroupView):
    """Which groups of the organization a claim puts people into."""

    @extend_schema(responses={200: GroupSyncIn})
    def get(self, request: Request, organization: str) -> Response:
        return self.show(organization)

    @extend_schema(request=GroupSyncIn, responses={200: GroupSyncIn})
    def patch(self, request: Request, organization: str) -> Response:
        self.organization(organization)
        data = self.parse(GroupSyncIn)
        value = GroupSync(
            field=data["field"],
            mapping=_ids(data.get("mapping", {})),
            regex_filter=data.get("regex_filter") or "",
            auto_create=data["auto_create_missing_groups"],
            legacy_names=data.get("legacy_group_name_mapping", {}),
        )
        return self.change(organization, lambda before: value)


class GroupSyncConfigView(_GroupView):
    """The same without its mapping."""

    @extend_schema(request=GroupConfigIn, responses={200: GroupSyncIn})
    def patch(self, request: Request, organization: str) -> Response:
        self.organization(organization)
        data = self.parse(GroupConfigIn)
        return self.change(
            organization,
            lambda before: replace(
                before,
                field=data["field"],
                regex_filter=data.get("regex_filter") or "",
                auto_create=data["auto_create_missing_groups"],
            ),
        )


class GroupSyncMappingView(_GroupView):
    """Single pairs of its mapping."""

    @extend_schema(request=MappingPatch, responses={200: GroupSyncIn})
    def patch(self, request: Request, organization: str) -> Response:
        self.organization(organization)
        data = self.parse(MappingPatch)
        add, remove = _id_pairs(data.get("add", [])), _id_pairs(data.get("remove", []))
        return self.change(
            organization,
            lambda before: replace(before, mapping=with_pairs(before.mapping, add=add, remove=remove)),
        )


class _RoleView(_SyncView[RoleSync]):
    def show(self, organization: str) -> Response:
        row = self.organization(organization)
        return Response(role_sync_json(services.role_sync_get(self.actor, row)))

    def change(self, organization: str, change: Callable[[RoleSync], RoleSync]) -> Response:
        row = self.organization(organization)
        return Response(role_sync_json(services.role_sync_set(self.actor, row, change)))


class RoleSyncView(_RoleView):
    """Which roles in the organization a claim gives."""

    @extend_schema(responses={200: RoleSyncIn})
    def get(self, request: Request, organization: str) -> Response:
        return self.show(organization)

    @extend_schema(request=RoleSyncIn, responses={200: RoleSyncIn})
    def patch(self, request: Request, organization: str) -> Response:
        self.organization(organization)
        data = self.parse(RoleSyncIn)
        value = RoleSync(data["field"], text_mapping(data.get("mapping", {})))
        return self.change(organization, lambda before: value)


class RoleSyncConfigView(_RoleView):
    """The same without its mapping."""

    @extend_schema(request=RoleConfigIn, responses={200: RoleSyncIn})
    def patch(self, request: Request, organization: str) -> Response:
        self.organization(organization)
        data = self.parse(RoleConfigIn)
        return self.change(organization, lambda before: replace(before, field=data["field"]))


class RoleSyncMappingView(_RoleView):
    """Single pairs of its mapping."""

    @extend_schema(request=MappingPatch, responses={200: RoleSyncIn})
    def patch(self, request: Request, organization: str) -> Response:
        self.organization(organization)
        data = self.parse(MappingPatch)
        add, remove = _pairs(data.get("add", [])), _pairs(data.get("remove", []))
        return self.change(
            organization,
            lambda before: replace(before, mapping=with_pairs(before.mapping, add=add, remove=remove)),
        )


class _InspectView(IdentityView):
    """What is asked for one organization, or for the whole deployment."""

    def place(self, organization: str) -> Organization | None:
        row = self.organization(organization) if organization else None
        services.require_sync_right(self.actor, Action.READ, row)
        return row


class ClaimFieldsView(_InspectView):
    """The names of claims that people came with."""

    @extend_schema(responses={200: {"type": "array", "items": {"type": "string"}}})
    def get(self, request: Request, organization: str = "") -> Response:
        return Response(preview.claim_fields(self.place(organization)))


class ClaimValuesView(_InspectView):
    """The values that people had for the claim `claimField`."""

    @extend_schema(responses={200: {"type": "array", "items": {"type": "string"}}})
    def get(self, request: Request, organization: str = "") -> Response:
        place = self.place(organization)
        field = request.query_params.get("claimField", "")
        if not field:
            raise Invalid(
                "Query parameters have invalid values.",
                validations=[Validation("claimField", 'Query param "claimField" must name a claim.')],
            )
        return Response(preview.claim_values(field, place))


class DryRunView(_InspectView):
    """What a login with the given claims would change; nothing is written."""

    @extend_schema(request=DryRunIn, responses={200: dict})
    def post(self, request: Request, organization: str = "") -> Response:
        place = self.place(organization)
        data = self.parse(DryRunIn)
        user = None
        if data.get("user"):
            user = self.member(organization, data["user"]).user if place else self.user(data["user"])
        return Response(preview.preview_json(preview.preview(data["claims"], user=user, organization=place)))
